import type { RegionId } from '#core/region.ts';
import type { HistoryEvent, ReadRow, Row } from '#sim/history/event.ts';
import type { RandomStreams, Scheduler } from '#sim/kernel/ports.ts';

/** A whole simulated world, as the runner of scenarios sees it: regions that can be written to and broken. */
export interface World extends Scheduler {
  readonly random: RandomStreams;
  /** Starts every process of every region; resolves (in virtual time) once all replicate. */
  start(): Promise<void>;
  /** Lets virtual time pass up to `untilUs`. */
  runUntil(untilUs: number): Promise<void>;
  /** One transaction of an application, in its own session. Never rejects. */
  transact(region: RegionId, transaction: ClientTransaction): Promise<TransactResult>;
  /** Begins a fault. The returned function ends it; calling it twice, or for a fault that is over, does nothing. */
  inject(fault: WorldFault): () => void;
  /** What the region's database holds now, committed. */
  dump(region: RegionId): RegionDump;
  /** A look at the region's metadata; null while its replicator is down. */
  gauges(region: RegionId): GaugeReading | null;
  /** Fixed when the run is over: the same seed gives the same. */
  traceHash(): string;
  readonly eventCount: number;
  /** Why the world is not yet at rest, for a failure's text: null when all but the `lost` regions have all. */
  pending(lost: readonly RegionId[]): string | null;
  /** What the simulator says of itself: an escape, a livelock, a crash outside every process. */
  readonly findings: readonly string[];
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly seed: number;
  /** Microseconds since 1970 at true time 0. */
  readonly epochUs: number;
  readonly regions: readonly RegionId[];
  /** One way, by directed pair. */
  readonly latency: readonly LinkLatency[];
  readonly tables: readonly TableModel[];
  /** Names of the engine's limits, as in `replication` of the configuration file. */
  readonly replication: Readonly<Record<string, number>>;
  readonly logSyncIntervalMs: number;
  readonly mutant: string | null;
  readonly record: (event: HistoryEvent) => void;
}

export interface LinkLatency {
  readonly from: RegionId;
  readonly to: RegionId;
  readonly ms: number;
  /** Mean of an exponential addition. */
  readonly jitterMs: number;
}

export interface TableModel {
  /** `public.orders` */
  readonly name: string;
  readonly columns: readonly ColumnModel[];
  readonly key: readonly string[];
  readonly unique: readonly (readonly string[])[];
  readonly foreignKeys: readonly ForeignKeyModel[];
}

export interface ColumnModel {
  readonly name: string;
  readonly type: ColumnModelType;
  readonly notNull: boolean;
  readonly merge: string;
}

export type ColumnModelType =
  | 'text'
  | 'int4'
  | 'int8'
  | 'numeric'
  | 'bool'
  | 'timestamptz'
  | 'uuid';

export interface ForeignKeyModel {
  readonly columns: readonly string[];
  readonly references: string;
  readonly onDelete: 'no action' | 'cascade' | 'set null';
}

export interface ClientTransaction {
  /** Comes back in the CommitEvent. */
  readonly op: number;
  readonly steps: readonly ClientStep[];
  /** Held open this long before COMMIT. */
  readonly holdMs: number;
  /** The client gives up waiting after this; the outcome is then unknown to it. */
  readonly timeoutMs: number;
}

export type ClientStep =
  | { readonly kind: 'insert'; readonly table: string; readonly row: Row }
  /** UPDATE … SET … WHERE key; `add` is `column = column + n`. */
  | {
      readonly kind: 'update';
      readonly table: string;
      readonly key: Row;
      readonly set: Row;
      readonly add: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'delete'; readonly table: string; readonly key: Row }
  | { readonly kind: 'truncate'; readonly table: string }
  | { readonly kind: 'read'; readonly table: string; readonly key: Row };

export type TransactResult =
  | {
      readonly kind: 'committed';
      /** Null if nothing was written. */
      readonly commitLsn: number | null;
      readonly rows: readonly ReadRow[];
      /** Rows that UPDATE and DELETE met. */
      readonly affected: number;
    }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'unknown'; readonly error: string };

export interface GaugeReading {
  readonly stable: string | null;
  /** indexKeys, dirtyKeys, queuedTransactions, unpublishedBytes, … */
  readonly values: Readonly<Record<string, number>>;
}

export interface RegionDump {
  readonly tables: ReadonlyMap<string, readonly Row[]>;
  readonly vector: string;
  readonly conflicts: readonly string[];
  readonly quarantined: number;
  /** For a file and for comparison; may hold more than `tables`. */
  readonly generation: number;
}

/** `eu.repl`, `eu.pg`, `eu.log`, or `eu` for all of them. */
export type Target = string;

export type WorldFault =
  /** kill -9; `restartMs` null: stays down until the fault ends. */
  | { readonly do: 'kill'; readonly target: Target; readonly restartMs: number | null }
  | { readonly do: 'pause'; readonly target: Target }
  /** Directed. `stopped`: nothing passes and connections break; `jammed`: queued, released at once at the end. */
  | {
      readonly do: 'partition';
      readonly links: readonly Link[];
      readonly mode: 'stopped' | 'jammed';
    }
  | {
      readonly do: 'slow';
      readonly links: readonly Link[];
      readonly addMs: number;
      readonly jitterMs: number;
    }
  | { readonly do: 'loss'; readonly links: readonly Link[]; readonly probability: number }
  /** The wall clock of a region's servers jumps by this; its end jumps back. */
  | { readonly do: 'clock.jump'; readonly target: RegionId; readonly byMs: number }
  | { readonly do: 'clock.drift'; readonly target: RegionId; readonly ppm: number }
  /** Power failure of the log: what was acknowledged in the last `windowMs` is gone from every stream. */
  | { readonly do: 'log.lose-tail'; readonly target: RegionId; readonly windowMs: number }
  | { readonly do: 'log.recreate'; readonly target: RegionId }
  | { readonly do: 'log.full'; readonly target: RegionId }
  /** Replies to appends get lost with this probability; the frame is stored. */
  | { readonly do: 'log.lose-replies'; readonly target: RegionId; readonly probability: number }
  /** Crash of the server; the slot goes back to the last checkpoint's position. */
  | { readonly do: 'slot.rewind'; readonly target: RegionId }
  /** A standby without the last `lostMs` of commits takes over: a new timeline. */
  | { readonly do: 'pg.promote'; readonly target: RegionId; readonly lostMs: number }
  | { readonly do: 'pg.restore'; readonly target: RegionId; readonly ageMs: number }
  | { readonly do: 'pg.disk-full'; readonly target: RegionId }
  | { readonly do: 'pg.slow-io'; readonly target: RegionId; readonly fsyncMs: number }
  /** Power failure of the database's machine: nobody is told, and only what was flushed survives. */
  | { readonly do: 'pg.power-loss'; readonly target: RegionId }
  /** Every connection to the database breaks, for both ends. */
  | { readonly do: 'pg.cut'; readonly target: RegionId }
  /** Commits wait for a standby: the slot delivers what no snapshot shows yet. */
  | { readonly do: 'pg.sync-standby'; readonly target: RegionId; readonly delayMs: number }
  /** What the database sends to its replicator takes longer: capture is behind what is committed. */
  | { readonly do: 'pg.slow-stream'; readonly target: RegionId; readonly addMs: number }
  /** A second replicator of the region, the first one not stopped. */
  | { readonly do: 'double'; readonly target: RegionId };

export interface Link {
  readonly from: RegionId;
  readonly to: RegionId;
}
