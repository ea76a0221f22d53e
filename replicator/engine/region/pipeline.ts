import { relationId } from '#core/relation.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { replicaId } from '#core/region.ts';
import { must } from '#core/assert.ts';
import type { Hlc } from '#core/hlc.ts';
import { mutant } from '#core/mutant.ts';
import { covers, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { Applier } from '#replicator/engine/apply/applier.ts';
import type { ConflictSink } from '#conflict/conflict-sink.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import { Fence } from '#replicator/engine/apply/fence.ts';
import { Inbox } from '#replicator/engine/apply/inbox.ts';
import { KnownVersions } from '#replicator/engine/apply/known-versions.ts';
import { LocalTables } from '#replicator/engine/apply/local-tables.ts';
import { OrphanKeeper } from '#replicator/engine/apply/orphan-keeper.ts';
import { Quarantine } from '#replicator/engine/apply/quarantine.ts';
import { Capture } from '#replicator/engine/capture/capture.ts';
import type { CaptureEvent } from '#replicator/engine/capture/capture.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { Slot } from '#replicator/engine/index/slot.ts';
import { Spill } from '#replicator/engine/index/spill.ts';
import { OwnRow } from '#replicator/engine/index/own-row.ts';
import { StabilityMatrix } from '#replicator/engine/index/stability.ts';
import { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { Copier } from '#replicator/engine/log/copier.ts';
import { readCopy } from '#replicator/engine/log/copy-reader.ts';
import { ownTransactionRecord } from '#replicator/engine/log/framing.ts';
import { Publisher } from '#replicator/engine/log/publisher.ts';
import { TappedStream } from '#replicator/engine/log/tapped-stream.ts';
import { PgoutputDecoder } from '#replicator/engine/pgoutput/decode.ts';
import { completeCopies } from '#replicator/engine/region/complete-copies.ts';
import type { CopyToComplete } from '#replicator/engine/region/complete-copies.ts';
import { Housekeeping } from '#replicator/engine/region/housekeeping.ts';
import { loadQuarantine } from '#replicator/engine/region/load-quarantine.ts';
import { pipelineStatus } from '#replicator/engine/region/pipeline-status.ts';
import { Progress } from '#replicator/engine/region/progress.ts';
import type { RegionOptions, RegionPorts } from '#replicator/engine/region/ports.ts';
import { rebuildIndex } from '#replicator/engine/region/rebuild.ts';
import { findFooting } from '#replicator/engine/region/start.ts';
import type { Footing } from '#replicator/engine/region/start.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

const INDEX_OVERSHOOT = 1.25;
const ROOM_WAIT_MS = 5;
const ROOM_WAITS_MAX = 200;

/** Everything of one server incarnation. Nothing of it outlives an error. */
export interface PipelineParts {
  readonly footing: Footing;
  readonly index: UnstableIndex;
  readonly matrix: StabilityMatrix;
  readonly ownRow: OwnRow;
  readonly inbox: Inbox;
  readonly quarantine: Quarantine;
  readonly fence: Fence;
  readonly spill: Spill;
  readonly orphans: OrphanKeeper;
  readonly applier: Applier;
  readonly publisher: Publisher;
  readonly capture: Capture;
  readonly copiers: ReadonlyMap<RegionId, Copier>;
  readonly copies: ReadonlyMap<RegionId, LogStream>;
  readonly own: LogStream;
  readonly progress: Progress;
  readonly sessions: readonly DatabaseSession[];
}

export interface Pipeline {
  run(signal: AbortSignal): Promise<void>;
  status(): RegionStatus;
  /** Tries rows in quarantine again now; how many. */
  retryQuarantined(relation: string | null, key: string | null): number;
  close(): Promise<void>;
}

/** Connects, takes the slot, rebuilds the index, and hands out a pipeline that is ready to run. */
export async function startPipeline(
  ports: RegionPorts,
  options: RegionOptions,
  signal: AbortSignal,
  entered: (phase: 'rebuilding') => void,
): Promise<Pipeline> {
  const sessions: DatabaseSession[] = [];
  const session = async (): Promise<DatabaseSession> => {
    const opened = await ports.database.open('control');
    sessions.push(opened);
    return opened;
  };
  try {
    const control = await session();
    const local = await ports.logs.local();
    const own = must(await local.stream(options.region, true), 'own stream');
    const copies = new Map<RegionId, LogStream>();
    for (const origin of others(options)) {
      const copy = must(await local.stream(origin, true), 'copy stream');
      copies.set(origin, new TappedStream(copy));
    }
    const footing = await findFooting(ports, options, control, own, signal);
    try {
      entered('rebuilding');
      const publishing = await session();
      const fencing = await session();
      const spilling = await session();
      const built = { control, publishing, fencing, spilling, own, copies, sessions };
      const parts = await assemble(ports, options, footing, built, signal);
      return new RunningPipeline(ports, options, parts, control);
    } catch (error) {
      await footing.stream.close();
      throw error;
    }
  } catch (error) {
    await Promise.allSettled(sessions.map((opened) => opened.close()));
    throw error;
  }
}

interface Opened {
  readonly control: DatabaseSession;
  readonly publishing: DatabaseSession;
  readonly fencing: DatabaseSession;
  readonly spilling: DatabaseSession;
  readonly own: LogStream;
  readonly copies: ReadonlyMap<RegionId, LogStream>;
  readonly sessions: readonly DatabaseSession[];
}

async function assemble(
  ports: RegionPorts,
  options: RegionOptions,
  footing: Footing,
  opened: Opened,
  signal: AbortSignal,
): Promise<PipelineParts> {
  const { replica, applied, foldFrom, stable, state } = footing;
  const { own, copies, sessions } = opened;
  const matrix = seedMatrix(options, footing);
  const ownRow = ownRowOf(ports, options, footing, matrix);
  const inbox = new Inbox(others(options), options.maxInboxBytes);
  const conflicts = new ConflictBuffer();
  const context = applyContext(ports, options, footing, opened, conflicts);
  const copiers = copiersOf(ports, options, footing, copies);
  for (const copier of copiers.values()) copier.onWhole = () => inbox.arrived.raise();
  const applier = new Applier(
    context,
    ports.database,
    inbox,
    matrix,
    ports,
    { generation: state.generation, vector: applied, hlc: state.hlc as Hlc },
    {
      own: replica,
      origins: others(options),
      maxBatchRows: options.maxBatchRows,
      wholeUpTo: (origin) => copiers.get(origin)?.wholeUpTo ?? 0,
    },
    conflicts,
  );
  const { index, spill, quarantine, fence } = context;
  const streams = new Map([[options.region, own], ...copies]);
  const sources = { own: replica, streams, foldFrom, stable, applied };
  await completeCopies(ports, others(options), reachOf(copiers, applied), signal);
  await spill.reset();
  await loadQuarantine(opened.control, quarantine, footing.capture.settings);
  const orphans = new OrphanKeeper({ ...ports, stable: () => matrix.stable() });
  await rebuildIndex(index, { spill, quarantine, orphans }, sources, conflicts, signal);
  tellWhatIsCaptured(applier, footing);
  return {
    footing,
    index,
    matrix,
    ownRow,
    inbox,
    quarantine,
    orphans,
    fence,
    spill,
    applier,
    publisher: publisherOf(ports, options, footing, opened, { ownRow, applier }),
    capture: new Capture(footing.capture),
    copiers,
    copies,
    own,
    progress: new Progress(),
    sessions,
  };
}

function tellWhatIsCaptured(applier: Applier, { replica, applied, capture }: Footing): void {
  const known = new Map(capture.vector).set(replica, Infinity);
  if (!covers(known, applied)) applier.watchLastMarker();
  applier.captured(capture.sequence, capture.vector);
  applier.logged(capture.sequence);
}

function reachOf(
  copiers: ReadonlyMap<RegionId, Copier>,
  applied: VersionVector,
): readonly CopyToComplete[] {
  return [...copiers].map(([origin, copier]) => ({
    origin,
    copier,
    applied: sequenceOf(applied, replicaOf(applied, origin)),
  }));
}

function applyContext(
  ports: RegionPorts,
  options: RegionOptions,
  footing: Footing,
  opened: Opened,
  conflicts: ConflictBuffer,
): ApplyContext {
  const index = new UnstableIndex(footing.replica);
  const versions = new KnownVersions();
  // What a replicator that was taken over does on waking must not touch ours.
  const owner = ports.random.u32().toString(36);
  const sinkOf = (slot: Slot): ConflictSink => conflicts.sink(relationId(slot.relation), slot.key);
  return {
    region: options.region,
    index,
    versions,
    tables: new LocalTables(ports.database),
    quarantine: new Quarantine(),
    fence: new Fence(opened.fencing, versions, ports),
    spill: new Spill(index, opened.spilling, owner, options.indexMaxKeys, sinkOf),
    logger: ports.logger,
    useOrigin: footing.originFiltered && !mutant('own-writes-captured'),
    lockTimeoutMs: options.lockTimeoutMs,
    fenceTimeoutMs: options.fenceTimeoutMs,
  };
}

function ownRowOf(
  ports: RegionPorts,
  { region, members, logTrailMs }: RegionOptions,
  { replica, tail }: Footing,
  matrix: StabilityMatrix,
): OwnRow {
  const row = new OwnRow(matrix, { region, replica }, members, ports.clock, logTrailMs);
  if (tail.header !== null) row.acknowledged(tail.header.lastSequence, tail.header.vector);
  return row;
}

function publisherOf(
  ports: RegionPorts,
  options: RegionOptions,
  footing: Footing,
  opened: Opened,
  { ownRow, applier }: Pick<PipelineParts, 'ownRow' | 'applier'>,
): Publisher {
  const { stream, tail } = footing;
  const { maxUnpublishedBytes, logTrailMs: trailMs } = options;
  const bounds = { maxUnpublishedBytes, trailMs };
  return new Publisher(opened.own, opened.publishing, tail, ports, bounds, {
    durable: ({ lastSequence, vector }) => {
      ownRow.acknowledged(lastSequence, vector);
      applier.logged(lastSequence);
    },
    confirm: (endLsn) => stream.confirm(endLsn),
  });
}

function copiersOf(
  ports: RegionPorts,
  options: RegionOptions,
  { foldFrom }: Footing,
  copies: ReadonlyMap<RegionId, LogStream>,
): ReadonlyMap<RegionId, Copier> {
  const copiers = new Map<RegionId, Copier>();
  for (const [origin, copy] of copies) {
    const relays = others(options).filter((other) => other !== origin);
    const floor = sequenceOf(foldFrom, replicaOf(foldFrom, origin));
    copiers.set(origin, new Copier(origin, relays, ports.logs, copy, ports, floor));
  }
  return copiers;
}

class RunningPipeline implements Pipeline {
  readonly #ports: RegionPorts;
  readonly #options: RegionOptions;
  readonly #parts: PipelineParts;
  readonly #control: DatabaseSession;

  constructor(
    ports: RegionPorts,
    options: RegionOptions,
    parts: PipelineParts,
    control: DatabaseSession,
  ) {
    this.#ports = ports;
    this.#options = options;
    this.#parts = parts;
    this.#control = control;
  }

  /** All loops until one of them fails or `signal` aborts; the first failure ends the others. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const end = (): void => stop.abort();
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    const { applier, publisher, copiers, copies, inbox, progress } = this.#parts;
    const { applied } = this.#parts.footing;
    const loops = [
      this.#captureLoop(stop.signal),
      publisher.run(stop.signal),
      applier.run(stop.signal),
      this.#parts.orphans.run(stop.signal),
      new Housekeeping(this.#ports, this.#options, this.#parts, this.#control).run(stop.signal),
      ...[...copiers.values()].map((copier) => copier.run(stop.signal)),
      ...[...copies].map(([origin, copy]) => {
        const after = sequenceOf(applied, replicaOf(applied, origin));
        const seen: Parameters<typeof readCopy>[4] = (header) =>
          progress.saw(origin, header, this.#ports.clock);
        return readCopy(origin, copy, after, inbox, seen, this.#ports.timers, stop.signal);
      }),
    ];
    // The slot's stream blocks on the socket: closing it ends the capture loop.
    stop.signal.addEventListener('abort', () => {
      void this.#parts.footing.stream.close();
      this.#parts.fence.end();
    });
    try {
      await Promise.all(loops);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      end();
      signal.removeEventListener('abort', end);
      await Promise.allSettled(loops);
    }
  }

  status(): RegionStatus {
    return pipelineStatus(this.#ports, this.#options, this.#parts);
  }

  retryQuarantined(relation: string | null, key: string | null): number {
    return this.#parts.quarantine.hurry(relation, key);
  }

  async close(): Promise<void> {
    const { footing, sessions } = this.#parts;
    await Promise.allSettled([footing.stream.close(), ...sessions.map((s) => s.close())]);
  }

  async #captureLoop(signal: AbortSignal): Promise<void> {
    const { footing, capture, publisher } = this.#parts;
    const decoder = new PgoutputDecoder();
    try {
      for await (const frames of footing.stream) {
        for (const frame of frames) {
          // Keepalives are answered by the adapter; only own records move the slot (hazards T4).
          if (
            mutant('slot-follows-keepalives') &&
            frame.kind === 'keepalive' &&
            publisher.queuedBytes === 0
          )
            footing.stream.confirm(frame.walEnd);
          if (frame.kind !== 'data') continue;
          const event = capture.push(decoder.decode(frame.bytes));
          if (event !== null) this.#captured(event);
        }
        await publisher.ready(signal);
        await this.#indexHasRoom(signal);
        if (signal.aborted) return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /**
   * Lets the spill keep up when capture folds faster than it puts aside. Bounded: apply, which spills, may
   * itself be waiting for a mark that is still to be decoded.
   */
  async #indexHasRoom(signal: AbortSignal): Promise<void> {
    const { index } = this.#parts;
    const limit = this.#options.indexMaxKeys * INDEX_OVERSHOOT;
    for (let waits = 0; index.size > limit && waits < ROOM_WAITS_MAX && !signal.aborted; waits++) {
      await this.#ports.timers.sleep(ROOM_WAIT_MS, signal);
    }
  }

  #captured(event: CaptureEvent): void {
    const { index, applier, capture, publisher, fence, quarantine, orphans } = this.#parts;
    switch (event.kind) {
      case 'transaction': {
        const { transaction, piece, xid, state, generation } = event;
        if (generation !== undefined) applier.markerMet(generation);
        orphans.watch(transaction);
        index.foldOwn(transaction, xid, (slot) =>
          applier.pending.sink(relationId(slot.relation), slot.key),
        );
        for (const op of transaction.ops) {
          if (op.kind === 'truncate') continue;
          if (quarantine.wrote(op)) index.markDirty(op);
          if (op.kind !== 'delete' || op.cause === undefined) continue;
          applier.pending.verdict(relationId(op.relation), op.key, op.cause);
        }
        publisher.enqueue(ownTransactionRecord(transaction, piece, xid, state));
        if (piece.last) applier.captured(transaction.sequence, state.vector);
        return;
      }
      case 'marker':
        applier.markerMet(event.generation);
        applier.captured(capture.state.sequence, capture.state.vector);
        return;
      case 'mark':
        fence.met(event.token);
        return;
      default: {
        const { endLsn, content } = event;
        const { vector } = mutant('heartbeat-from-apply') ? applier.applied : event.state;
        const state = { ...event.state, vector };
        const wallUs = Number(content) || 0;
        publisher.enqueue({ kind: 'heartbeat', endLsn, wallUs, state, bytes: 100 });
      }
    }
  }
}

/** The newest incarnation of a region that is known here. */
function replicaOf(applied: VersionVector, origin: RegionId): ReplicaId {
  const known = [...applied.keys()].findLast((replica) => replica.startsWith(`${origin}.`));
  return known ?? replicaId(origin, 1);
}

function seedMatrix(options: RegionOptions, footing: Footing): StabilityMatrix {
  const matrix = new StabilityMatrix(options.members);
  const { replica, stable } = footing;
  for (const member of options.members) {
    const own = sequenceOf(stable, replica);
    matrix.observe(member, replica, own, stable);
  }
  return matrix;
}

function others(options: RegionOptions): readonly RegionId[] {
  return options.members.filter((member) => member !== options.region);
}
