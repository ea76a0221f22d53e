import { mutant } from '#core/mutant.ts';
import { isDelta } from '#conflict/column-type.ts';
import { columnTypeAt } from '#conflict/column-types.ts';
import { relationId } from '#core/relation.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { KeyedOp } from '#core/transaction.ts';
import type { DirtyKey } from '#replicator/engine/index/unstable-index.ts';
import type { QuarantineRow } from '#replicator/engine/statement.ts';

type WantedRow = ReadonlyMap<string, PgText> | null;

// The first try comes soon, because most causes are short; then the wait doubles.
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 300_000;

interface Suspended {
  readonly key: DirtyKey;
  readonly row: QuarantineRow;
  /** Local writes to the row since `row.wanted` was decided. */
  readonly own: readonly KeyedOp[];
  /** How many of them the decision now under way has taken into account. */
  decided: number;
  /** Tries so far in this incarnation, and when the next one is due; null: not yet planned. */
  tries: number;
  dueMs: number | null;
}

/**
 * Rows that the table refuses. Their state goes on merging; only the projection waits. `wanted` keeps
 * the whole row beyond stability and restarts (hazards T16), with what this region writes to the old
 * version that is still in its table.
 */
export class Quarantine {
  readonly #rows = new Map<string, Suspended>();

  get size(): number {
    return this.#rows.size;
  }

  has(relation: string, key: RowKey): boolean {
    return this.#rows.size > 0 && this.#rows.has(idOf(relation, key));
  }

  /** The row as it should be, by column name; null when it is not quarantined or should be absent. */
  wanted(relation: string, key: RowKey): WantedRow {
    const entry = this.#rows.get(idOf(relation, key));
    if (entry === undefined || mutant('quarantine-forgotten')) return null;
    entry.decided = entry.own.length;
    return entry.own.reduce(written, parseWanted(entry.row.wanted));
  }

  suspend(relation: Relation, key: RowKey, row: QuarantineRow): void {
    const id = idOf(relationId(relation), key);
    const entry = this.#rows.get(id);
    const own = entry === undefined ? [] : entry.own.slice(entry.decided);
    const { tries, dueMs } = entry ?? { tries: 0, dueMs: null };
    this.#rows.set(id, { key: { relation, key }, row, own, decided: 0, tries, dueMs });
  }

  /** Capture met a local write; true when the row must be looked at again. */
  wrote(op: KeyedOp): boolean {
    if (this.#rows.size === 0) return false;
    const id = idOf(relationId(op.relation), op.key);
    const entry = this.#rows.get(id);
    if (entry === undefined) return false;
    this.#rows.set(id, { ...entry, own: [...entry.own, op] });
    return true;
  }

  release(relation: string, key: RowKey): void {
    this.#rows.delete(idOf(relation, key));
  }

  /** What is to be tried again now; the next try of each is planned with it. */
  due(nowMs: number): readonly DirtyKey[] {
    if (this.#rows.size === 0) return [];
    const keys: DirtyKey[] = [];
    for (const entry of this.#rows.values()) {
      const wait = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(entry.tries, 16));
      entry.dueMs ??= nowMs + wait;
      if (entry.dueMs > nowMs) continue;
      entry.tries++;
      entry.dueMs = null;
      keys.push(entry.key);
    }
    return keys;
  }

  /** A person has mended something: these rows (all without a name) are due at once, and soon again. */
  hurry(relation: string | null, key: string | null): number {
    let count = 0;
    for (const entry of this.#rows.values()) {
      if (relation !== null && relationId(entry.key.relation) !== relation) continue;
      if (key !== null && entry.key.key !== key) continue;
      entry.tries = 0;
      entry.dueMs = 0;
      count++;
    }
    return count;
  }
}

function written(row: WantedRow, op: KeyedOp): WantedRow {
  if (op.kind === 'delete') return null;
  if (op.kind === 'insert') {
    return new Map(op.relation.columns.map(({ name }, at) => [name, op.values[at] ?? null]));
  }
  const next = new Map(row ?? []);
  op.columns.forEach((position, at) => {
    const name = op.relation.columns[position]?.name ?? '';
    const cell = op.cells[at] ?? null;
    const type = columnTypeAt(op.relation, position);
    next.set(name, isDelta(cell) ? type.apply(next.get(name) ?? null, cell) : cell);
  });
  return next;
}

function parseWanted(text: PgText): WantedRow {
  if (text === null) return null;
  return new Map(Object.entries(JSON.parse(text) as Record<string, PgText>));
}

function idOf(relation: string, key: string): string {
  return `${relation}\u0000${key}`;
}
