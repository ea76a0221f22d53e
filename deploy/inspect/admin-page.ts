import { EverywriteError } from '#core/errors.ts';
import type { RegionConfig } from '#replicator/config.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

/** A status page is a few kilobytes; what is longer was not written by a replicator. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

/** What a region's replicator says of itself, or PEER_UNREACHABLE in the operator's words. */
export async function readStatusPage(
  region: RegionConfig,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<RegionStatus> {
  const { host, port } = region.admin;
  try {
    const response = await fetch(`http://${host}:${port}/status`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const text = await response.text();
    if (!response.ok || text.length > PAGE_BYTES_MAX) throw new Error(`HTTP ${response.status}`);
    const page: unknown = JSON.parse(text);
    if (!isStatus(page)) throw new Error('what answers there is not an everywrite replicator');
    return page;
  } catch (cause) {
    signal.throwIfAborted();
    throw new EverywriteError({
      code: 'PEER_UNREACHABLE',
      recovery: 'retry',
      message: `The replicator of ${region.region} does not answer at ${host}:${port} (${reasonOf(cause)}).`,
      cause,
    });
  }
}

// Replicators of other versions may answer with more or fewer fields; these make it ours at all.
function isStatus(page: unknown): page is RegionStatus {
  return typeof page === 'object' && page !== null && 'phase' in page && 'origins' in page;
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === 'TimeoutError') return 'no answer in time';
  // fetch hides what happened one level down, and leaves the message empty for AggregateErrors.
  if (cause.cause instanceof Error && 'code' in cause.cause) return String(cause.cause.code);
  return cause.message;
}
