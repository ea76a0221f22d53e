import { keyParts } from '#core/row-key.ts';
import type { RowKey } from '#core/row-key.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import { textJson } from '#gateway/execution/row-json.ts';
import type { TableModel } from '#gateway/model/schema-model.ts';
import type { Change } from '#gateway/subscriptions/change.ts';
import type { Delivery } from '#gateway/subscriptions/change-query.ts';

type Render = (change: Change, delivery: Delivery) => string;

/** Writes `{"data":{"noteChanges":[…]}}` with what was selected of each change. */
export function changeRendering(
  table: TableModel,
  responseKey: string,
  selection: readonly Selected[],
): (changes: readonly Change[], delivery: Delivery) => string {
  const fields = selection.map((selected, at) => {
    const before = `${at === 0 ? '' : ','}${JSON.stringify(selected.key)}:`;
    return { before, render: fieldRendering(table, selected) };
  });
  const head = `{"data":{${JSON.stringify(responseKey)}:[`;
  return (changes, delivery) => {
    const items = changes.map((change) => {
      let item = '';
      for (const { before, render } of fields) item += before + render(change, delivery);
      return `{${item}}`;
    });
    return `${head}${items.join(',')}]}}`;
  };
}

function fieldRendering(table: TableModel, { field, parent }: Selected): Render {
  switch (field?.name) {
    case undefined:
      return () => JSON.stringify(parent.name);
    case 'op':
      return ({ op }) => `"${op}"`;
    case 'node':
      return ({ node }) => node ?? 'null';
    case 'key':
      return ({ key }) => (key === null ? 'null' : keyJson(table, key));
    case 'changedFields':
      return ({ changedColumns }) => JSON.stringify(fieldsOf(table, changedColumns));
    case 'origin':
      return (_, { origin }) => JSON.stringify(origin === '' ? null : origin);
    case 'at':
      return (_, { at }) => JSON.stringify(at === '' ? null : at);
    case 'transaction':
      return (_, { dot }) => JSON.stringify(dot === '' ? null : dot);
    default:
      return (_, { cursor }) => JSON.stringify(cursor);
  }
}

function keyJson(table: TableModel, key: RowKey): string {
  const texts = keyParts(key);
  const members = table.key.map(({ field, type }, at) => {
    return `${JSON.stringify(field)}:${textJson(type.form, texts[at] ?? null)}`;
  });
  return `{${members.join(',')}}`;
}

function fieldsOf(table: TableModel, columns: readonly string[] | null): readonly string[] | null {
  if (columns === null) return null;
  const changed = new Set(columns);
  return table.columns.filter(({ column }) => changed.has(column)).map(({ field }) => field);
}
