import { relationId } from '#core/relation.ts';
import type { PgText } from '#core/relation.ts';
import type { LocalRelation } from '#replicator/engine/apply/local-tables.ts';
import { missingValues } from '#replicator/engine/apply/missing-columns.ts';
import type { PlannedKey } from '#replicator/engine/apply/planned-key.ts';
import { rowStatements } from '#replicator/engine/apply/row-statements.ts';
import type { DecidedRow } from '#replicator/engine/apply/row-statements.ts';
import type { AttemptResult, DatabaseSession } from '#replicator/engine/database-port.ts';
import type { QuarantineRow, Statement } from '#replicator/engine/statement.ts';

/** What became of a row. */
export type Outcome =
  | { readonly kind: 'written'; readonly planned: PlannedKey }
  | { readonly kind: 'refused'; readonly planned: PlannedKey; readonly row: QuarantineRow };

/**
 * Writes locked and fenced rows that the table may refuse: all together, with rows that move a unique
 * value deleted and inserted again (hazards T10); if that is refused, one by one, and only the rows
 * that really cannot stand are left out.
 */
export async function writeRefusable(
  session: DatabaseSession,
  local: LocalRelation,
  rows: readonly DecidedRow[],
): Promise<readonly Outcome[]> {
  if (rows.length === 0) return [];
  const together = await guarded(
    session,
    statementsOf(
      local,
      rows.map((r) => reinserted(local, r)),
    ),
  );
  if (together.kind === 'ok') return rows.map(({ planned }) => ({ kind: 'written', planned }));
  const outcomes: Outcome[] = [];
  for (const row of inOrder(rows)) {
    const alone = await guarded(session, statementsOf(local, [[row]]));
    outcomes.push(
      alone.kind === 'ok'
        ? { kind: 'written', planned: row.planned }
        : refusedRow(local, row, alone.sqlState, alone.reason),
    );
  }
  return outcomes;
}

/** The record of a row that could not be written. */
export function refusedRow(
  local: LocalRelation,
  { planned, action, row }: DecidedRow,
  sqlState: string,
  reason: string,
): Outcome {
  const known = wantedRow(local, planned, action, row);
  const missing = missingValues(planned, local);
  const wanted =
    missing.size === 0 || known === null
      ? known
      : JSON.stringify({ ...JSON.parse(known), ...Object.fromEntries(missing) });
  const relation = relationId(planned.relation);
  return {
    kind: 'refused',
    planned,
    row: { relation, key: planned.key, sqlState, reason, wanted },
  };
}

async function guarded(
  session: DatabaseSession,
  statements: readonly Statement[],
): Promise<AttemptResult> {
  const attempt = await session.attempt([{ kind: 'savepoint' }, ...statements]);
  if (attempt.kind === 'refused') await session.flight([{ kind: 'rollbackToSavepoint' }]);
  return attempt;
}

function statementsOf(
  local: LocalRelation,
  groups: readonly (readonly DecidedRow[])[],
): readonly Statement[] {
  const rows = groups.flat();
  return rowStatements(local.relation, rows, null).map(({ statement }) => statement);
}

// An UPDATE of a unique column becomes a delete and an insert of the whole row.
function reinserted(local: LocalRelation, decided: DecidedRow): readonly DecidedRow[] {
  const { action, row, planned } = decided;
  if (action.kind !== 'update' || row === null) return [decided];
  const moves = action.columns.some((at) => local.uniqueColumns.has(local.columns[at] ?? ''));
  if (!moves) return [decided];
  const values = updatedRow(local, action, row);
  return [
    { planned, action: { kind: 'delete' }, row },
    { planned, action: { kind: 'insert', values }, row },
  ];
}

function inOrder(rows: readonly DecidedRow[]): readonly DecidedRow[] {
  const rank = { delete: 0, update: 1, insert: 2, none: 3, incomplete: 4 } as const;
  return rows.toSorted((left, right) => rank[left.action.kind] - rank[right.action.kind]);
}

function wantedRow(
  local: LocalRelation,
  planned: PlannedKey,
  action: DecidedRow['action'],
  row: DecidedRow['row'],
): PgText {
  switch (action.kind) {
    case 'insert':
      return rowJson(local, action.values, action.absent);
    case 'update':
      return rowJson(local, updatedRow(local, action, row));
    case 'incomplete': {
      const known = planned.state.columns.map((c) => [c.name, c.project(null, null)] as const);
      return JSON.stringify(Object.fromEntries(known));
    }
    case 'none':
      return row === null ? null : rowJson(local, row.values);
    default:
      return null;
  }
}

function updatedRow(
  local: LocalRelation,
  action: Extract<DecidedRow['action'], { kind: 'update' }>,
  row: DecidedRow['row'],
): readonly PgText[] {
  return local.columns.map((_, at) => {
    const write = action.writes[action.columns.indexOf(at)];
    return write?.kind === 'set' ? write.value : (row?.values[at] ?? null);
  });
}

function rowJson(
  local: LocalRelation,
  values: readonly PgText[],
  absent: readonly number[] = [],
): string {
  const pairs = local.columns.map((name, at) => [name, values[at] ?? null] as const);
  return JSON.stringify(Object.fromEntries(pairs.filter((_, at) => !absent.includes(at))));
}
