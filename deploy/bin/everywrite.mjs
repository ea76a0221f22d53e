#!/usr/bin/env node
// The `everywrite` command. The program itself is deploy/cli/main.ts.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runOnNode24 } from './node24.mjs';

const here = dirname(fileURLToPath(import.meta.url));
// A replicator's heap is kept small: see REPLICATOR_NODE_FLAGS in deploy/local/replicator-process.ts.
const flags =
  process.argv[2] === 'run' ? ['--max-semi-space-size=16', '--heap-growing-percent=60'] : [];
runOnNode24([...flags, join(here, '..', 'cli', 'main.ts'), ...process.argv.slice(2)], {
  tether: true,
});
