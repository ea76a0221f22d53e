import { asEverywriteError } from '#core/errors.ts';
import type { EverywriteError } from '#core/errors.ts';
import { witnessHlc } from '#core/hlc.ts';
import type { Hlc } from '#core/hlc.ts';
import { mutant } from '#core/mutant.ts';
import type { Clock, Timers } from '#core/ports.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { EMPTY_VECTOR, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import { ApplyTransaction } from '#replicator/engine/apply/apply-transaction.ts';
import type { ApplyReport } from '#replicator/engine/apply/apply-transaction.ts';
import { planBatch } from '#replicator/engine/apply/batch.ts';
import { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import { LargeTransaction } from '#replicator/engine/apply/large-transaction.ts';
import type { Inbox, Selection } from '#replicator/engine/apply/inbox.ts';
import type { KeyName } from '#replicator/engine/index/spill.ts';
import type { StabilityMatrix } from '#replicator/engine/index/stability.ts';
import type { DirtyKey } from '#replicator/engine/index/unstable-index.ts';
import type { Database, DatabaseSession } from '#replicator/engine/database-port.ts';

export interface ApplierOptions {
  readonly own: ReplicaId;
  readonly origins: readonly RegionId[];
  readonly maxBatchRows: number;
  /** The last sequence of an origin that is whole in the local copy. */
  readonly wholeUpTo: (origin: RegionId) => number;
}

/** Where the applied-vector row stands. */
export interface AppliedState {
  readonly generation: number;
  readonly vector: VersionVector;
  readonly hlc: Hlc;
}

export interface ApplierCounters {
  transactions: number;
  rows: number;
  slowRows: number;
  conflicts: number;
  lockTimeouts: number;
  batches: number;
}

const DIRTY_PER_BATCH = 500;
// What folds to one write costs the database nothing; planning it takes its time all the same.
const OPERATIONS_PER_ROW = 8;
const BACKOFF_MIN_MS = 5;
const BACKOFF_MAX_MS = 500;
// Still below PostgreSQL's default deadlock_timeout of a second.
const LARGE_LOCK_TIMEOUT_MS = 900;

/**
 * Takes what is durable here in causal order and merges it into the tables, batch by batch. Gives way
 * to the application on every lock, and narrows a batch that the tables refuse until only the row that
 * really cannot stand is left out.
 */
export class Applier {
  readonly counters: ApplierCounters = {
    transactions: 0,
    rows: 0,
    slowRows: 0,
    conflicts: 0,
    lockTimeouts: 0,
    batches: 0,
  };
  /** Conflicts that capture found when it folded own operations. */
  readonly pending: ConflictBuffer;
  readonly #context: ApplyContext;
  readonly #database: Database;
  readonly #inbox: Inbox;
  readonly #matrix: StabilityMatrix;
  readonly #ports: { readonly clock: Clock; readonly timers: Timers };
  readonly #options: ApplierOptions;
  #applied: AppliedState;
  #ownSequence = 0;
  #loggedSequence = 0;
  #captured: VersionVector = EMPTY_VECTOR;
  #inFlight: ApplyTransaction | null = null;
  #session: DatabaseSession | null = null;
  #rowLimit: number;
  #dirtyLimit = DIRTY_PER_BATCH;
  #dirtyBlockedUntilMs = 0;
  #largeGeneration: number | null = null;
  #largeCaptured = false;
  #careful = false;
  #failures = 0;
  #lastError: EverywriteError | null = null;
  readonly #blockedUntilMs = new Map<RegionId, number>();

  constructor(
    context: ApplyContext,
    database: Database,
    inbox: Inbox,
    matrix: StabilityMatrix,
    ports: { readonly clock: Clock; readonly timers: Timers },
    applied: AppliedState,
    options: ApplierOptions,
    pending: ConflictBuffer,
  ) {
    this.pending = pending;
    this.#context = context;
    this.#database = database;
    this.#inbox = inbox;
    this.#matrix = matrix;
    this.#ports = ports;
    this.#applied = applied;
    this.#options = options;
    this.#rowLimit = options.maxBatchRows;
    this.#ownSequence = sequenceOf(applied.vector, options.own);
  }

  get applied(): AppliedState {
    return this.#applied;
  }

  get lastError(): EverywriteError | null {
    return this.#lastError;
  }

  /** Tables may have changed: they are described again at the next batch. */
  forgetTables(): void {
    this.#context.tables.forget();
  }

  /** Capture has folded its own transactions up to here: peers' dependencies on them are met. */
  captured(sequence: number, markers: VersionVector): void {
    this.#ownSequence = sequence;
    this.#captured = markers;
    this.#inbox.arrived.raise();
  }

  /**
   * Own transactions up to here are in the log, hence visible: capture may meet one while its COMMIT still
   * waits for a standby, and whoever reads the applied vector is told of what can be read (hazards T2).
   */
  logged(sequence: number): void {
    this.#loggedSequence = Math.max(this.#loggedSequence, sequence);
  }

  /**
   * The index was rebuilt with rows put aside before capture has met the last marker: local writes up to
   * there may turn out not to have seen what was put aside.
   */
  watchLastMarker(): void {
    this.#largeGeneration = this.#applied.generation;
  }

  /** Capture met the marker of this generation in the WAL, perhaps before COMMIT's reply (hazards F9). */
  markerMet(generation: number): void {
    if (this.#inFlight?.generation === generation) this.#inFlight.settle();
    this.#context.versions.captured(generation);
    if (generation === this.#largeGeneration) {
      this.#largeGeneration = null;
      this.#largeCaptured = true;
    }
  }

  /** Runs until `signal` aborts; rejects with what only a fresh start, or a person, can mend. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      // Before there is anything to apply: what comes after an outage should not wait for a handshake.
      await this.#open();
      while (!signal.aborted) {
        await this.#keepRoom();
        const selection = this.#select();
        const dirty = truncates(selection) ? [] : this.#dirtyKeys();
        const idle = selection.transactions.length === 0 && dirty.length === 0;
        if (idle && selection.large !== null) await this.#applyLarge(selection, signal);
        else if (idle && this.pending.isEmpty) {
          this.#inbox.accept(selection);
          this.#observe(selection);
          await this.#idle(signal);
        } else await this.#step(selection, dirty, signal);
      }
    } finally {
      await this.#drop();
    }
  }

  /** Between batches only: what a decision was made from must stay. */
  async #keepRoom(): Promise<void> {
    const { index, spill } = this.#context;
    if (this.#largeCaptured) {
      // Local writes that a large transaction had not seen may have met rows that were put aside.
      this.#largeCaptured = false;
      await spill.load(index.partialSlots());
    }
    if (spill.isNeeded) await spill.relieve(this.#captured);
    else if (spill.count > 0) await spill.settle(this.#matrix.stable());
  }

  #select(): Selection {
    const { own, origins } = this.#options;
    const now = this.#ports.clock.monotonicMs();
    const free = origins.filter((region) => (this.#blockedUntilMs.get(region) ?? 0) <= now);
    const reach = new Map(this.#applied.vector).set(own, this.#ownSequence);
    const rows = this.#rowLimit;
    // After trouble each operation counts, so that the batch comes down to a single transaction.
    const operations = rows < this.#options.maxBatchRows ? rows : rows * OPERATIONS_PER_ROW;
    return this.#inbox.select(reach, free, { rows, operations }, this.#options.wholeUpTo);
  }

  #dirtyKeys(): readonly DirtyKey[] {
    const now = this.#ports.clock.monotonicMs();
    if (now < this.#dirtyBlockedUntilMs) return [];
    return this.#context.index.dirtyKeys(this.#dirtyLimit);
  }

  async #idle(signal: AbortSignal): Promise<void> {
    const waiting = this.#context.index.dirtyCount > 0 || this.#blockedUntilMs.size > 0;
    if (!waiting) {
      await this.#inbox.arrived.wait(signal);
      return;
    }
    await this.#ports.timers.sleep(BACKOFF_MIN_MS, signal);
    const now = this.#ports.clock.monotonicMs();
    for (const [region, until] of this.#blockedUntilMs) {
      if (until <= now) this.#blockedUntilMs.delete(region);
    }
  }

  async #step(
    selection: Selection,
    dirty: readonly DirtyKey[],
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const report = await this.#apply(selection, dirty);
      this.#count(selection, report);
      this.#succeeded(dirty);
    } catch (error) {
      await this.#drop();
      await this.#giveWay(asEverywriteError(error, 'STATEMENT_FAILED'), selection, dirty, signal);
    }
  }

  async #apply(selection: Selection, dirty: readonly DirtyKey[]): Promise<ApplyReport> {
    const { index, spill } = this.#context;
    if (spill.count > 0) await this.#unspill(selection, dirty);
    const { generation } = this.#applied;
    let { hlc } = this.#applied;
    for (const transaction of selection.transactions) {
      hlc = witnessHlc(hlc, transaction.hlc);
      // A peer has seen it, whatever became of the log's answer here.
      this.logged(sequenceOf(transaction.deps, this.#options.own));
    }
    const settled = index.dirtyCount <= dirty.length || mutant('own-component-early');
    const vector = new Map(selection.vector).set(this.#options.own, this.#ownShown(settled));
    const conflicts = new ConflictBuffer();
    const batch = planBatch(
      index,
      selection.transactions,
      dirty,
      { vector, hlc, logged: this.#loggedSequence },
      conflicts,
      this.#context.versions.guard(),
    );
    const careful = this.#careful;
    const options = { generation, careful, pending: this.pending };
    const session = await this.#open();
    this.#inFlight = new ApplyTransaction(this.#context, batch, options);
    try {
      const report = await this.#inFlight.run(session);
      this.#applied = { generation: generation + 1, vector, hlc };
      this.#inbox.accept(selection);
      this.#observe(selection);
      return report;
    } finally {
      this.#inFlight = null;
    }
  }

  /** Alone, and with patience for locks: giving way would mean to begin again from its first piece. */
  async #applyLarge(selection: Selection, signal: AbortSignal): Promise<void> {
    const region = selection.large;
    const first = region === null ? null : this.#inbox.peek(region);
    if (region === null || first === null) return;
    this.#inbox.accept(selection);
    this.#observe(selection);
    const { generation } = this.#applied;
    const { replica, sequence, hlc: stamp, deps } = first;
    const hlc = witnessHlc(this.#applied.hlc, stamp);
    this.logged(sequenceOf(deps, this.#options.own));
    const settled = this.#context.index.dirtyCount === 0;
    const vector = new Map(this.#applied.vector)
      .set(replica, sequence)
      .set(this.#options.own, this.#ownShown(settled));
    const session = await this.#open();
    const progress = { generation, vector, hlc };
    this.#largeGeneration = generation + 1;
    const large = new LargeTransaction(this.#context, session, progress, this.pending);
    const report = await large.run(async () => {
      const { spill } = this.#context;
      const seen = new Map(this.#captured).set(replica, sequence);
      if (spill.isNeeded) await spill.relieve(seen);
      return this.#inbox.takePiece(region, signal);
    }, LARGE_LOCK_TIMEOUT_MS);
    if (report === null) return;
    this.#applied = { generation: generation + 1, vector, hlc };
    this.#matrix.observe(region, replica, sequence, deps);
    this.#count(selection, report);
    this.#succeeded([]);
  }

  /** The own component moves only when every own operation shows: dirty ones still do not. */
  #ownShown(settled: boolean): number {
    const before = sequenceOf(this.#applied.vector, this.#options.own);
    const shown = Math.min(this.#ownSequence, this.#loggedSequence);
    return settled ? Math.max(before, shown) : before;
  }

  async #open(): Promise<DatabaseSession> {
    if (this.#session !== null) return this.#session;
    this.#session = await this.#database.open('apply');
    await this.#context.fence.sameIncarnation();
    return this.#session;
  }

  async #unspill(selection: Selection, dirty: readonly DirtyKey[]): Promise<void> {
    const names: KeyName[] = [...dirty];
    for (const { ops } of selection.transactions) {
      for (const op of ops) {
        if (op.kind === 'truncate') await this.#context.spill.loadTable(op.relation);
        else names.push(op);
      }
    }
    await this.#context.spill.load(names);
  }

  #observe(selection: Selection): void {
    for (const { region, replica, sequence, vector } of selection.observations) {
      this.#matrix.observe(region, replica, sequence, vector);
    }
  }

  #count(selection: Selection, report: ApplyReport): void {
    const { counters } = this;
    counters.batches++;
    counters.transactions += selection.transactions.length;
    counters.rows += report.fastRows + report.slowRows;
    counters.slowRows += report.slowRows;
    counters.conflicts += report.conflicts;
    for (const row of report.newlyRefused) {
      this.#context.logger.log('warn', 'row quarantined', { ...row, wanted: undefined });
    }
  }

  #succeeded(dirty: readonly DirtyKey[]): void {
    if (dirty.length > 0) this.#dirtyLimit = Math.min(DIRTY_PER_BATCH, this.#dirtyLimit * 2);
    this.#failures = 0;
    this.#careful = false;
    this.#lastError = null;
    this.#rowLimit = Math.min(this.#options.maxBatchRows, this.#rowLimit * 2);
  }

  /** Decides what a failed batch means. The session is gone; nothing of the batch has happened. */
  async #giveWay(
    error: EverywriteError,
    selection: Selection,
    dirty: readonly DirtyKey[],
    signal: AbortSignal,
  ): Promise<void> {
    this.#lastError = error;
    this.#failures++;
    const { code } = error;
    if (code === 'ROW_REFUSED') {
      this.#context.tables.forget();
      if (selection.transactions.length > 1) this.#rowLimit = 1;
      else if (this.#careful) throw error;
      else this.#careful = true;
      return;
    }
    if (code !== 'LOCK_TIMEOUT' && code !== 'FENCE_TIMEOUT') throw error;
    this.counters.lockTimeouts++;
    if (dirty.length > 0) {
      this.#postponeDirty(dirty);
      return;
    }
    // Independent work goes on: smaller batches first, then other origins.
    this.#rowLimit = Math.max(1, Math.floor(this.#rowLimit / 8));
    const backoff = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#failures, 8));
    const [first] = selection.transactions;
    if (first !== undefined && selection.transactions.length === 1) {
      const until = this.#ports.clock.monotonicMs() + backoff;
      this.#blockedUntilMs.set(first.region, until);
      this.#context.logger.log('debug', 'apply gave way', { error: error.message, backoff });
      return;
    }
    await this.#ports.timers.sleep(BACKOFF_MIN_MS, signal);
  }

  /** A row that waits to be projected again must not hold up what could be applied without it. */
  #postponeDirty(dirty: readonly DirtyKey[]): void {
    const [first] = dirty;
    const backoff = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#failures, 8));
    this.#dirtyBlockedUntilMs = this.#ports.clock.monotonicMs() + backoff;
    this.#dirtyLimit = Math.max(1, Math.floor(this.#dirtyLimit / 8));
    if (first !== undefined && dirty.length === 1) this.#context.index.postpone(first);
  }

  async #drop(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.close().catch(() => undefined);
  }
}

// The index learns of a TRUNCATE at the end of its batch: until then a dirty row that it took would
// seem to be missing, and come back.
function truncates({ transactions }: Selection): boolean {
  return transactions.some(({ ops }) => ops.some((op) => op.kind === 'truncate'));
}
