import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 200;
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 15_000;
/** A server that ran so long is not one that dies at every start. */
const HEALTHY_MS = 20_000;

/** A server or a replicator, running or not. */
export interface Restartable {
  readonly running: boolean;
  start(): Promise<void>;
}

/**
 * Starts a server again whenever it has died, with a growing pause, until `signal` aborts; whoever
 * stops it on purpose aborts first. Resolves once nothing more will be started.
 */
export async function keepRunning(
  name: string,
  server: Restartable,
  say: (sentence: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let backoffMs = BACKOFF_MIN_MS;
  let startedMs = performance.now();
  while (await pause(LOOK_MS, signal)) {
    if (server.running) continue;
    if (performance.now() - startedMs > HEALTHY_MS) backoffMs = BACKOFF_MIN_MS;
    say(`The ${name} has ended; it is started again in ${backoffMs / 1000} s.`);
    if (!(await pause(backoffMs, signal))) return;
    backoffMs = Math.min(BACKOFF_MAX_MS, backoffMs * 2);
    startedMs = performance.now();
    try {
      // Somebody else may have been faster: a start of what runs does nothing.
      await server.start();
      say(`The ${name} runs again.`);
    } catch (error) {
      if (signal.aborted) return;
      say(`The ${name} did not start: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** False when it ended early. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => {});
  return !signal.aborted;
}
