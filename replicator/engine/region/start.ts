import { asEverywriteError, EverywriteError } from '#core/errors.ts';
import { ZERO_HLC } from '#core/hlc.ts';
import { formatLsn, parseLsn, ZERO_LSN } from '#core/lsn.ts';
import type { Lsn } from '#core/lsn.ts';
import { mutant } from '#core/mutant.ts';
import { replicaId } from '#core/region.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { EMPTY_VECTOR, parseVector, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { parseSettings } from '#replicator/engine/capture/capture.ts';
import type { CaptureState } from '#replicator/engine/capture/capture.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { Copier } from '#replicator/engine/log/copier.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';
import type { RegionOptions, RegionPorts } from '#replicator/engine/region/ports.ts';
import { stepBack } from '#replicator/engine/region/step-back.ts';
import type { ReplicationStream } from '#replicator/engine/replication-port.ts';
import type { RegionState } from '#replicator/engine/statement.ts';

/** Where the own stream ends; position 0 when it is empty. */
export interface OwnTail {
  readonly position: number;
  readonly endLsn: Lsn;
  readonly header: FrameHeader | null;
}

/** Everything a region must agree with itself about before it captures or applies. */
export interface Footing {
  readonly replica: ReplicaId;
  readonly state: RegionState;
  readonly applied: VersionVector;
  readonly stable: VersionVector;
  readonly foldFrom: VersionVector;
  readonly tail: OwnTail;
  readonly capture: CaptureState;
  readonly stream: ReplicationStream;
  readonly originFiltered: boolean;
}

const ADOPT_TIMEOUT_MS = 2000;

/**
 * Takes the slot, which admits one replicator, and only then trusts what it reads: another one may have
 * appended and applied until that moment.
 */
export async function findFooting(
  ports: RegionPorts,
  options: RegionOptions,
  control: DatabaseSession,
  own: LogStream,
  signal: AbortSignal,
): Promise<Footing> {
  const originFiltered = options.origin === 'auto' && ports.database.originSupported;
  for (;;) {
    const before = await readTail(own);
    const stream = await ports.replication.start({
      slot: options.slot,
      publication: options.publication,
      startLsn: before.endLsn,
      origin: originFiltered ? 'none' : 'any',
    });
    try {
      // From here on nobody else appends or applies: what is read now holds (takeover.e2e.test.ts).
      await adoptTail(ports, options, await readState(control), own, signal);
      const tail = await readTail(own);
      if (tail.position !== before.position) {
        await stream.close();
        continue;
      }
      const found = await readState(control);
      refuseOtherServer(found, tail);
      refuseLostTail(found, tail);
      const replica = replicaId(options.region, found.epoch);
      const state = await stepBack(control, replica, found, tail.header?.lastSequence ?? 0);
      const capture = await captureState(control, replica, state, tail);
      const applied = parseVector(state.vector);
      const stable = parseVector(state.stable);
      const foldFrom = parseVector(state.foldFrom);
      const vectors = { applied, stable, foldFrom };
      return { replica, state, ...vectors, tail, capture, stream, originFiltered };
    } catch (error) {
      await stream.close();
      throw error;
    }
  }
}

/**
 * The last complete record. Parts of a transaction whose last part never came are decoded and appended
 * again, with the same boundaries: copies skip what they have, readers start over at part 1.
 */
export async function readTail(own: LogStream): Promise<OwnTail> {
  const { first, last } = await own.bounds();
  for (let position = last; position >= first && position > 0; position--) {
    const entry = await own.entryAt(position);
    if (entry === null) continue;
    const { header } = decodeFrame(entry.frame);
    if (header.lastPart) return { position: last, endLsn: header.endLsn, header };
  }
  return { position: last, endLsn: ZERO_LSN, header: null };
}

async function readState(control: DatabaseSession): Promise<RegionState> {
  const [result] = await control.flight([{ kind: 'readState' }]);
  if (result?.kind === 'state') return result.state;
  throw new EverywriteError({
    code: 'DATABASE_NOT_PREPARED',
    recovery: 'operator',
    message: 'This database is not prepared; run "everywrite init" for this region first.',
  });
}

/** The state capture had when it wrote the own log's last record: exactly what decoding goes on from. */
async function captureState(
  control: DatabaseSession,
  replica: ReplicaId,
  state: RegionState,
  { header }: OwnTail,
): Promise<CaptureState> {
  const settingsId = header?.settingsId ?? state.initialSettings;
  const [result] = await control.flight([{ kind: 'readSettings', id: settingsId }]);
  if (result?.kind !== 'settings' || result.value === null) {
    throw new EverywriteError({
      code: 'DATABASE_NOT_PREPARED',
      recovery: 'operator',
      message: `everywrite.settings has no row ${settingsId}; it was in effect in this region's log. Restore that row.`,
    });
  }
  const settings = parseSettings(settingsId, result.value);
  if (header === null) {
    return { replica, sequence: 0, hlc: ZERO_HLC, vector: EMPTY_VECTOR, settings };
  }
  const { lastSequence: sequence, vector } = header;
  const hlc = mutant('hlc-forgotten') ? ZERO_HLC : header.hlc;
  return { replica, sequence, hlc, vector, settings };
}

/**
 * A log that lost its acknowledged tail gets it back from the peers that had copied it (hazards T5).
 * One after the other, the one with most first: two at a time would fence each other out.
 */
async function adoptTail(
  ports: RegionPorts,
  options: RegionOptions,
  state: RegionState,
  own: LogStream,
  signal: AbortSignal,
): Promise<void> {
  const replica = replicaId(options.region, state.epoch);
  // Below it a rebuild needs nothing; peers keep what is above for longer than a log can forget.
  const floor = sequenceOf(parseVector(state.foldFrom), replica);
  const peers = options.members.filter((member) => member !== options.region);
  const asked = await Promise.all(
    peers.map((peer) => askPeer(ports, options.region, peer, signal)),
  );
  const best = asked
    .filter((copy) => copy !== null)
    .toSorted((left, right) => right.lastSequence - left.lastSequence);
  for (const { peer, stream } of best) {
    const turn = new AbortController();
    const end = (): void => turn.abort();
    signal.addEventListener('abort', end);
    try {
      const copier = new Copier(options.region, [], ports.logs, own, ports, floor);
      await copier.refresh();
      const copied = await copier.catchUpFrom(stream, turn.signal);
      if (copied > 0)
        ports.logger.log('warn', 'own log refilled from a peer', { peer, frames: copied });
    } catch (error) {
      const { code, message } = asEverywriteError(error, 'PEER_UNREACHABLE');
      ports.logger.log('warn', 'own log not refilled from a peer', { peer, code, error: message });
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  }
}

interface PeerCopy {
  readonly peer: RegionId;
  readonly stream: LogStream;
  readonly lastSequence: number;
}

/** A peer's copy of our log, if it answers within a bound. */
async function askPeer(
  ports: RegionPorts,
  region: RegionId,
  peer: RegionId,
  signal: AbortSignal,
): Promise<PeerCopy | null> {
  const over = new AbortController();
  const late = ports.timers.sleep(ADOPT_TIMEOUT_MS, over.signal).then(() => null);
  const ask = async (): Promise<PeerCopy | null> => {
    const store = await ports.logs.peer(peer);
    if (signal.aborted || !store.connected()) return null;
    const stream = await store.stream(region, false);
    const last = (await stream?.lastEntry()) ?? null;
    if (stream === null || last === null) return null;
    return { peer, stream, lastSequence: decodeFrame(last.frame).header.lastSequence };
  };
  try {
    return await Promise.race([ask(), late]);
  } catch (error) {
    const { code } = asEverywriteError(error, 'PEER_UNREACHABLE');
    ports.logger.log('debug', 'no own tail from peer', { peer, code });
    return null;
  } finally {
    over.abort();
  }
}

/**
 * A promoted standby or a restored backup gives LSNs and transaction ids out again: decoding from where
 * the log ends would pass over what it commits below that place (hazards T7).
 */
function refuseOtherServer(state: RegionState, tail: OwnTail): void {
  const behindLog = parseLsn(state.walLsn) < tail.endLsn;
  if (state.sameServer && !behindLog) return;
  throw new EverywriteError({
    code: 'EPOCH_CHANGED',
    recovery: 'operator',
    message:
      `This PostgreSQL is not the one that the region was prepared on, or has lost the end of its WAL ` +
      `(${behindLog ? `it is at ${state.walLsn}, the log was written up to ${formatLsn(tail.endLsn)}` : 'its system identifier or timeline is another'}): ` +
      `it was promoted or restored. The region must join again: see OPERATIONS.md, "Must re-join".`,
  });
}

function refuseLostTail(state: RegionState, tail: OwnTail): void {
  const replica = replicaId(state.region as RegionId, state.epoch);
  const announced = sequenceOf(parseVector(state.vector), replica);
  const have = tail.header?.lastSequence ?? 0;
  const confirmed = state.confirmedFlushLsn === null ? ZERO_LSN : parseLsn(state.confirmedFlushLsn);
  // What the slot still holds is decoded again from the tail's own state, with the same dots.
  const refillable = tail.header === null ? announced === 0 : confirmed <= tail.endLsn;
  if (refillable) return;
  throw new EverywriteError({
    code: 'LOG_TAIL_LOST',
    recovery: 'restart',
    message:
      `The own log ends at ${have}, this region had announced ${announced}, and its slot goes on from ` +
      `${state.confirmedFlushLsn ?? 'nothing'}: operations from ${have + 1} on are missing. Waiting for a ` +
      `peer that has copied them; if none has, they exist only in this database's tables: see ` +
      `OPERATIONS.md, "Lost log".`,
  });
}
