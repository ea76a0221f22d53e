import { must } from '#core/assert.ts';
import type { FindRivalsStatement, RivalRow } from '#replicator/engine/statement.ts';
import { SqlParameters } from './sql-parameters.ts';
import { prepared, quoteIdentifier } from './sql-query.ts';
import type { Answer, Query, Rendered } from './sql-query.ts';
import { keyShapes, written } from './table-shape.ts';
import type { TableShape } from './table-shape.ts';
import type { UniqueIndex } from './unique-indexes.ts';

// No column of a table is called so: a row of the statement must be told apart beside its columns.
const NUMBER = '"everywrite row number"';

/**
 * A question per index, because each has expressions and a predicate of its own: they are computed for
 * the wanted rows as if those were in the table, and compared by the index's own operators.
 */
export function findRivals(statement: FindRivalsStatement, table: TableShape): Rendered {
  const { relation, rows } = statement;
  const indexes = rows.length === 0 ? [] : table.uniqueIndexes;
  const queries = indexes.map((index) => rivalsBy(index, statement, table));
  return {
    // A flight of no query has no answer.
    queries: queries.length === 0 ? [prepared('SELECT', [])] : queries,
    read: (answers) => ({
      kind: 'rivals',
      rows: indexes.flatMap((index, at) =>
        readRivals(index, must(answers[at], 'answer'), relation.columns.length),
      ),
    }),
  };
}

function rivalsBy(index: UniqueIndex, statement: FindRivalsStatement, table: TableShape): Query {
  const { relation, rows } = statement;
  const parameters = new SqlParameters();
  const values: string[] = [];
  for (const [position, { name }] of relation.columns.entries()) {
    const column = table.columns.get(name);
    if (column === undefined || column.generated) continue;
    const texts = rows.map((row) => row[position] ?? null);
    values.push(`${written(parameters, column, texts)} AS ${quoteIdentifier(name)}`);
  }
  const wanted = `SELECT u.row AS ${NUMBER}, ${values.join(', ')} FROM ${parameters.numberedSource()}`;
  const generated = table.generated.map(
    ({ name, expression }) => `, (${expression}) AS ${quoteIdentifier(name)}`,
  );
  const complete =
    generated.length === 0 ? wanted : `SELECT w.*${generated.join('')} FROM (${wanted}) w`;
  const keys = index.keys.map(({ expression }, at) => `${expression} AS "everywrite key ${at}"`);
  const where = index.predicate === null ? '' : ` WHERE ${index.predicate}`;
  const identity = keyShapes(relation, table).map(({ name }) => quoteIdentifier(name));
  const own = identity.map((name, at) => `${name} AS "everywrite own ${at}"`);
  const ours = `SELECT ${NUMBER}, ${[...own, ...keys].join(', ')} FROM (${complete}) c${where}`;
  const theirs = `SELECT *, ${keys.join(', ')} FROM ${table.sqlName}${where}`;
  const collide = index.keys.map(({ operator }, at) => {
    const [left, right] = [`t."everywrite key ${at}"`, `o."everywrite key ${at}"`];
    const equal = `${left} ${operator} ${right}`;
    return index.nullsEqual ? `(${equal} OR (${left} IS NULL AND ${right} IS NULL))` : equal;
  });
  const same = keyShapes(relation, table).map(
    ({ name, equals }, at) => `t.${quoteIdentifier(name)} ${equals} o."everywrite own ${at}"`,
  );
  const columns = relation.columns.map(({ name }) =>
    table.columns.has(name) ? `t.${quoteIdentifier(name)}` : 'NULL',
  );
  return parameters.query(
    `SELECT o.${NUMBER}, ${columns.join(', ')} FROM (${ours}) o JOIN (${theirs}) t ` +
      `ON ${collide.join(' AND ')} AND NOT (${same.join(' AND ')})`,
  );
}

function readRivals(index: UniqueIndex, answer: Answer, width: number): readonly RivalRow[] {
  return answer.rows.map(([row, ...values]) => ({
    row: Number(row) - 1,
    constraint: index.name,
    columns: index.columns,
    values: values.slice(0, width),
  }));
}
