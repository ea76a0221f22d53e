import { must } from '#core/assert.ts';
import type { Backend } from '#sim/pg/backend.ts';
import type { Flusher } from '#sim/pg/flusher.ts';
import type { LockWaits } from '#sim/pg/lock-waits.ts';
import type { Pace } from '#sim/pg/pace.ts';
import type { ServerTime } from '#sim/pg/server-time.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { Slot } from '#sim/pg/slot.ts';
import type { Table } from '#sim/pg/table.ts';
import type { TableLocks } from '#sim/pg/table-locks.ts';
import type { TransactionIds } from '#sim/pg/transaction-ids.ts';
import type { CommitEntry, Wal } from '#sim/pg/wal.ts';

/** Who the server is: what a restored or promoted copy of it need not share. */
export interface ServerIdentity {
  readonly systemIdentifier: string;
  timeline: number;
}

/** What the processes of one server share: its disk and its shared memory. */
export interface ServerCore {
  readonly name: string;
  /** As `server_version_num`. */
  readonly version: number;
  readonly identity: ServerIdentity;
  readonly time: ServerTime;
  readonly pace: Pace;
  readonly ids: TransactionIds;
  readonly wal: Wal;
  readonly flusher: Flusher;
  readonly waits: LockWaits;
  readonly tableLocks: TableLocks;
  /** By `schema.name`. */
  readonly tables: Map<string, Table>;
  readonly slots: Map<string, Slot>;
  /** Tables of each publication. */
  readonly publications: Map<string, Set<string>>;
  /** Which backend has which replication origin set up. */
  readonly origins: Map<string, Backend>;
  readonly backends: Set<Backend>;
  /** Commit records that are written and not yet visible. */
  readonly unsettled: Set<CommitEntry>;
  readonly wallUs: () => number;
  /** How much longer than here a commit waits for a synchronous standby; null: there is none. */
  standbyUs: number | null;
  dataDiskFull: boolean;
  readonly point: (name: string, fields?: Readonly<Record<string, string | number>>) => void;
  /** A transaction has become visible. */
  readonly published: (entry: CommitEntry) => void;
}

export function tableOf(core: ServerCore, schema: string, name: string): Table {
  const table = core.tables.get(`${schema}.${name}`);
  if (table === undefined) {
    throw new SqlError('42P01', `relation "${schema}.${name}" does not exist`);
  }
  return table;
}

/** One of Everywrite's own. */
export function ownTable(core: ServerCore, name: string): Table {
  return must(tableOf(core, 'everywrite', name), name);
}
