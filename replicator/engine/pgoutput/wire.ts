import type { PgoutputMessage, ReplicaIdentity } from '#replicator/engine/pgoutput/message.ts';

/** 2000-01-01, where PostgreSQL counts from, in Unix microseconds. */
export const POSTGRES_EPOCH_US = 946_684_800_000_000;

/** First byte of every message. */
export const TAG = {
  begin: 0x42, // B
  commit: 0x43, // C
  origin: 0x4f, // O
  relation: 0x52, // R
  type: 0x59, // Y
  insert: 0x49, // I
  update: 0x55, // U
  delete: 0x44, // D
  truncate: 0x54, // T
  message: 0x4d, // M
  streamStart: 0x53, // S
  streamStop: 0x45, // E
  streamCommit: 0x63, // c
  streamAbort: 0x41, // A
  beginPrepare: 0x62, // b
  prepare: 0x50, // P
  commitPrepared: 0x4b, // K
  rollbackPrepared: 0x72, // r
  streamPrepare: 0x70, // p
} as const satisfies Record<PgoutputMessage['kind'], number>;

/** What a tuple inside a row message is. */
export const TUPLE = {
  key: 0x4b, // K
  old: 0x4f, // O
  new: 0x4e, // N
} as const;

/** How one value of a tuple is sent. */
export const CELL = {
  null: 0x6e, // n
  unchanged: 0x75, // u
  text: 0x74, // t
  binary: 0x62, // b
} as const;

export const IDENTITY = {
  default: 0x64, // d
  nothing: 0x6e, // n
  full: 0x66, // f
  index: 0x69, // i
} as const satisfies Record<ReplicaIdentity, number>;

export const TRUNCATE_CASCADE = 1;
export const TRUNCATE_RESTART_IDENTITY = 2;
export const COLUMN_PART_OF_KEY = 1;
export const MESSAGE_TRANSACTIONAL = 1;
