#!/usr/bin/env node
// The `everywrite` command. The program itself is deploy/cli/main.ts.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runOnNode24 } from './node24.mjs';

const here = dirname(fileURLToPath(import.meta.url));
runOnNode24([join(here, '..', 'cli', 'main.ts'), ...process.argv.slice(2)], { tether: true });
