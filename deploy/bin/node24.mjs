// Starts a TypeScript file on the Node 24 that npm installed beside us, whatever Node runs this.
// Node 20 can run this file; only Node 24 runs the sources (it strips their types natively).
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FORWARDED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** The path of a Node that runs our sources. */
export function node24() {
  const [major] = process.versions.node.split('.');
  if (Number(major) >= 24) return process.execPath;
  try {
    const require = createRequire(import.meta.url);
    return join(dirname(require.resolve('node/package.json')), 'bin', 'node');
  } catch {
    process.stderr.write(
      `everywrite needs Node 24; this is ${process.version} and the bundled one is missing. Run "npm ci" first.\n`,
    );
    process.exit(2);
  }
}

/**
 * Runs `node args…` to its end, forwarding signals, and ends with its exit code. A tether is a channel
 * whose end tells the child that we were killed and can forward nothing more.
 */
export function runOnNode24(args, { tether = false } = {}) {
  const stdio = ['inherit', 'inherit', 'inherit', ...(tether ? ['ipc'] : [])];
  const child = spawn(node24(), args, { stdio });
  for (const signal of FORWARDED_SIGNALS) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + 15));
}

const invoked = process.argv[1] === fileURLToPath(import.meta.url);
if (invoked) runOnNode24(process.argv.slice(2));
