import type { PgText } from '#core/relation.ts';
import { keyText } from '#sim/check/spec-ops.ts';
import { quickHash } from '#sim/check/quick-hash.ts';
import type { CommitEvent, Row, RowChange } from '#sim/history/event.ts';
import type { TableModel } from '#sim/run/world.ts';

const HASH_MODULUS = 2 ** 48;

/** Undoes one step; kept while the server may still lose it. */
interface Undo {
  readonly lsn: number;
  readonly run: () => void;
}

/**
 * A region's tables, replayed commit by commit. A row that its table refuses counts as the row that is
 * wanted there, so that regions can be compared whose tables differ only in what they refuse. The hash
 * is a sum over rows: one changed row costs one row's hash.
 */
export class RegionReplay {
  readonly #tables: ReadonlyMap<string, TableModel>;
  readonly #rows = new Map<string, Map<string, Row>>();
  readonly #wanted = new Map<string, Map<string, Row | null>>();
  readonly #undo: Undo[] = [];
  #hash = 0;

  constructor(tables: ReadonlyMap<string, TableModel>) {
    this.#tables = tables;
    for (const name of tables.keys()) this.#rows.set(name, new Map());
  }

  /** Equal for equal logical rows, however they came about. */
  get hash(): number {
    return this.#hash;
  }

  /** The row, or what should stand in its place. */
  logicalRow(table: string, key: string): Row | null {
    const wanted = this.#wanted.get(table)?.get(key);
    return wanted === undefined ? (this.#rows.get(table)?.get(key) ?? null) : wanted;
  }

  /** The rows that really stand in the table. */
  tableRows(table: string): ReadonlyMap<string, Row> {
    return this.#rows.get(table) ?? new Map<string, Row>();
  }

  /** Names of all rows that stand or should stand there. */
  logicalKeys(table: string): ReadonlySet<string> {
    return new Set([...this.tableRows(table).keys(), ...(this.#wanted.get(table)?.keys() ?? [])]);
  }

  isQuarantined(table: string, key: string): boolean {
    return this.#wanted.get(table)?.has(key) === true;
  }

  get quarantined(): number {
    return [...this.#wanted.values()].reduce((sum, rows) => sum + rows.size, 0);
  }

  apply(commit: CommitEvent): void {
    for (const change of commit.changes) this.#change(commit.lsn, change);
    for (const { kind, relation, key, wanted } of commit.quarantine) {
      this.#want(commit.lsn, relation, key, kind === 'clear' ? undefined : parseRow(wanted));
    }
  }

  /** Takes back every commit from `lsn` on. */
  rewind(lsn: number): void {
    for (;;) {
      const last = this.#undo.at(-1);
      if (last === undefined || last.lsn < lsn) return;
      last.run();
      this.#undo.pop();
    }
  }

  #change(lsn: number, change: RowChange): void {
    const table = this.#tables.get(change.table);
    if (table === undefined) return;
    if (change.kind === 'truncate') {
      for (const key of this.tableRows(table.name).keys()) this.#put(lsn, table.name, key, null);
      return;
    }
    if (change.kind !== 'insert') this.#put(lsn, table.name, keyText(table, change.old), null);
    if (change.kind !== 'delete')
      this.#put(lsn, table.name, keyText(table, change.new), change.new);
  }

  #put(lsn: number, table: string, key: string, row: Row | null): void {
    const rows = this.#rows.get(table);
    const before = rows?.get(key);
    this.#counted(table, key, () => putOrDelete(rows, key, row ?? undefined));
    const run = (): void => this.#counted(table, key, () => putOrDelete(rows, key, before));
    this.#undo.push({ lsn, run });
  }

  #want(lsn: number, table: string, key: string, row: Row | null | undefined): void {
    const wanted = this.#wanted.get(table) ?? new Map<string, Row | null>();
    this.#wanted.set(table, wanted);
    const before = wanted.get(key);
    this.#counted(table, key, () => putOrDelete(wanted, key, row));
    const run = (): void => this.#counted(table, key, () => putOrDelete(wanted, key, before));
    this.#undo.push({ lsn, run });
  }

  #counted(table: string, key: string, change: () => void): void {
    const before = this.#rowHash(table, key);
    change();
    const after = this.#rowHash(table, key);
    this.#hash = (this.#hash - before + after + HASH_MODULUS) % HASH_MODULUS;
  }

  #rowHash(table: string, key: string): number {
    const row = this.logicalRow(table, key);
    return row === null ? 0 : quickHash(`${table}\u0001${key}\u0001${canonicalRow(row)}`);
  }
}

function putOrDelete<Value>(
  rows: Map<string, Value> | undefined,
  key: string,
  value: Value | undefined,
): void {
  if (value === undefined) rows?.delete(key);
  else rows?.set(key, value);
}

export function canonicalRow(row: Row): string {
  return JSON.stringify(
    Object.keys(row)
      .toSorted()
      .map((name) => [name, row[name] ?? null]),
  );
}

export function sameRow(left: Row | null, right: Row | null): boolean {
  if (left === null || right === null) return left === right;
  return canonicalRow(left) === canonicalRow(right);
}

function parseRow(text: PgText): Row | null {
  return text === null ? null : (JSON.parse(text) as Row);
}
