import { mutant } from '#core/mutant.ts';
import { EMPTY_VECTOR, formatVector, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { regionOf } from '#core/region.ts';
import type { RegionId } from '#core/region.ts';
import { vectorFenced } from '#replicator/engine/apply/apply-transaction.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import type { Checkpoint } from '#replicator/engine/statement.ts';
import { positionAfter } from '#replicator/engine/log/frame-search.ts';
import type { PipelineParts } from '#replicator/engine/region/pipeline.ts';
import type { RegionOptions, RegionPorts } from '#replicator/engine/region/ports.ts';

const PRUNE_EVERY_MS = 250;
const CHECKPOINT_EVERY_MS = 2000;
const TRIM_EVERY_MS = 10_000;
const FORGET_EVERY_MS = 60_000;
// What one deletion may take, so that it never holds up the others.
const FORGET_ROWS_MAX = 10_000;
const HOUR_US = 3_600_000_000;

interface SavedCheckpoint {
  readonly atMs: number;
  readonly foldFrom: VersionVector;
  /** Every member's own clock when it was last heard before this was saved. */
  readonly heardUs: Map<RegionId, number>;
}

/** What must happen now and then: heartbeats, forgetting what is stable, trimming the logs, retrying. */
export class Housekeeping {
  readonly #ports: RegionPorts;
  readonly #options: RegionOptions;
  readonly #parts: PipelineParts;
  readonly #control: DatabaseSession;
  #expected: Checkpoint;
  #trimBelow: VersionVector;
  /** Saved and not yet old enough to trim by; a few per minute. */
  readonly #checkpoints: SavedCheckpoint[] = [];
  #lastHeartbeatMs = -Infinity;
  #lastCheckpointMs = 0;
  #lastTrimMs = 0;
  #lastForgetMs = 0;

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
    const { stable, foldFrom } = parts.footing.state;
    this.#expected = { stable, foldFrom };
    this.#trimBelow = EMPTY_VECTOR;
  }

  async run(signal: AbortSignal): Promise<void> {
    const pace = Math.min(PRUNE_EVERY_MS, this.#options.heartbeatIntervalMs);
    while (!signal.aborted) {
      const now = this.#ports.clock.monotonicMs();
      if (now - this.#lastHeartbeatMs >= this.#options.heartbeatIntervalMs)
        await this.#heartbeat(now);
      this.#parts.ownRow.release();
      this.#parts.index.prune(this.#parts.matrix.stable());
      if (now - this.#lastCheckpointMs >= CHECKPOINT_EVERY_MS) await this.#checkpoint(now);
      if (now - this.#lastTrimMs >= TRIM_EVERY_MS) await this.#trim(now);
      if (now - this.#lastForgetMs >= FORGET_EVERY_MS) await this.#forgetConflicts(now);
      this.#retryQuarantined(now);
      await this.#ports.timers.sleep(pace, signal);
    }
  }

  /** Through the WAL, so that capture puts it in its place with the vector it stands for. */
  async #heartbeat(now: number): Promise<void> {
    this.#lastHeartbeatMs = now;
    const content = String(Math.round(this.#ports.clock.wallUs()));
    await this.#control.flight([{ kind: 'emitMark', prefix: 'everywrite:heartbeat', content }]);
  }

  async #checkpoint(now: number): Promise<void> {
    const { index, matrix, spill } = this.#parts;
    // What is in the spill is not looked at, and a dirty row does not show what is stable: while there
    // is any, the checkpoint stays.
    if (spill.count > 0 || (index.dirtyCount > 0 && !mutant('checkpoint-over-dirty'))) return;
    // A deletion that is due for its children is met again only if the log is folded from before it.
    if (this.#parts.orphans.isDue) return;
    this.#lastCheckpointMs = now;
    const vector = matrix.stable();
    index.prune(vector);
    const foldFrom = index.rebuildableFrom(vector);
    const next = { stable: formatVector(vector), foldFrom: formatVector(foldFrom) };
    const expected = this.#expected;
    if (next.stable === expected.stable && next.foldFrom === expected.foldFrom) return;
    const [saved] = await this.#control.flight([{ kind: 'saveCheckpoint', expected, next }]);
    // A replicator that wakes after a takeover would set it back to what the log no longer holds.
    if (saved?.kind !== 'count' || saved.count !== 1) throw vectorFenced();
    this.#expected = next;
    this.#keep(foldFrom);
  }

  /**
   * What was saved long enough ago, by every member's own clock: a log forgets what it acknowledged within
   * that time, and a member that has been silent since may be one whose log did. It finds here what its
   * rebuild needs (log-loss.e2e.test.ts; tests/sim/world/log-tail.test.ts).
   */
  #keep(foldFrom: VersionVector): void {
    this.#checkpoints.push({ atMs: this.#ports.clock.monotonicMs(), foldFrom, heardUs: new Map() });
    this.#isDue(this.#checkpoints.at(-1), -Infinity);
  }

  #isDue(checkpoint: SavedCheckpoint | undefined, dueMs: number): boolean {
    if (checkpoint === undefined) return false;
    const trailUs = this.#options.logTrailMs * 1000;
    let due = checkpoint.atMs <= dueMs;
    // A full log hears nothing more: waiting for a member's word would wait for ever (misuse.e2e.test.ts).
    if (due && this.#isFull()) return true;
    for (const origin of this.#parts.copies.keys()) {
      const nowUs = this.#parts.progress.origin(origin).received?.wallUs;
      const thenUs = checkpoint.heardUs.get(origin);
      if (nowUs === undefined) due &&= trailUs === 0;
      // Not heard of then, or its clock has been set back: counted from here.
      else if (thenUs === undefined || nowUs < thenUs) {
        checkpoint.heardUs.set(origin, nowUs);
        due &&= trailUs === 0;
      } else due &&= nowUs - thenUs >= trailUs;
    }
    return due;
  }

  #isFull(): boolean {
    const { copiers, publisher } = this.#parts;
    const errors = [
      publisher.lastError,
      ...[...copiers.values()].map(({ status }) => status.error),
    ];
    return errors.some((error) => error?.code === 'LOG_FULL');
  }

  /** Only below the saved checkpoint: a rebuild begins there. The last entry always stays. */
  async #trim(now: number): Promise<void> {
    this.#lastTrimMs = now;
    // Here, not where one is saved: a region at rest saves none, and a full log keeps it at rest.
    const due = now - this.#options.logTrailMs;
    while (this.#isDue(this.#checkpoints[0], due)) {
      this.#trimBelow = this.#checkpoints.shift()?.foldFrom ?? this.#trimBelow;
    }
    if (mutant('trimmed-too-early')) this.#trimBelow = this.#parts.applier.applied.vector;
    await this.#trimStream(this.#options.region, this.#parts.own);
    for (const [origin, copy] of this.#parts.copies) await this.#trimStream(origin, copy);
  }

  async #trimStream(origin: string, stream: LogStream): Promise<void> {
    const replica = [...this.#trimBelow.keys()].findLast((r) => regionOf(r) === origin);
    if (replica === undefined) return;
    const { first, last } = await stream.bounds();
    const position = Math.min(
      last,
      await positionAfter(stream, sequenceOf(this.#trimBelow, replica)),
    );
    if (position > first) await stream.trim(position);
  }

  /** By stamps, not by the time of recording: every region forgets the same records. */
  async #forgetConflicts(now: number): Promise<void> {
    this.#lastForgetMs = now;
    const { conflictRetentionHours, conflictMaxRows } = this.#options;
    const beforeHlc = this.#parts.capture.state.hlc - conflictRetentionHours * HOUR_US;
    await this.#control.flight([
      { kind: 'forgetConflicts', beforeHlc, keepRows: conflictMaxRows, limit: FORGET_ROWS_MAX },
    ]);
  }

  /** Each row at its own pace: soon at first, for most causes are mended soon, then more and more seldom. */
  #retryQuarantined(now: number): void {
    const keys = this.#parts.quarantine.due(now);
    if (keys.length === 0) return;
    this.#parts.applier.forgetTables();
    for (const key of keys) this.#parts.index.markDirty(key);
    this.#parts.inbox.arrived.raise();
  }
}
