import type {
  CatalogueColumn,
  CatalogueKey,
  CatalogueTable,
} from '#gateway/catalogue/catalogue.ts';
import { omits, parseSmartComment, tagOf } from '#gateway/catalogue/smart-comment.ts';
import type { SmartComment } from '#gateway/catalogue/smart-comment.ts';
import type { ModelOptions } from '#gateway/model/build-model.ts';
import type {
  ColumnModel,
  MergeKind,
  TableModel,
  UniqueModel,
} from '#gateway/model/schema-model.ts';
import type { ValueTypes } from '#gateway/model/value-types.ts';
import {
  camel,
  lowerFirst,
  pascal,
  pluralField,
  screaming,
  typeNameOf,
  upperFirst,
} from '#gateway/naming/names.ts';
import { qualifiedName, quoteName } from '#gateway/pg/sql-text.ts';

export interface TableContext {
  readonly types: ValueTypes;
  readonly mergeOf: ModelOptions['mergeOf'];
  readonly problems: string[];
}

/** A table with its columns and keys; relations come when all tables are known. */
export function tableModel(source: CatalogueTable, context: TableContext): TableModel | null {
  const comment = parseSmartComment(source.comment);
  if (omits(comment, 'read')) return null;
  const given = tagOf(comment, 'name');
  const typeName = given === undefined ? typeNameOf(source.schema, source.name) : pascal(given);
  const columns = columnModels(source, context);
  if (columns.length === 0) return null;
  const key = primaryKey(source, comment, columns);
  const { writes } = source;
  const readable = (action: string): boolean => !omits(comment, action);
  return {
    typeName,
    pluralField: pluralField(typeName),
    singularField: lowerFirst(typeName),
    schema: source.schema,
    table: source.name,
    sqlName: qualifiedName(source.schema, source.name),
    description: comment.description,
    columns,
    key,
    uniques: uniqueModels(source, typeName, columns, key),
    relations: [],
    can: {
      read: true,
      create: writes.insert && readable('create'),
      update: writes.update && readable('update') && key.length > 0,
      delete: writes.delete && readable('delete') && key.length > 0,
      filter: readable('filter'),
      order: readable('order'),
      many: readable('many'),
    },
  };
}

function columnModels(source: CatalogueTable, context: TableContext): readonly ColumnModel[] {
  // `nodeId` is the row's identity for the whole schema.
  const taken = new Set(['nodeId', '__typename']);
  return source.columns.flatMap((column) => {
    const model = columnModel(source, column, context);
    if (model === null) return [];
    if (taken.has(model.field)) {
      context.problems.push(
        `${source.schema}.${source.name}.${column.name} is left out: the field ${model.field} is there already. Give it another name with COMMENT ON COLUMN … IS '@name …'.`,
      );
      return [];
    }
    taken.add(model.field);
    return [model];
  });
}

function columnModel(
  source: CatalogueTable,
  column: CatalogueColumn,
  { types, mergeOf }: TableContext,
): ColumnModel | null {
  const comment = parseSmartComment(column.comment);
  const type = types.of(column.type);
  if (type === null || omits(comment, 'read')) return null;
  const name = tagOf(comment, 'name') ?? camel(column.name);
  const writable = column.written === 'freely';
  const may = (action: string): boolean => !omits(comment, action);
  return {
    field: name === 'nodeId' ? 'nodeIdColumn' : name,
    column: column.name,
    sqlName: quoteName(column.name),
    type,
    notNull: column.notNull,
    hasDefault: column.hasDefault,
    description: comment.description,
    deprecated: deprecation(comment),
    merge: mergeOf(source.schema, source.name, column.name) ?? mergeByComment(column.comment),
    can: {
      read: true,
      create: writable && may('create'),
      update: writable && may('update'),
      filter: type.filter !== 'none' && may('filter'),
      order: type.ordered && type.kind !== 'list' && may('order'),
    },
  };
}

export function deprecation(comment: SmartComment): string | null {
  const reasons = comment.tags.get('deprecated');
  if (reasons === undefined) return null;
  return reasons.join(' ').trim() || 'No longer supported';
}

const MERGES: readonly MergeKind[] = ['lww', 'counter', 'set', 'map', 'text'];

function mergeByComment(comment: string | null): MergeKind {
  const [, word] = /@everywrite\s+([^\s,;]+)/.exec(comment ?? '') ?? [];
  if (word === undefined) return 'lww';
  return MERGES.find((merge) => merge === word) ?? 'other';
}

/** The primary key, or for views the one that `@primaryKey id` claims. */
function primaryKey(
  source: CatalogueTable,
  comment: SmartComment,
  columns: readonly ColumnModel[],
): readonly ColumnModel[] {
  const claimed = tagOf(comment, 'primaryKey')?.split(',');
  const names = claimed?.map((name) => name.trim()) ?? source.keys.find((k) => k.primary)?.columns;
  return allOf(names ?? [], columns);
}

/** The models of all these columns, or none when one of them is not shown. */
export function allOf(
  names: readonly string[],
  columns: readonly ColumnModel[],
): readonly ColumnModel[] {
  const found = names.flatMap((name) => columns.filter((column) => column.column === name));
  return found.length === names.length ? found : [];
}

function uniqueModels(
  source: CatalogueTable,
  typeName: string,
  columns: readonly ColumnModel[],
  key: readonly ColumnModel[],
): readonly UniqueModel[] {
  const uniques = source.keys.filter((unique) => !unique.primary);
  return [
    ...(key.length === 0 ? [] : [{ name: 'primary', columns: key, field: null, target: 'KEY' }]),
    ...uniques.flatMap((unique): readonly UniqueModel[] => {
      const parts = allOf(unique.columns, columns);
      if (parts.length === 0 || omits(parseSmartComment(unique.comment), 'read')) return [];
      return [uniqueModel(unique, typeName, parts)];
    }),
  ];
}

function uniqueModel(
  unique: CatalogueKey,
  typeName: string,
  columns: readonly ColumnModel[],
): UniqueModel {
  const given = tagOf(parseSmartComment(unique.comment), 'fieldName');
  const by = columns.map((column) => upperFirst(column.field)).join('And');
  return {
    name: unique.name,
    columns,
    field: given ?? `${lowerFirst(typeName)}By${by}`,
    target: columns.map((column) => screaming(column.field)).join('_AND_'),
  };
}
