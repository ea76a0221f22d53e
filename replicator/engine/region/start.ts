import { asEverywriteError, EverywriteError } from '#core/errors.ts';
import { ZERO_HLC } from '#core/hlc.ts';
import type { Hlc } from '#core/hlc.ts';
import { parseLsn, ZERO_LSN } from '#core/lsn.ts';
import type { Lsn } from '#core/lsn.ts';
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
  await adoptTail(ports, options, own, signal);
  for (;;) {
    // In this order: the log is ahead of what the vector announces, and another replicator may be at
    // work (takeover.e2e.test.ts).
    const state = await readState(control);
    const before = await readTail(own);
    refuseLostTail(state, before);
    const originFiltered = options.origin === 'auto' && ports.database.originSupported;
    const stream = await ports.replication.start({
      slot: options.slot,
      publication: options.publication,
      startLsn: before.endLsn,
      origin: originFiltered ? 'none' : 'any',
    });
    try {
      const tail = await readTail(own);
      if (tail.position !== before.position) {
        await stream.close();
        continue;
      }
      const settled = await readState(control);
      const replica = replicaId(options.region, settled.epoch);
      const capture = await captureState(control, replica, settled, tail);
      const applied = parseVector(settled.vector);
      const stable = parseVector(settled.stable);
      const foldFrom = parseVector(settled.foldFrom);
      return {
        replica,
        state: settled,
        applied,
        stable,
        foldFrom,
        tail,
        capture,
        stream,
        originFiltered,
      };
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
  const { lastSequence: sequence, hlc, vector } = header;
  return { replica, sequence, hlc: hlc as Hlc, vector, settings };
}

/** A log that lost its acknowledged tail gets it back from the peers that had copied it (hazards T5). */
async function adoptTail(
  ports: RegionPorts,
  options: RegionOptions,
  own: LogStream,
  signal: AbortSignal,
): Promise<void> {
  const peers = options.members.filter((member) => member !== options.region);
  await Promise.all(
    peers.map(async (peer) => {
      const turn = new AbortController();
      const end = (): void => turn.abort();
      signal.addEventListener('abort', end);
      void ports.timers.sleep(ADOPT_TIMEOUT_MS, turn.signal).then(end);
      try {
        await adoptFrom(ports, options.region, peer, own, turn.signal);
      } catch (error) {
        const { code } = asEverywriteError(error, 'PEER_UNREACHABLE');
        ports.logger.log('debug', 'no own tail from peer', { peer, code });
      } finally {
        signal.removeEventListener('abort', end);
        end();
      }
    }),
  );
}

async function adoptFrom(
  ports: RegionPorts,
  region: RegionId,
  peer: RegionId,
  own: LogStream,
  signal: AbortSignal,
): Promise<void> {
  const late = ports.timers.sleep(ADOPT_TIMEOUT_MS, signal).then(() => null);
  const store = await Promise.race([ports.logs.peer(peer), late]);
  if (store === null || !store.connected()) return;
  const stream = await Promise.race([store.stream(region, false), late]);
  if (stream === null) return;
  const copier = new Copier(region, [], ports.logs, own, ports);
  await copier.refresh();
  const copied = await copier.catchUpFrom(stream, signal);
  if (copied > 0)
    ports.logger.log('warn', 'own log refilled from a peer', { peer, frames: copied });
}

function refuseLostTail(state: RegionState, tail: OwnTail): void {
  const replica = replicaId(state.region as RegionId, state.epoch);
  const announced = sequenceOf(parseVector(state.vector), replica);
  const have = tail.header?.lastSequence ?? 0;
  const confirmed = state.confirmedFlushLsn === null ? ZERO_LSN : parseLsn(state.confirmedFlushLsn);
  const behindSlot = tail.header !== null && confirmed > tail.endLsn;
  if (have >= announced && !behindSlot) return;
  throw new EverywriteError({
    code: 'LOG_TAIL_LOST',
    recovery: 'restart',
    message:
      `The own log ends at ${have} but this region had already reached ${Math.max(announced, have)} ` +
      `(slot confirmed at ${state.confirmedFlushLsn ?? 'none'}). Waiting for a peer that copied the rest; ` +
      `if no peer has it, the lost operations exist only in this database: see OPERATIONS.md, "Lost log".`,
  });
}
