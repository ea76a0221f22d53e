import { must } from '#core/assert.ts';
import type { PgText } from '#core/relation.ts';
import type { Backend } from '#sim/pg/backend.ts';
import { holdRow, reach } from '#sim/pg/row-lock.ts';
import { isVisible, ROW_LOCK } from '#sim/pg/row-version.ts';
import type { RowVersion } from '#sim/pg/row-version.ts';
import { deleteVersion, updateVersion, visibleVersion } from '#sim/pg/rows.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { ForeignKeyDefinition } from '#sim/pg/table-definition.ts';
import type { Table } from '#sim/pg/table.ts';
import type { Step } from '#sim/pg/wait.ts';

/**
 * Foreign keys are looked at when the statement is over, by ordinary sessions only: apply runs with
 * session_replication_role = replica (T11).
 */
export function foreignKeysAfterWrite(
  backend: Backend,
  table: Table,
  values: readonly PgText[],
  old: readonly PgText[] | null,
): void {
  for (const foreign of table.definition.foreignKeys ?? []) {
    const positions = foreign.columns.map((name) => table.column(name));
    if (old !== null && positions.every((at) => old[at] === values[at])) continue;
    backend.afterStatement.push(() => parentIsThere(backend, table, foreign, values));
  }
  if (old === null || table.primary.keyOf(old) === table.primary.keyOf(values)) return;
  for (const [child, foreign] of childrenOf(backend, table)) {
    backend.afterStatement.push(() => noChildren(backend, table, child, foreign, old));
  }
}

export function foreignKeysAfterDelete(
  backend: Backend,
  table: Table,
  old: readonly PgText[],
): void {
  for (const [child, foreign] of childrenOf(backend, table)) {
    backend.afterStatement.push(() => {
      switch (foreign.onDelete) {
        case 'cascade':
          return withChildren(backend, child, foreign, old, (version) =>
            removeChild(backend, child, version),
          );
        case 'set null':
          return withChildren(backend, child, foreign, old, (version) =>
            orphan(backend, child, foreign, version),
          );
        default:
          return noChildren(backend, table, child, foreign, old);
      }
    });
  }
}

export function childrenOf(
  backend: Backend,
  parent: Table,
): readonly [Table, ForeignKeyDefinition][] {
  const found: [Table, ForeignKeyDefinition][] = [];
  for (const table of backend.core.tables.values()) {
    for (const foreign of table.definition.foreignKeys ?? []) {
      if (`${foreign.references.schema}.${foreign.references.name}` === parent.id) {
        found.push([table, foreign]);
      }
    }
  }
  return found;
}

/** SELECT … FOR KEY SHARE of the parent: it can be updated meanwhile, but neither deleted nor renamed. */
function* parentIsThere(
  backend: Backend,
  table: Table,
  foreign: ForeignKeyDefinition,
  values: readonly PgText[],
): Step<void> {
  const parts = foreign.columns.map((name) => values[table.column(name)] ?? null);
  if (parts.includes(null)) return;
  const { schema, name } = foreign.references;
  const parent = must(backend.core.tables.get(`${schema}.${name}`), 'referenced table');
  const key = parent.primary.keyOfParts(parts.map((part) => part ?? ''));
  const { transaction, core } = backend;
  transaction.command++;
  const seen = visibleVersion(parent, key, core.ids.snapshot(transaction.top, transaction.command));
  const found =
    seen === undefined
      ? null
      : yield* reach(backend, seen, ROW_LOCK.keyShare, (newest) => {
          return parent.primary.keyOf(newest.values) === key;
        });
  if (found !== null) {
    holdRow(backend, found, ROW_LOCK.keyShare);
    return;
  }
  throw new SqlError(
    '23503',
    `insert or update on table "${table.definition.name}" violates foreign key constraint "${foreign.name}"`,
  );
}

function* noChildren(
  backend: Backend,
  parent: Table,
  child: Table,
  foreign: ForeignKeyDefinition,
  old: readonly PgText[],
): Step<void> {
  // The key may have come back within the same statement.
  const key = parent.primary.keyOf(old) ?? '';
  const { transaction, core } = backend;
  const now = core.ids.snapshot(transaction.top, transaction.command + 1);
  if (foreign.onDelete !== 'restrict' && visibleVersion(parent, key, now) !== undefined) return;
  yield* withChildren(backend, child, foreign, old, () => {
    throw new SqlError(
      '23503',
      `update or delete on table "${parent.definition.name}" violates foreign key constraint "${foreign.name}" on table "${child.definition.name}"`,
    );
  });
}

function* withChildren(
  backend: Backend,
  child: Table,
  foreign: ForeignKeyDefinition,
  parent: readonly PgText[],
  act: (version: RowVersion) => Step<void>,
): Step<void> {
  const { transaction, core } = backend;
  const parentTable = core.tables.get(`${foreign.references.schema}.${foreign.references.name}`);
  const key = parentTable?.primary.keyOf(parent) ?? '';
  const keyIndex = must(
    child.indexes.find(({ name }) => name === foreign.name),
    'index of a foreign key',
  );
  transaction.command++;
  const snapshot = core.ids.snapshot(transaction.top, transaction.command);
  for (const version of keyIndex.versions(key).slice()) {
    if (isVisible(version, snapshot)) yield* act(version);
  }
}

function* removeChild(backend: Backend, child: Table, version: RowVersion): Step<void> {
  const found = yield* reach(backend, version, ROW_LOCK.update, () => true);
  if (found === null) return;
  deleteVersion(backend, child, found);
  foreignKeysAfterDelete(backend, child, found.values);
}

function* orphan(
  backend: Backend,
  child: Table,
  foreign: ForeignKeyDefinition,
  version: RowVersion,
): Step<void> {
  const assigned = new Set(foreign.columns.map((name) => child.column(name)));
  const found = yield* reach(backend, version, ROW_LOCK.noKeyUpdate, () => true);
  if (found === null) return;
  const values = found.values.map((value, at) => (assigned.has(at) ? null : value));
  yield* updateVersion(backend, child, found, values, assigned);
}
