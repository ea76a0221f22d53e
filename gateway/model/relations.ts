import type { CatalogueForeignKey, CatalogueTable } from '#gateway/catalogue/catalogue.ts';
import { omits, parseSmartComment, tagOf } from '#gateway/catalogue/smart-comment.ts';
import type { ColumnModel, RelationModel, TableModel } from '#gateway/model/schema-model.ts';
import { allOf, deprecation } from '#gateway/model/table-model.ts';
import { backwardField, forwardField } from '#gateway/naming/names.ts';

/** Adds to every table the fields that follow its foreign keys, and those that come back. */
export function relate(
  sources: readonly CatalogueTable[],
  byOid: ReadonlyMap<string, TableModel>,
  problems: string[],
): void {
  for (const source of sources) {
    const table = byOid.get(source.oid);
    if (table === undefined) continue;
    for (const key of [...source.foreignKeys, ...claimedKeys(source, sources)]) {
      const target = byOid.get(key.target);
      if (target !== undefined) connect(source, table, target, key, problems);
    }
  }
}

function connect(
  source: CatalogueTable,
  table: TableModel,
  target: TableModel,
  key: CatalogueForeignKey,
  problems: string[],
): void {
  const comment = parseSmartComment(key.comment);
  if (omits(comment, 'read')) return;
  const own = allOf(key.columns, table.columns);
  const others = allOf(key.targetColumns, target.columns);
  if (own.length === 0 || others.length !== own.length) return;
  const pairs = own.map((column, at) => [column, others[at] ?? column] as const);
  const single = isUnique(source, key.columns) ? 'one' : 'many';
  const deprecated = deprecation(comment);
  const { description } = comment;
  add(table, problems, {
    field: tagOf(comment, 'fieldName') ?? forwardField(key.columns, target.typeName),
    kind: 'one',
    target,
    columns: pairs,
    description,
    deprecated,
  });
  add(target, problems, {
    field:
      tagOf(comment, 'foreignFieldName') ??
      backwardField(key.columns, table.typeName, target.typeName, single),
    kind: single,
    target: table,
    columns: pairs.map(([one, other]): readonly [ColumnModel, ColumnModel] => [other, one]),
    description,
    deprecated,
  });
}

function add(table: TableModel, problems: string[], relation: RelationModel): void {
  const names =
    relation.kind === 'one' ? [relation.field] : [relation.field, `${relation.field}List`];
  const fields = [
    'nodeId',
    ...table.columns.map((column) => column.field),
    ...table.relations.flatMap(({ kind, field }) => {
      return kind === 'one' ? [field] : [field, `${field}List`];
    }),
  ];
  const double = names.find((name) => fields.includes(name));
  if (double === undefined) {
    table.relations.push(relation);
    return;
  }
  problems.push(
    `The relation from ${table.typeName} to ${relation.target.typeName} is left out: the field ${double} is there already. Name it with COMMENT ON CONSTRAINT … IS '@fieldName …' (or @foreignFieldName for the way back).`,
  );
}

function isUnique(source: CatalogueTable, columns: readonly string[]): boolean {
  const wanted = new Set(columns);
  return source.keys.some((key) => wanted.symmetricDifference(new Set(key.columns)).size === 0);
}

const CLAIM = /^\(([^)]+)\)\s*references\s+(?:(\w+)\.)?(\w+)\s*\(([^)]+)\)$/i;

/** `@foreignKey (author_id) references authors (id)`: what a view cannot have and can claim. */
function claimedKeys(
  source: CatalogueTable,
  sources: readonly CatalogueTable[],
): readonly CatalogueForeignKey[] {
  const claims = parseSmartComment(source.comment).tags.get('foreignKey') ?? [];
  return claims.flatMap((claim) => {
    const [, own = '', schema, name, others = ''] = CLAIM.exec(claim) ?? [];
    const target = sources.find((table) => {
      return table.name === name && table.schema === (schema ?? source.schema);
    });
    if (target === undefined) return [];
    const list = (text: string): readonly string[] => text.split(',').map((part) => part.trim());
    const columns = list(own);
    return [
      { name: claim, columns, target: target.oid, targetColumns: list(others), comment: null },
    ];
  });
}
