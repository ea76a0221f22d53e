import { must } from '#core/assert.ts';
import type { FindOrphansStatement, OrphanGroup } from '#replicator/engine/statement.ts';
import type { ReferencingKey } from './referencing-keys.ts';
import { SqlParameters } from './sql-parameters.ts';
import { prepared, quoteIdentifier } from './sql-query.ts';
import type { Answer, Query, Rendered } from './sql-query.ts';
import { written } from './table-shape.ts';
import type { TableShape } from './table-shape.ts';

/** A question per foreign key. The children are locked: what is decided about them must still hold. */
export function findOrphans(statement: FindOrphansStatement, table: TableShape): Rendered {
  const keys = table.referencedBy;
  const queries = keys.map((key) => orphansBy(key, statement, table));
  return {
    queries: queries.length === 0 ? [prepared('SELECT', [])] : queries,
    read: (answers) => ({
      kind: 'orphans',
      groups: keys.map((key, at) => readGroup(key, must(answers[at], 'answer'))),
    }),
  };
}

function orphansBy(key: ReferencingKey, statement: FindOrphansStatement, table: TableShape): Query {
  const { relation, rows } = statement;
  const parameters = new SqlParameters();
  const referring = key.referring.map((at) => quoteIdentifier(key.columns[at]?.name ?? ''));
  const gone = key.referred.map((name) => {
    const position = relation.columns.findIndex((column) => column.name === name);
    const texts = rows.map((row) => row[position] ?? null);
    return written(parameters, must(table.columns.get(name), 'referred column'), texts);
  });
  const matches = gone.map((value, at) => `c.${referring[at]} = ${value}`).join(' AND ');
  const stands = gone
    .map((value, at) => `p.${quoteIdentifier(key.referred[at] ?? '')} = ${value}`)
    .join(' AND ');
  const { schema, name } = key.child;
  const child = `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
  const columns = key.columns.map((column) => `c.${quoteIdentifier(column.name)}`);
  const defaults = key.referring.map((at) => key.columns[at]?.default ?? 'NULL');
  return parameters.query(
    `SELECT u.row, ${[...columns, ...defaults].join(', ')} FROM ${parameters.numberedSource()} ` +
      `JOIN ${child} c ON ${matches} ` +
      `WHERE NOT EXISTS (SELECT FROM ${table.sqlName} p WHERE ${stands}) FOR UPDATE OF c`,
  );
}

function readGroup(key: ReferencingKey, answer: Answer): OrphanGroup {
  const { name, child, columns, keyColumns, referring, onDelete } = key;
  const described = columns.map((column) => ({ name: column.name, typeOid: column.typeOid }));
  return {
    constraint: name,
    relation: { ...child, columns: described, keyColumns },
    referring,
    onDelete,
    rows: answer.rows.map(([row, ...values]) => ({
      parent: Number(row) - 1,
      values: values.slice(0, columns.length),
      defaults: values.slice(columns.length),
    })),
  };
}
