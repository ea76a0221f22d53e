import type { Lsn } from '#core/lsn.ts';
import type { Table } from '#sim/pg/table.ts';
import { Xact } from '#sim/pg/transaction.ts';
import type { Snapshot } from '#sim/pg/transaction.ts';
import type { Change } from '#sim/pg/wal.ts';

export type Isolation = 'read committed' | 'repeatable read';

interface Savepoint {
  readonly name: string;
  readonly xact: Xact;
  /** Table locks taken since belong to it. */
  readonly tableLocks: ReadonlyMap<Table, number>;
}

/** A backend's transaction. */
export class OpenTransaction {
  readonly top: Xact;
  /** The innermost subtransaction that has not been released. */
  current: Xact;
  readonly isolation: Isolation;
  /** Begun by BEGIN, not by a statement for itself. */
  readonly explicit: boolean;
  readonly savepoints: Savepoint[] = [];
  /** Of REPEATABLE READ, from its first statement on. */
  snapshot: Snapshot | null = null;
  command = 0;
  failed = false;
  lockTimeoutUs = 0;
  lastXid = 0;
  firstLsn = 0 as Lsn;
  /** Where its commit record starts. */
  commitLsn = 0 as Lsn;
  readonly changes: Change[] = [];
  /** The modes held of each table, one bit each. */
  tableLocks = new Map<Table, number>();
  /** SET LOCAL synchronous_commit. */
  synchronousCommit: boolean | null = null;
  /** For whoever checks: what the client called it. */
  tag: string | null = null;

  constructor(backend: object, isolation: Isolation, explicit: boolean) {
    this.top = new Xact(null, backend);
    this.current = this.top;
    this.isolation = isolation;
    this.explicit = explicit;
  }

  savepoint(name: string, backend: object): void {
    this.current = new Xact(this.current, backend);
    this.savepoints.push({ name, xact: this.current, tableLocks: new Map(this.tableLocks) });
  }

  /** The newest savepoint of this name and everything since becomes its parent's. */
  release(name: string): boolean {
    const at = this.savepoints.findLastIndex((point) => point.name === name);
    const point = this.savepoints[at];
    if (point === undefined) return false;
    this.savepoints.length = at;
    this.current = point.xact.parent ?? this.top;
    return true;
  }

  /** Takes the newest savepoint of this name away; its subtransaction is to be aborted. */
  backTo(name: string): Xact | null {
    const at = this.savepoints.findLastIndex((point) => point.name === name);
    const point = this.savepoints[at];
    if (point === undefined) return null;
    this.savepoints.length = at;
    this.tableLocks = new Map(point.tableLocks);
    this.current = point.xact.parent ?? this.top;
    return point.xact;
  }
}
