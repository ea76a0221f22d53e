import { NO_BASE } from '#conflict/column-type.ts';
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
  | { readonly kind: 'refused'; readonly planned: PlannedKey; readonly row: QuarantineRow }
  /** Lost its unique value to another row, and this region wrote it: its deletion goes into our log. */
  | { readonly kind: 'lost'; readonly planned: PlannedKey; readonly verdict: string };

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
  const moved = rows.map((r) => reinserted(local, r));
  const together = await checked(session, local, rows, moved);
  if (together.kind === 'ok') return rows.map(({ planned }) => ({ kind: 'written', planned }));
  const outcomes: Outcome[] = [];
  let waiting = inOrder(rows);
  for (;;) {
    const refused: { readonly row: DecidedRow; readonly outcome: Outcome }[] = [];
    for (const row of waiting) {
      const alone = await checked(session, local, [row], [[row]]);
      if (alone.kind === 'ok') outcomes.push({ kind: 'written', planned: row.planned });
      else refused.push({ row, outcome: refusedRow(local, row, alone.sqlState, alone.reason) });
    }
    // What one row released, another may have been waiting for.
    if (refused.length === 0 || refused.length === waiting.length) {
      return [...outcomes, ...refused.map(({ outcome }) => outcome)];
    }
    waiting = refused.map(({ row }) => row);
  }
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

/** Writes rows, and looks for what no constraint says: a deferrable one is silent while apply writes. */
export async function checked(
  session: DatabaseSession,
  local: LocalRelation,
  rows: readonly DecidedRow[],
  groups: readonly (readonly DecidedRow[])[],
): Promise<AttemptResult> {
  const attempt = await guarded(session, statementsOf(local, groups));
  if (attempt.kind === 'refused' || (local.unchecked?.size ?? 0) === 0) return attempt;
  const written = rows.flatMap(({ action, row }) => {
    if (action.kind === 'insert') return [action.values];
    return action.kind === 'update' ? [updatedRow(local, action, row)] : [];
  });
  if (written.length === 0) return attempt;
  const [found] = await session.flight([
    { kind: 'findRivals', relation: local.relation, rows: written },
  ]);
  const [rival] = found?.kind === 'rivals' ? found.rows : [];
  if (rival === undefined) return attempt;
  await session.flight([{ kind: 'rollbackToSavepoint' }]);
  const reason = `Another row has a value that ${rival.constraint} allows only one row to have.`;
  return { kind: 'refused', sqlState: '23505', reason };
}

/** Tries statements behind a savepoint; a refusal leaves the transaction as it was. */
export async function guarded(
  session: DatabaseSession,
  statements: readonly Statement[],
): Promise<AttemptResult> {
  const attempt = await session.attempt([{ kind: 'savepoint' }, ...statements]);
  if (attempt.kind === 'refused') await session.flight([{ kind: 'rollbackToSavepoint' }]);
  return attempt;
}

export function statementsOf(
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
      const known = planned.state.columns.map((c) => [c.name, c.project(NO_BASE)] as const);
      return JSON.stringify(Object.fromEntries(known));
    }
    case 'none':
      return row === null ? null : rowJson(local, row.values);
    default:
      return null;
  }
}

/** The whole row as an update leaves it, in the order of the local table. */
export function updatedRow(
  local: LocalRelation,
  action: Extract<DecidedRow['action'], { kind: 'update' }>,
  row: DecidedRow['row'],
): readonly PgText[] {
  return local.columns.map((_, at) => {
    const write = action.writes[action.columns.indexOf(at)];
    return write?.kind === 'set' ? write.value : (row?.values[at] ?? null);
  });
}

export function rowJson(
  local: LocalRelation,
  values: readonly PgText[],
  absent: readonly number[] = [],
): string {
  const pairs = local.columns.map((name, at) => [name, values[at] ?? null] as const);
  return JSON.stringify(Object.fromEntries(pairs.filter((_, at) => !absent.includes(at))));
}
