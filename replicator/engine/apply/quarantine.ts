import { relationId } from '#core/relation.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { DirtyKey } from '#replicator/engine/index/unstable-index.ts';
import type { QuarantineRow } from '#replicator/engine/statement.ts';

interface Suspended {
  readonly key: DirtyKey;
  readonly row: QuarantineRow;
}

/**
 * Rows that the table refuses. Their state goes on merging; only the projection waits. `wanted` keeps
 * the whole row beyond stability and restarts (hazards T16).
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
  wanted(relation: string, key: RowKey): ReadonlyMap<string, PgText> | null {
    const text = this.#rows.get(idOf(relation, key))?.row.wanted ?? null;
    if (text === null) return null;
    return new Map(Object.entries(JSON.parse(text) as Record<string, PgText>));
  }

  suspend(relation: Relation, key: RowKey, row: QuarantineRow): void {
    this.#rows.set(idOf(relationId(relation), key), { key: { relation, key }, row });
  }

  release(relation: string, key: RowKey): void {
    this.#rows.delete(idOf(relation, key));
  }

  /** Everything to try again. */
  keys(): readonly DirtyKey[] {
    return [...this.#rows.values()].map(({ key }) => key);
  }
}

function idOf(relation: string, key: string): string {
  return `${relation}\u0000${key}`;
}
