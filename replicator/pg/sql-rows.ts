import type { Relation } from '#core/relation.ts';
import type {
  ColumnWrite,
  DeleteRowsStatement,
  Guard,
  InsertRowsStatement,
  UpdateRowsStatement,
} from '#replicator/engine/statement.ts';
import { guardCondition } from './sql-guard.ts';
import { SqlParameters } from './sql-parameters.ts';
import { counted, quoteIdentifier } from './sql-query.ts';
import type { Rendered } from './sql-query.ts';
import { keyShapes, matchKeys, written } from './table-shape.ts';
import type { ColumnShape, TableShape } from './table-shape.ts';

/** No RETURNING: it costs a fifth of the rate, and only the number of rows decides what comes next. */
export function updateRows(statement: UpdateRowsStatement, table: TableShape): Rendered {
  const parameters = new SqlParameters();
  const where = matchRows(parameters, statement, table);
  const assignments = statement.columns.flatMap((position, at) => {
    const column = writable(statement.relation, position, table);
    if (column === undefined) return [];
    const writes = statement.rows.map((row) => row.writes[at] ?? null);
    return [`${quoteIdentifier(column.name)} = ${assignment(parameters, column, writes)}`];
  });
  const from = parameters.source();
  // Nothing of it exists here: the row still counts, so that the caller sees no phantom conflict.
  if (assignments.length === 0) {
    return counted(
      parameters.query(`SELECT FROM ${table.sqlName} t, ${from} WHERE ${where} FOR UPDATE OF t`),
    );
  }
  const set = assignments.join(', ');
  return counted(
    parameters.query(`UPDATE ${table.sqlName} t SET ${set} FROM ${from} WHERE ${where}`),
  );
}

export function insertRows(statement: InsertRowsStatement, table: TableShape): Rendered {
  const { relation, rows } = statement;
  const parameters = new SqlParameters();
  const names: string[] = [];
  const values: string[] = [];
  for (const position of relation.columns.keys()) {
    const column = writable(relation, position, table);
    if (column === undefined) continue;
    const texts = rows.map((row) => row[position] ?? null);
    names.push(quoteIdentifier(column.name));
    values.push(written(parameters, column, texts));
  }
  const key = keyShapes(relation, table).map((column) => quoteIdentifier(column.name));
  return counted(
    parameters.query(
      `INSERT INTO ${table.sqlName} (${names.join(', ')}) OVERRIDING SYSTEM VALUE ` +
        `SELECT ${values.join(', ')} FROM ${parameters.source()} ` +
        `ON CONFLICT (${key.join(', ')}) DO NOTHING`,
    ),
  );
}

export function deleteRows(statement: DeleteRowsStatement, table: TableShape): Rendered {
  const parameters = new SqlParameters();
  const where = matchRows(parameters, statement, table);
  return counted(
    parameters.query(`DELETE FROM ${table.sqlName} t USING ${parameters.source()} WHERE ${where}`),
  );
}

interface GuardedRows {
  readonly relation: Relation;
  readonly rows: readonly Pick<DeleteRowsStatement['rows'][number], 'key' | 'knownXid'>[];
  readonly guard: Guard | null;
}

function matchRows(parameters: SqlParameters, rows: GuardedRows, table: TableShape): string {
  const match = matchKeys(
    parameters,
    rows.relation,
    table,
    rows.rows.map((row) => row.key),
  );
  if (rows.guard === null) return match;
  const known = rows.rows.map((row) => row.knownXid);
  return `${match} AND ${guardCondition(parameters, rows.guard, 't.xmin', known)}`;
}

/** The local column, unless it does not exist here or the server computes it itself. */
function writable(relation: Relation, at: number, table: TableShape): ColumnShape | undefined {
  const column = table.columns.get(relation.columns[at]?.name ?? '');
  return column?.generated ? undefined : column;
}

const UNTOUCHED = '0';
const SET = '1';
const ADD = '2';

/** The usual batch writes a column in one way in all rows; only a mixed one needs the CASE. */
function assignment(
  parameters: SqlParameters,
  column: ColumnShape,
  writes: readonly ColumnWrite[],
): string {
  const modes = writes.map(modeOf);
  const used = new Set(modes);
  const kept = `t.${quoteIdentifier(column.name)}`;
  const set = used.has(SET) ? written(parameters, column, writes.map(setValue)) : kept;
  const sum = used.has(ADD) ? `${kept} + ${amounts(parameters, column, writes)}` : kept;
  if (used.size === 1) return used.has(ADD) ? sum : set;
  const mode = parameters.column(modes, 'int2[]');
  return `CASE ${mode} WHEN ${SET} THEN ${set} WHEN ${ADD} THEN ${sum} ELSE ${kept} END`;
}

function modeOf(write: ColumnWrite): string {
  if (write === null) return UNTOUCHED;
  return write.kind === 'set' ? SET : ADD;
}

function setValue(write: ColumnWrite): string | null {
  return write?.kind === 'set' ? write.value : null;
}

const BIGINT_SAFE = /^-?\d{1,18}$/;

// The amount between two integers can be outside their type (-2^31 to 2^31 - 1); only the sum has to
// fit, which the assignment checks.
function amounts(
  parameters: SqlParameters,
  column: ColumnShape,
  writes: readonly ColumnWrite[],
): string {
  const texts = writes.map((write) => (write?.kind === 'add' ? write.amount : null));
  const small = column.integer && texts.every((text) => text === null || BIGINT_SAFE.test(text));
  return parameters.column(texts, small ? 'int8[]' : 'numeric[]');
}
