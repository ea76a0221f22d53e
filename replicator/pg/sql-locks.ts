import type {
  LockRowsStatement,
  LockTableStatement,
  LockedRow,
  TruncateStatement,
} from '#replicator/engine/statement.ts';
import { must } from '#core/assert.ts';
import { SqlParameters } from './sql-parameters.ts';
import { counted, done, plain, prepared, quoteIdentifier } from './sql-query.ts';
import type { Answer, Rendered } from './sql-query.ts';
import { keyShapes, matchKeys } from './table-shape.ts';
import type { TableShape } from './table-shape.ts';

/**
 * Columns are selected as they are, never `::text`: a cast is not the output function, and gives
 * `true` for `t`, `10.0.0.1/32` for `10.0.0.1` and no padding for char(n), unlike the stream.
 */
export function lockRows(statement: LockRowsStatement, table: TableShape): Rendered {
  const { relation, keys } = statement;
  const parameters = new SqlParameters();
  const match = matchKeys(parameters, relation, table, keys);
  const columns = relation.columns.map(({ name }) =>
    table.columns.has(name) ? `t.${quoteIdentifier(name)}` : 'NULL',
  );
  // Every transaction that locks several rows takes them in the same order, so two cannot wait for
  // each other.
  const order = keyShapes(relation, table).map(({ name }) => `t.${quoteIdentifier(name)}`);
  const text =
    `SELECT u.row, t.xmin, ${columns.join(', ')} FROM ${parameters.numberedSource()} ` +
    `JOIN ${table.sqlName} t ON ${match} ORDER BY ${order.join(', ')} FOR UPDATE OF t`;
  return {
    queries: [parameters.query(text)],
    read: ([answer]) => ({ kind: 'locked', rows: readLocked(must(answer, 'answer'), statement) }),
  };
}

export function lockTable(_statement: LockTableStatement, table: TableShape): Rendered {
  return done(plain(`LOCK TABLE ${table.sqlName} IN EXCLUSIVE MODE`));
}

/** A DELETE: TRUNCATE would take the survivors too, and hide the old rows from older snapshots. */
export function truncateExcept(statement: TruncateStatement, table: TableShape): Rendered {
  const { relation, survivors } = statement;
  if (survivors.length === 0) return counted(prepared(`DELETE FROM ${table.sqlName}`, []));
  const parameters = new SqlParameters();
  const match = matchKeys(parameters, relation, table, survivors);
  const remove = parameters.query(
    `DELETE FROM ${table.sqlName} t ` +
      `WHERE NOT EXISTS (SELECT FROM ${parameters.source()} WHERE ${match})`,
  );
  // Without a hash, every row of the table would be compared with every survivor.
  return {
    queries: [
      plain('SET LOCAL enable_hashjoin = on; SET LOCAL enable_seqscan = on'),
      remove,
      plain('SET LOCAL enable_hashjoin = off; SET LOCAL enable_seqscan = off'),
    ],
    read: ([, answer]) => ({ kind: 'count', count: answer?.count ?? 0 }),
  };
}

function readLocked(answer: Answer, statement: LockRowsStatement): readonly LockedRow[] {
  return answer.rows.map(([row, xmin, ...values]) => ({
    key: must(statement.keys[Number(row) - 1], 'locked key'),
    xmin: Number(xmin),
    values,
  }));
}
