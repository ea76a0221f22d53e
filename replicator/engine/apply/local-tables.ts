import { relationId } from '#core/relation.ts';
import type { Relation } from '#core/relation.ts';
import type { KeyedOp } from '#core/transaction.ts';
import type { Database } from '#replicator/engine/database-port.ts';

/** A table as this region can write it. */
export interface LocalRelation {
  /** Columns that exist here and can be written, in local order; keys by position in them. */
  readonly relation: Relation;
  readonly columns: readonly string[];
  readonly uniqueColumns: ReadonlySet<string>;
  /** Columns of constraints that the table does not check by itself while apply writes. */
  readonly unchecked?: ReadonlySet<string>;
}

/** How an origin's columns and this region's correspond, by name; -1 where the other has none. */
export interface Positions {
  /** By position in the origin's relation. */
  readonly ofRemote: readonly number[];
  /** By position in the local table. */
  readonly ofLocal: readonly number[];
  /** Both have the same columns in the same order. */
  readonly same: boolean;
}

const known = new WeakMap<Relation, WeakMap<LocalRelation, Positions>>();

export function positionsIn(relation: Relation, local: LocalRelation): Positions {
  let byLocal = known.get(relation);
  if (byLocal === undefined) known.set(relation, (byLocal = new WeakMap()));
  let positions = byLocal.get(local);
  if (positions === undefined) {
    const names = relation.columns.map(({ name }) => name);
    const ofRemote = names.map((name) => local.columns.indexOf(name));
    const ofLocal = local.columns.map((name) => names.indexOf(name));
    const same = names.length === local.columns.length && ofRemote.every((at, i) => at === i);
    byLocal.set(local, (positions = { ofRemote, ofLocal, same }));
  }
  return positions;
}

/** Whether a row could come to share a unique value with another without the table saying so. */
export function mayShareUnseen(
  { unchecked }: LocalRelation,
  ops: readonly { readonly op: KeyedOp }[],
): boolean {
  if (unchecked === undefined || unchecked.size === 0) return false;
  return ops.some(({ op }) => {
    if (op.kind !== 'update') return op.kind === 'insert';
    return op.columns.some((at) => unchecked.has(op.relation.columns[at]?.name ?? ''));
  });
}

/** Local shapes of replicated tables; null for a table that this region lacks. */
export class LocalTables {
  readonly #database: Database;
  readonly #known = new Map<string, LocalRelation | null>();

  constructor(database: Database) {
    this.#database = database;
  }

  forget(): void {
    this.#known.clear();
    this.#database.forget();
  }

  async get(relation: Relation): Promise<LocalRelation | null> {
    const id = relationId(relation);
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const found = await this.#describe(relation);
    this.#known.set(id, found);
    return found;
  }

  async #describe(relation: Relation): Promise<LocalRelation | null> {
    const table = await this.#database.localTable(relation);
    if (table === null) return null;
    const types = new Map(relation.columns.map((column) => [column.name, column.typeOid]));
    const keyNames = relation.keyColumns.map((at) => relation.columns[at]?.name ?? '');
    const keyColumns = keyNames.map((name) => table.columns.indexOf(name));
    if (keyColumns.some((at) => at < 0)) return null;
    const columns = table.columns.map((name) => ({ name, typeOid: types.get(name) ?? 0 }));
    return {
      relation: { schema: relation.schema, name: relation.name, columns, keyColumns },
      columns: table.columns,
      uniqueColumns: table.uniqueColumns,
      unchecked: table.unchecked ?? new Set(),
    };
  }
}
