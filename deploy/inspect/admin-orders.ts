import { EverywriteError } from '#core/errors.ts';
import type { RegionConfig } from '#replicator/config.ts';

const TIMEOUT_MS = 5000;

/** Asks a region's replicator to try rows in quarantine again now; how many it will try. */
export async function retryQuarantined(
  region: RegionConfig,
  relation: string | null,
  key: string | null,
  signal: AbortSignal,
): Promise<number> {
  const { host, port } = region.admin;
  const query = new URLSearchParams({
    ...(relation === null ? {} : { relation }),
    ...(key === null ? {} : { key }),
  });
  try {
    const response = await fetch(`http://${host}:${port}/quarantine/retry?${query.toString()}`, {
      method: 'POST',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const body = (await response.json()) as { readonly retried?: number };
    if (!response.ok) throw new Error(`it is not running yet, HTTP ${response.status}`);
    return body.retried ?? 0;
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EverywriteError({
      code: 'PEER_UNREACHABLE',
      recovery: 'retry',
      message:
        `The replicator of ${region.region} does not answer at ${host}:${port} (${why}). It tries rows ` +
        `in quarantine again by itself when it starts.`,
      cause,
    });
  }
}
