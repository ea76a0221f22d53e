import type { Backend } from '#sim/pg/backend.ts';
import type { Table } from '#sim/pg/table.ts';
import type { Step } from '#sim/pg/wait.ts';

/** Table lock modes that occur here, weakest first. */
export const TABLE_LOCK = {
  accessShare: 0,
  rowShare: 1,
  rowExclusive: 2,
  share: 3,
  exclusive: 4,
  accessExclusive: 5,
} as const;
export type TableLockMode = (typeof TABLE_LOCK)[keyof typeof TABLE_LOCK];

// From the documentation's table of conflicts: bit m of entry n is set when modes n and m conflict.
const CONFLICTS: readonly number[] = [
  0b100000, // access share: access exclusive
  0b110000, // row share: exclusive and up
  0b111000, // row exclusive: share and up
  0b110100, // share: row exclusive, exclusive, access exclusive (not itself)
  0b111110, // exclusive: everything but access share
  0b111111,
];

export function tableLocksConflict(left: number, right: number): boolean {
  return ((CONFLICTS[left] ?? 0) & (1 << right)) !== 0;
}

/** Who holds which table how. Only transactions that hold something strong are looked at one by one. */
export class TableLocks {
  readonly #holders = new Map<Table, Map<Backend, number>>();

  /** A set of modes, one bit each. */
  held(table: Table, backend: Backend): number {
    return this.#holders.get(table)?.get(backend) ?? 0;
  }

  grant(table: Table, backend: Backend, mode: TableLockMode): void {
    let holders = this.#holders.get(table);
    if (holders === undefined) this.#holders.set(table, (holders = new Map()));
    holders.set(backend, (holders.get(backend) ?? 0) | (1 << mode));
  }

  inTheWay(table: Table, backend: Backend, mode: TableLockMode): readonly Backend[] {
    const holders = this.#holders.get(table);
    if (holders === undefined) return NOBODY;
    const conflicts = CONFLICTS[mode] ?? 0;
    const found: Backend[] = [];
    for (const [holder, modes] of holders) {
      if (holder !== backend && (modes & conflicts) !== 0) found.push(holder);
    }
    return found;
  }

  /** What stays of it after a savepoint; 0: nothing. */
  reduce(table: Table, backend: Backend, modes: number): void {
    const holders = this.#holders.get(table);
    if (modes === 0) holders?.delete(backend);
    else holders?.set(backend, modes);
  }

  reset(): void {
    this.#holders.clear();
  }
}

const NOBODY: readonly Backend[] = [];

export function* lockTable(backend: Backend, table: Table, mode: TableLockMode): Step<void> {
  const { core, transaction } = backend;
  const { tableLocks, waits } = core;
  if ((tableLocks.held(table, backend) & (1 << mode)) !== 0) return;
  // Who was woken stood first in the queue.
  let queues = tableLocks.held(table, backend) === 0;
  while (
    tableLocks.inTheWay(table, backend, mode).length > 0 ||
    (queues && waits.hasOthers(backend, table, mode, tableLocksConflict))
  ) {
    queues = false;
    yield {
      kind: 'lock',
      target: table,
      mode,
      conflicts: tableLocksConflict,
      holders: () => tableLocks.inTheWay(table, backend, mode),
    };
  }
  tableLocks.grant(table, backend, mode);
  transaction.tableLocks.set(table, tableLocks.held(table, backend));
}
