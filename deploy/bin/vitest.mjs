// vitest 5 needs Node 22 or newer; this runs it on the pinned Node 24.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { runOnNode24 } from './node24.mjs';

const require = createRequire(import.meta.url);
runOnNode24([
  join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs'),
  ...process.argv.slice(2),
]);
