import { createHash } from 'node:crypto';
import { must } from '#core/assert.ts';
import type { PgText } from '#core/relation.ts';
import type {
  ClearQuarantineStatement,
  ConflictRow,
  ForgetConflictsStatement,
  LoadSpillStatement,
  ResetSpillStatement,
  SaveCheckpointStatement,
  SpillStatement,
  SpilledKey,
  WithdrawConflictsStatement,
  WriteConflictsStatement,
  WriteQuarantineStatement,
} from '#replicator/engine/statement.ts';
import { decodeKey, encodeKey } from './sql-key.ts';
import { SqlParameters } from './sql-parameters.ts';
import { counted, done, plain, prepared } from './sql-query.ts';
import type { Query, Rendered } from './sql-query.ts';

/** Repeating a batch after a crash records the same conflicts again, so both halves are idempotent. */
export function writeConflicts(statement: WriteConflictsStatement): Rendered {
  const queries: Query[] = [];
  if (statement.add.length > 0) queries.push(addConflicts(statement.add));
  if (statement.remove.length > 0) queries.push(removeConflicts(statement.remove));
  return done(...queries);
}

function addConflicts(rows: readonly ConflictRow[]): Query {
  const parameters = new SqlParameters();
  const text = (of: (row: ConflictRow) => PgText): string =>
    parameters.column(rows.map(of), 'text[]');
  const hlc = (of: (row: ConflictRow) => number): string =>
    parameters.column(
      rows.map((row) => `${of(row)}`),
      'int8[]',
    );
  const values = [
    ...identity(parameters, rows),
    text((row) => row.kind),
    text((row) => row.winner.region),
    hlc((row) => row.winner.hlc),
    text((row) => row.winner.value),
    text((row) => row.loser.region),
    hlc((row) => row.loser.hlc),
    text((row) => row.loser.value),
    text(recordId),
    hlc((row) => row.winner.saw),
    hlc((row) => row.loser.saw),
  ];
  return parameters.query(
    'INSERT INTO everywrite.conflicts (relation, key, column_name, winner_dot, loser_dot, kind, ' +
      'winner_region, winner_hlc, winner_value, loser_region, loser_hlc, loser_value, id, ' +
      'winner_saw, loser_saw, recorded_at) ' +
      `SELECT ${values.join(', ')}, now() FROM ${parameters.source()} ON CONFLICT DO NOTHING`,
  );
}

const ID_LENGTH = 16;

/** The record's name: the same in every region, because it is made of what the record is about. */
function recordId(row: ConflictRow): string {
  const { relation, key, column, winner, loser } = row;
  const parts = [relation, encodeKey(key), column, winner.dot, loser.dot];
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, ID_LENGTH);
}

export function forgetConflicts(statement: ForgetConflictsStatement): Rendered {
  const { beforeHlc, keepRows, limit } = statement;
  const stamp = 'greatest(winner_hlc, loser_hlc)';
  return counted(
    prepared(
      `DELETE FROM everywrite.conflicts WHERE ctid = ANY(ARRAY(
         SELECT ctid FROM everywrite.conflicts
         WHERE ${stamp} < greatest($1::int8, coalesce((
           SELECT ${stamp} FROM everywrite.conflicts
           ORDER BY ${stamp} DESC OFFSET $2::int8 LIMIT 1) + 1, $1::int8))
         ORDER BY ${stamp} LIMIT $3::int8))`,
      [`${beforeHlc}`, `${keepRows}`, `${limit}`],
    ),
  );
}

export function withdrawConflicts({ replica, after }: WithdrawConflictsStatement): Rendered {
  const own = (dot: string): string =>
    `(split_part(${dot}, ':', 1) = $1 AND split_part(${dot}, ':', 2)::int8 > $2::int8)`;
  return counted(
    prepared(`DELETE FROM everywrite.conflicts WHERE ${own('winner_dot')} OR ${own('loser_dot')}`, [
      replica,
      `${after}`,
    ]),
  );
}

function removeConflicts(rows: readonly ConflictRow[]): Query {
  const parameters = new SqlParameters();
  const [relation, key, column, winner, loser] = identity(parameters, rows);
  return parameters.query(
    `DELETE FROM everywrite.conflicts t USING ${parameters.source()} WHERE t.relation = ${relation} ` +
      `AND t.key = ${key} AND t.column_name = ${column} AND t.winner_dot = ${winner} ` +
      `AND t.loser_dot = ${loser}`,
  );
}

function identity(parameters: SqlParameters, rows: readonly ConflictRow[]): readonly string[] {
  const text = (of: (row: ConflictRow) => PgText): string =>
    parameters.column(rows.map(of), 'text[]');
  return [
    text((row) => row.relation),
    text((row) => encodeKey(row.key)),
    text((row) => row.column),
    text((row) => row.winner.dot),
    text((row) => row.loser.dot),
  ];
}

/** A row that is refused again keeps the time since when, and counts. */
export function writeQuarantine(statement: WriteQuarantineStatement): Rendered {
  const { rows } = statement;
  const parameters = new SqlParameters();
  const values = [
    parameters.column(
      rows.map((row) => row.relation),
      'text[]',
    ),
    parameters.column(
      rows.map((row) => encodeKey(row.key)),
      'text[]',
    ),
    parameters.column(
      rows.map((row) => row.sqlState),
      'text[]',
    ),
    parameters.column(
      rows.map((row) => row.reason),
      'text[]',
    ),
    parameters.column(
      rows.map((row) => row.wanted),
      'text[]',
    ),
  ];
  return done(
    parameters.query(
      'INSERT INTO everywrite.quarantine AS q ' +
        '(relation, key, sql_state, reason, wanted, since, attempts) ' +
        `SELECT ${values.join(', ')}, now(), 1 FROM ${parameters.source()} ` +
        'ON CONFLICT (relation, key) DO UPDATE SET sql_state = excluded.sql_state, ' +
        'reason = excluded.reason, wanted = excluded.wanted, attempts = q.attempts + 1',
    ),
  );
}

export function clearQuarantine(statement: ClearQuarantineStatement): Rendered {
  const parameters = new SqlParameters();
  const match = matchNamed(parameters, statement.rows);
  return done(
    parameters.query(
      `DELETE FROM everywrite.quarantine t USING ${parameters.source()} WHERE ${match}`,
    ),
  );
}

export function readQuarantine(): Rendered {
  return {
    queries: [
      prepared(
        'SELECT relation, key, sql_state, reason, wanted FROM everywrite.quarantine ORDER BY 1, 2',
        [],
      ),
    ],
    read: ([answer]) => ({
      kind: 'quarantined',
      rows: must(answer, 'answer').rows.map(([relation, key, sqlState, reason, wanted]) => ({
        relation: must(relation, 'relation'),
        key: decodeKey(must(key, 'key')),
        sqlState: must(sqlState, 'sql_state'),
        reason: must(reason, 'reason'),
        wanted: wanted ?? null,
      })),
    }),
  };
}

export function saveCheckpoint({ expected, next }: SaveCheckpointStatement): Rendered {
  return counted(
    prepared(
      'UPDATE everywrite.checkpoint SET stable = $3, fold_from = $4 ' +
        'WHERE id = 1 AND stable = $1 AND fold_from = $2',
      [expected.stable, expected.foldFrom, next.stable, next.foldFrom],
    ),
  );
}

export function resetSpill({ owner }: ResetSpillStatement): Rendered {
  if (owner === null) return done(plain('TRUNCATE everywrite.index_spill'));
  return done(prepared('DELETE FROM everywrite.index_spill WHERE owner = $1', [owner]));
}

export function spill(statement: SpillStatement): Rendered {
  const { rows } = statement;
  const parameters = new SqlParameters();
  const values = [
    parameters.column(
      rows.map((row) => row.relation),
      'text[]',
    ),
    parameters.column(
      rows.map((row) => encodeKey(row.key)),
      'text[]',
    ),
    parameters.column(
      rows.map((row) => `\\x${Buffer.from(row.state).toString('hex')}`),
      'bytea[]',
    ),
  ];
  return done(
    parameters.query(
      'INSERT INTO everywrite.index_spill (owner, relation, key, state) ' +
        `SELECT ${parameters.scalar(statement.owner, 'text')}, ${values.join(', ')} ` +
        `FROM ${parameters.source()} ON CONFLICT (owner, relation, key) DO UPDATE SET state = excluded.state`,
    ),
  );
}

export function loadSpill(statement: LoadSpillStatement): Rendered {
  const parameters = new SqlParameters();
  const returning = 'RETURNING t.relation, t.key, t.state';
  const owner = statement.keys === null ? '' : parameters.scalar(statement.owner, 'text');
  const query =
    statement.keys === null
      ? prepared(
          `DELETE FROM everywrite.index_spill t WHERE t.owner = $1 AND t.relation = $2 ${returning}`,
          [statement.owner, statement.table],
        )
      : parameters.query(
          withSource(
            parameters,
            statement.keys,
            (source, match) =>
              `DELETE FROM everywrite.index_spill t USING ${source} ` +
              `WHERE t.owner = ${owner} AND ${match} ${returning}`,
          ),
        );
  return {
    queries: [query],
    read: ([answer]) => ({
      kind: 'spilled',
      rows: must(answer, 'answer').rows.map(readSpilled),
    }),
  };
}

function withSource(
  parameters: SqlParameters,
  keys: readonly { readonly relation: string; readonly key: string }[],
  text: (source: string, match: string) => string,
): string {
  const match = matchNamed(parameters, keys);
  return text(parameters.source(), match);
}

function readSpilled([relation, key, state]: readonly PgText[]): SpilledKey {
  return {
    relation: must(relation, 'relation'),
    key: decodeKey(must(key, 'key')),
    state: Buffer.from(must(state, 'state').slice(2), 'hex'),
  };
}

interface NamedKey {
  readonly relation: string;
  readonly key: string;
}

function matchNamed(parameters: SqlParameters, rows: readonly NamedKey[]): string {
  const relation = parameters.column(
    rows.map((row) => row.relation),
    'text[]',
  );
  const key = parameters.column(
    rows.map((row) => encodeKey(row.key)),
    'text[]',
  );
  return `t.relation = ${relation} AND t.key = ${key}`;
}
