import type { ColumnDefinition, TableDefinition } from '#sim/pg/table-definition.ts';

/** replicator/pg/sql/0001-tables.sql, without what nothing here reads. */
export const EVERYWRITE_TABLES: readonly TableDefinition[] = [
  own('region', ['id'], {
    id: 'int2',
    region: 'text',
    epoch: 'int',
    system_identifier: 'int8',
    timeline: 'int8',
    slot: 'text',
    initial_settings: 'int8',
  }),
  own('applied', ['id'], { id: 'int2', generation: 'int8', vector: 'text', hlc: 'int8' }),
  own('settings', ['id'], { id: 'int8', value: 'text' }),
  own('checkpoint', ['id'], { id: 'int2', stable: 'text', fold_from: 'text' }),
  own('conflicts', ['relation', 'key', 'column_name', 'winner_dot', 'loser_dot'], {
    relation: 'text',
    key: 'text',
    column_name: 'text',
    kind: 'text',
    winner_dot: 'text',
    winner_region: 'text',
    winner_hlc: 'int8',
    winner_value: 'text',
    loser_dot: 'text',
    loser_region: 'text',
    loser_hlc: 'int8',
    loser_value: 'text',
    winner_saw: 'int8',
    loser_saw: 'int8',
  }),
  own('quarantine', ['relation', 'key'], {
    relation: 'text',
    key: 'text',
    sql_state: 'text',
    reason: 'text',
    wanted: 'text',
    attempts: 'int',
  }),
  { ...own('index_spill', ['owner', 'relation', 'key'], spillColumns()), unlogged: true },
];

function own(
  name: string,
  key: readonly string[],
  columns: Readonly<Record<string, string>>,
): TableDefinition {
  return {
    schema: 'everywrite',
    name,
    columns: Object.entries(columns).map(([column, type]): ColumnDefinition => {
      return { name: column, type };
    }),
    key,
    replicaIdentity: 'default',
  };
}

function spillColumns(): Readonly<Record<string, string>> {
  return { owner: 'text', relation: 'text', key: 'text', state: 'bytea' };
}
