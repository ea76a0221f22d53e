import type { Catalogue, CatalogueTable } from '#gateway/catalogue/catalogue.ts';
import { functionModels } from '#gateway/model/function-models.ts';
import { relate } from '#gateway/model/relations.ts';
import type { MergeKind, SchemaModel, TableModel } from '#gateway/model/schema-model.ts';
import { tableModel } from '#gateway/model/table-model.ts';
import { ValueTypes } from '#gateway/model/value-types.ts';
import { qualifiedName } from '#gateway/pg/sql-text.ts';

/** The table that remembers which operations were done; hidden, and replicated like every other. */
export const OPERATIONS_TABLE = 'everywrite_operations';

export interface ModelOptions {
  /** Schemas of the database to show, in this order of precedence. */
  readonly schemas: readonly string[];
  /** How a column merges: the configuration's word; a comment's comes after it. */
  readonly mergeOf: (schema: string, table: string, column: string) => MergeKind | undefined;
}

/** Names everything. What cannot be shown is left out with a reason, never renamed. */
export function buildModel(catalogue: Catalogue, options: ModelOptions): SchemaModel {
  const problems: string[] = [];
  const types = new ValueTypes(catalogue);
  const shown = catalogue.tables.filter(({ schema, name }) => {
    return options.schemas.includes(schema) && name !== OPERATIONS_TABLE;
  });
  const taken = new Set(RESERVED_TYPES);
  const tables = new Map<string, TableModel>();
  const byOid = new Map<string, TableModel>();
  for (const source of shown) {
    const table = tableModel(source, { types, mergeOf: options.mergeOf, problems });
    if (table === null) continue;
    const names = [table.typeName, table.pluralField, table.singularField];
    const double = names.find((name) => taken.has(name));
    if (double !== undefined) {
      problems.push(
        `${source.schema}.${source.name} is left out: the name ${double} is taken. Give one of the two another with COMMENT ON TABLE … IS '@name …'.`,
      );
      continue;
    }
    for (const name of names) taken.add(name);
    tables.set(table.typeName, table);
    byOid.set(source.oid, table);
  }
  relate(shown, byOid, problems);
  return {
    tables,
    functions: functionModels(catalogue, {
      types,
      byRowType: byRowType(shown, byOid),
      options,
      taken,
    }),
    problems,
    operations: operationsTable(catalogue.tables),
  };
}

/** Types that the schema has anyway. */
const RESERVED_TYPES = ['Query', 'Mutation', 'Subscription', 'Node', 'PageInfo', 'node'];

function byRowType(
  sources: readonly CatalogueTable[],
  byOid: ReadonlyMap<string, TableModel>,
): ReadonlyMap<string, TableModel> {
  return new Map(
    sources.flatMap((source) => {
      const table = byOid.get(source.oid);
      return table === undefined ? [] : [[source.rowType, table] as const];
    }),
  );
}

function operationsTable(tables: readonly CatalogueTable[]): string | null {
  const found = tables.find(({ name, schema }) => name === OPERATIONS_TABLE && schema === 'public');
  return found === undefined ? null : qualifiedName(found.schema, found.name);
}
