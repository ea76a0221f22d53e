import { asEverywriteError, EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import type { Copier } from '#replicator/engine/log/copier.ts';
import type { RegionPorts } from '#replicator/engine/region/ports.ts';

const ASK_TIMEOUT_MS = 3000;

/** An origin's copy, and how far it must reach. */
export interface CopyToComplete {
  readonly origin: RegionId;
  readonly copier: Copier;
  /** The origin's component of the applied vector. */
  readonly applied: number;
}

/**
 * What is applied here must be in the local copies before the index is rebuilt from them: a store that
 * lost its tail (or all) would leave applied operations out, and whatever is concurrent with them
 * would win unopposed (log-loss.e2e.test.ts). Asks the origin first, then every other member.
 */
export async function completeCopies(
  ports: RegionPorts,
  members: readonly RegionId[],
  copies: readonly CopyToComplete[],
  signal: AbortSignal,
): Promise<void> {
  for (const { origin, copier, applied } of copies) {
    await copier.refresh();
    const sources = [origin, ...members.filter((member) => member !== origin)];
    for (const source of sources) {
      if (copier.wholeUpTo >= applied) break;
      await completeFrom(ports, source, origin, copier, signal);
    }
    if (copier.wholeUpTo < applied) throw incomplete(origin, copier.wholeUpTo, applied);
  }
}

async function completeFrom(
  ports: RegionPorts,
  source: RegionId,
  origin: RegionId,
  copier: Copier,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const end = (): void => over.abort();
  signal.addEventListener('abort', end);
  const late = ports.timers.sleep(ASK_TIMEOUT_MS, over.signal).then(() => null);
  try {
    const stream = await Promise.race([openPeer(ports, source, origin), late]);
    if (stream === null) return;
    const frames = await copier.catchUpFrom(stream, signal);
    if (frames > 0)
      ports.logger.log('warn', 'copy refilled from a peer', { origin, source, frames });
  } catch (error) {
    const { code, message } = asEverywriteError(error, 'PEER_UNREACHABLE');
    const fields = { origin, source, code, error: message };
    ports.logger.log('warn', 'copy not refilled from a peer', fields);
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

async function openPeer(
  ports: RegionPorts,
  source: RegionId,
  origin: RegionId,
): Promise<LogStream | null> {
  const store = await ports.logs.peer(source);
  return store.connected() ? store.stream(origin, false) : null;
}

function incomplete(origin: RegionId, have: number, applied: number): EverywriteError {
  return new EverywriteError({
    code: 'LOG_TAIL_LOST',
    recovery: 'restart',
    message:
      `The local copy of ${origin}'s log ends at ${have}, but ${applied} of its transactions are applied ` +
      `here: the log store lost what it had acknowledged. Waiting for ${origin}, or a peer that has them.`,
  });
}
