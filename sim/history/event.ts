import type { RegionId, ReplicaId } from '#core/region.ts';
import type { PgText } from '#core/relation.ts';
import type { ChangeTransaction } from '#core/transaction.ts';

/**
 * What happened in a run, in the order of true time (microseconds since it began). Written by clients,
 * by the simulated servers and by whoever injects faults; never by the code under test, which must not
 * be the witness of its own innocence. Checkers are pure functions of it.
 */
export type HistoryEvent =
  | InvokeEvent
  | CompleteEvent
  | CommitEvent
  | RewindEvent
  | LoggedEvent
  | LogLostEvent
  | ConfirmEvent
  | ProcessEvent
  | FaultEvent
  | GaugeEvent
  | PointEvent;

export type Row = Readonly<Record<string, PgText>>;

/** A client asks for a transaction. It was due at `scheduledUs`: open loop, latency counts from there. */
export interface InvokeEvent {
  readonly kind: 'invoke';
  readonly atUs: number;
  readonly scheduledUs: number;
  readonly op: number;
  readonly client: string;
  /** The region that it was sent to, and the one that the client belongs to. */
  readonly region: RegionId;
  readonly home: RegionId;
  readonly action: ClientAction;
  /** For the story: `insert orders 17`. */
  readonly what: string;
}

export type ClientAction = 'write' | 'read' | 'probe-write' | 'probe-read';

/** `info`: the client cannot know; both outcomes have to be reckoned with. */
export interface CompleteEvent {
  readonly kind: 'ok' | 'fail' | 'info';
  readonly atUs: number;
  readonly op: number;
  /** Where the transaction committed, if it wrote; names its CommitEvent. */
  readonly commitLsn: number | null;
  /** Why not: SQLSTATE or an error code. */
  readonly error: string | null;
  readonly rows: readonly ReadRow[];
}

/** A row as a read found it; absent when `row` is null. */
export interface ReadRow {
  readonly table: string;
  readonly key: string;
  readonly row: Row | null;
}

/** One row of one committed transaction, as the server's own log has it. */
export type RowChange =
  | { readonly kind: 'insert'; readonly table: string; readonly new: Row }
  | { readonly kind: 'update'; readonly table: string; readonly old: Row; readonly new: Row }
  | { readonly kind: 'delete'; readonly table: string; readonly old: Row }
  | { readonly kind: 'truncate'; readonly table: string };

/** A transaction became visible in a region. `apply` commits carry the vector that they advanced to. */
export interface CommitEvent {
  readonly kind: 'commit';
  readonly atUs: number;
  readonly region: RegionId;
  readonly lsn: number;
  readonly xid: number;
  readonly by: 'user' | 'apply';
  /** The client operation that this is; null where no client asked. */
  readonly op: number | null;
  /** Canonical text, core/version-vector.ts; null for `user`. */
  readonly vector: string | null;
  /** Rows of users' tables, in order of execution. */
  readonly changes: readonly RowChange[];
  /** Conflict records written and taken back by this transaction. */
  readonly conflicts: readonly ConflictChange[];
  readonly quarantine: readonly QuarantineChange[];
}

/** A row that its table refuses: `wanted` (JSON of texts, null for none) is what should stand there. */
export interface QuarantineChange {
  readonly kind: 'put' | 'clear';
  readonly relation: string;
  readonly key: string;
  readonly wanted: PgText;
}

export interface ConflictChange {
  readonly kind: 'add' | 'remove';
  readonly relation: string;
  readonly key: string;
  readonly column: string;
  readonly what: string;
  readonly winner: string;
  readonly loser: string;
  readonly winnerValue: PgText;
  readonly loserValue: PgText;
}

/** The server came back without its commits from `fromLsn` on: a lost tail, a promotion, an old backup. */
export interface RewindEvent {
  readonly kind: 'rewind';
  readonly atUs: number;
  readonly region: RegionId;
  readonly fromLsn: number;
  readonly why: string;
}

/** A region's log stored a frame, of its own or a copy. */
export interface LoggedEvent {
  readonly kind: 'logged';
  readonly atUs: number;
  readonly region: RegionId;
  readonly replica: ReplicaId;
  readonly endLsn: number;
  /** A digest of the bytes: the same frame must be the same everywhere. */
  readonly digest: string;
  /** 0 for whole transactions, else the piece of a large one. */
  readonly part: number;
  readonly transactions: readonly ChangeTransaction[];
}

/** A region's log lost the frames of a replica that end after `afterEndLsn`. */
export interface LogLostEvent {
  readonly kind: 'log-lost';
  readonly atUs: number;
  readonly region: RegionId;
  readonly replica: ReplicaId;
  readonly afterEndLsn: number;
}

/** The slot's confirmed position moved. */
export interface ConfirmEvent {
  readonly kind: 'confirm';
  readonly atUs: number;
  readonly region: RegionId;
  readonly lsn: number;
}

export interface ProcessEvent {
  readonly kind: 'process';
  readonly atUs: number;
  /** `eu.repl`, `eu.pg`, `eu.log`. */
  readonly target: string;
  readonly state: 'up' | 'down' | 'paused';
  readonly why: string;
}

export interface FaultEvent {
  readonly kind: 'fault';
  readonly atUs: number;
  readonly id: number;
  readonly phase: 'begin' | 'end';
  /** The fault's name, `partition`, and what it is for the story: `eu>us stopped`. */
  readonly name: string;
  readonly what: string;
  readonly targets: readonly string[];
}

/** What a region holds in memory and in its tables for its own purposes, looked at now and then. */
export interface GaugeEvent {
  readonly kind: 'gauge';
  readonly atUs: number;
  readonly region: RegionId;
  /** Its idea of what every member has: nothing below is remembered any more. Canonical text. */
  readonly stable: string | null;
  readonly values: Readonly<Record<string, number>>;
}

/** A named point of the run that a story may tell: a retry, a fence, a restart of the pipeline. */
export interface PointEvent {
  readonly kind: 'point';
  readonly atUs: number;
  readonly name: string;
  readonly text: string;
}
