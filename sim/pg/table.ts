import { must } from '#core/assert.ts';
import type { PgText, Relation } from '#core/relation.ts';
import { dataType } from '#sim/pg/data-type.ts';
import type { DataType } from '#sim/pg/data-type.ts';
import { KeyIndex } from '#sim/pg/key-index.ts';
import type { RowVersion } from '#sim/pg/row-version.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { TableDefinition } from '#sim/pg/table-definition.ts';
import type { Xact } from '#sim/pg/transaction.ts';
import { isAborted } from '#sim/pg/transaction.ts';

/** The rows of a table since it was created or truncated. */
interface Heap {
  /** Who emptied the table; null for the first. */
  readonly by: Xact | null;
  readonly indexes: readonly KeyIndex[];
}

/** A table: its definition, worked out, and its rows. */
export class Table {
  readonly definition: TableDefinition;
  readonly oid: number;
  readonly id: string;
  readonly types: readonly DataType[];
  readonly keyColumns: readonly number[];
  /** Columns of any unique index: changing one takes the stronger row lock. */
  readonly uniqueColumns: ReadonlySet<number>;
  /** Positions of the columns that are not generated; null: none is. */
  readonly plainColumns: readonly number[] | null;
  readonly #positions: ReadonlyMap<string, number>;
  #heaps: Heap[];
  readonly #relations = new WeakMap<Relation, readonly number[]>();

  constructor(definition: TableDefinition, oid: number) {
    this.definition = definition;
    this.oid = oid;
    this.id = `${definition.schema}.${definition.name}`;
    this.types = definition.columns.map(({ type }) => dataType(type));
    this.#positions = new Map(definition.columns.map(({ name }, at) => [name, at]));
    this.keyColumns = definition.key.map((name) => this.column(name));
    const unique = [definition.key, ...(definition.unique ?? [])].flat();
    this.uniqueColumns = new Set(unique.map((name) => this.column(name)));
    const all = [...definition.columns.keys()];
    const plain = all.filter((at) => !this.isGenerated(at));
    this.plainColumns = plain.length === all.length ? null : plain;
    this.#heaps = [{ by: null, indexes: this.#newIndexes() }];
  }

  /** The first is the primary key's. */
  get indexes(): readonly KeyIndex[] {
    for (let at = this.#heaps.length - 1; ; at--) {
      const heap = must(this.#heaps[at], 'heap');
      if (heap.by === null || !isAborted(heap.by)) return heap.indexes;
    }
  }

  get primary(): KeyIndex {
    return must(this.indexes[0], 'primary key');
  }

  columnOrNone(name: string): number {
    return this.#positions.get(name) ?? -1;
  }

  column(name: string): number {
    const at = this.columnOrNone(name);
    if (at < 0) throw new SqlError('42703', `column "${name}" of ${this.id} does not exist`);
    return at;
  }

  isGenerated(at: number): boolean {
    return this.definition.columns[at]?.generated !== undefined;
  }

  /** Where the columns of a relation of the engine's are here; -1 where they are not. */
  positionsOf(relation: Relation): readonly number[] {
    let positions = this.#relations.get(relation);
    if (positions === undefined) {
      positions = relation.columns.map(({ name }) => this.columnOrNone(name));
      this.#relations.set(relation, positions);
    }
    return positions;
  }

  /** The bucket key of a row key's parts, which name the key columns in the relation's order. */
  lookupKey(relation: Relation, parts: readonly string[]): string {
    const positions = this.positionsOf(relation);
    const inOrder = this.keyColumns.map((column) => {
      const at = relation.keyColumns.findIndex((position) => positions[position] === column);
      return must(parts[at], `part of the key of ${this.id}`);
    });
    return this.primary.keyOfParts(inOrder);
  }

  truncate(by: Xact): void {
    this.#heaps.push({ by, indexes: this.#newIndexes() });
  }

  /** Everything is gone at once: recovery of an unlogged table, or before a restore. */
  reset(): void {
    this.#heaps = [{ by: null, indexes: this.#newIndexes() }];
  }

  vacuum(isDead: (version: RowVersion) => boolean): void {
    for (const keyIndex of this.indexes) keyIndex.vacuum(isDead);
  }

  /** The whole row with what the server computes itself. */
  withGenerated(values: readonly PgText[]): readonly PgText[] {
    if (this.plainColumns === null) return values;
    return values.map((value, at) => {
      const generated = this.definition.columns[at]?.generated;
      if (generated === undefined) return value;
      const base = values[this.column(generated.column)] ?? null;
      return base === null ? null : String(Number(base) * generated.factor);
    });
  }

  #newIndexes(): readonly KeyIndex[] {
    const { name, key, unique = [], foreignKeys = [] } = this.definition;
    const make = (label: string, columns: readonly string[], isUnique: boolean): KeyIndex => {
      const positions = columns.map((column) => this.column(column));
      const types = positions.map((at) => must(this.types[at], 'type'));
      return new KeyIndex(label, positions, types, isUnique);
    };
    return [
      make(`${name}_pkey`, key, true),
      ...unique.map((columns) => make(`${name}_${columns.join('_')}_key`, columns, true)),
      ...foreignKeys.map((foreign) => make(foreign.name, foreign.columns, false)),
    ];
  }
}
