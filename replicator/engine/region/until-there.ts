import { EverywriteError } from '#core/errors.ts';
import type { Logger, Timers } from '#core/ports.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

const RETRY_MS = 500;

/**
 * What a replicator waits for before it can begin: a server that is not there yet is asked again. Null
 * when `signal` aborts first.
 */
export async function untilThere<There>(
  what: string,
  attempt: () => Promise<There>,
  ports: { readonly timers: Timers; readonly logger: Logger },
  signal: AbortSignal,
  failed: (error: RegionStatus['error']) => void,
): Promise<There | null> {
  while (!signal.aborted) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof EverywriteError)) throw error;
      const { code, message } = error;
      ports.logger.log('warn', `${what} not reachable`, { code, error: message });
      failed({ code, message });
      await ports.timers.sleep(RETRY_MS, signal);
    }
  }
  return null;
}
