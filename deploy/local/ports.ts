import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below the range from which Linux and macOS take the ports of outgoing connections (32768 and
// 49152): a server that is stopped and started again must find its port still free.
const LOWEST = 20_000;
const HIGHEST = 32_000;
const ATTEMPTS_MAX = 2_000;

const handedOut = new Set<number>();

/** A TCP port that is free on 127.0.0.1, never the same one twice in this process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    // Random, because other processes on this machine look for ports at the same time.
    const port = randomInt(LOWEST, HIGHEST);
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error(
    `found no free TCP port between ${LOWEST} and ${HIGHEST} on 127.0.0.1; stop some servers`,
  );
}

/** A set of distinct free ports. */
export async function freePorts(count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, freePort));
}

/** Whether a server could listen on this port of 127.0.0.1 now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      probe.close(() => resolve(true));
    });
  });
}
