#!/usr/bin/env node
// The `sim` command. The program itself is sim/cli/main.ts.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runOnNode24 } from './node24.mjs';

const here = dirname(fileURLToPath(import.meta.url));
runOnNode24([join(here, '..', '..', 'sim', 'cli', 'main.ts'), ...process.argv.slice(2)]);
