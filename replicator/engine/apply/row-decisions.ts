import { mutant } from '#core/mutant.ts';
import type { RegionId } from '#core/region.ts';
import { relationId } from '#core/relation.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import type { Batch } from '#replicator/engine/apply/batch.ts';
import type { SlowRows } from '#replicator/engine/apply/fenced-rows.ts';
import { mayShareUnseen } from '#replicator/engine/apply/local-tables.ts';
import { lacksColumn } from '#replicator/engine/apply/missing-columns.ts';
import { fastAction } from '#replicator/engine/apply/planned-key.ts';
import type { PlannedKey } from '#replicator/engine/apply/planned-key.ts';
import type { Outcome } from '#replicator/engine/apply/refusable-rows.ts';
import { rowStatements } from '#replicator/engine/apply/row-statements.ts';
import type { DecidedRow, RowStatement } from '#replicator/engine/apply/row-statements.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { Statement, StatementResult } from '#replicator/engine/statement.ts';

export interface Decided {
  readonly statements: readonly RowStatement[];
  readonly slow: readonly SlowRows[];
  readonly outcomes: readonly Outcome[];
}

/** Sorts every planned row of a batch into guarded statements or the slow path. */
export async function decideRows(
  { region, index, tables, quarantine }: ApplyContext,
  batch: Batch,
  careful: boolean,
): Promise<Decided> {
  const statements: RowStatement[] = [];
  const slow: SlowRows[] = [];
  const outcomes: Outcome[] = [];
  const unguarded = careful || batch.truncates.length > 0;
  for (const [id, plans] of batch.tables) {
    const [first] = plans.values();
    if (first === undefined) continue;
    const local = await tables.get(first.relation);
    if (local === null) {
      for (const planned of plans.values()) outcomes.push(tableMissing(planned));
      continue;
    }
    const fast: DecidedRow[] = [];
    const fenced: PlannedKey[] = [];
    for (const planned of plans.values()) {
      const suspect =
        unguarded ||
        lacksColumn(planned, local) ||
        mayShareUnseen(local, planned.ops) ||
        quarantine.has(id, planned.key) ||
        index.isDirty(id, planned.key);
      const action = suspect ? null : fastAction(planned, local);
      const hollow = action?.kind === 'none' && restsOnUnseen(planned, region, batch.logged);
      if (action === null || hollow || action.kind === 'incomplete') fenced.push(planned);
      else if (action.kind !== 'none') fast.push({ planned, action, row: null });
    }
    statements.push(
      ...rowStatements(local.relation, fast, mutant('guard-off') ? null : batch.guard),
    );
    if (fenced.length > 0) slow.push({ local, keys: fenced });
  }
  return { statements: inWriteOrder(statements), slow, outcomes };
}

/** Rows that a guarded statement did not write: their versions are not ours. */
export async function findMissed(
  session: DatabaseSession,
  statements: readonly RowStatement[],
  results: readonly StatementResult[],
  xid: number,
): Promise<readonly PlannedKey[]> {
  const missed: PlannedKey[] = [];
  for (const [at, { statement, rows }] of statements.entries()) {
    const result = results[at];
    if (result?.kind !== 'count' || result.count >= rows.length) continue;
    if (!('relation' in statement) || statement.relation === undefined) continue;
    const keys = rows.map(({ planned }) => planned.key);
    const [locked] = await session.flight([
      { kind: 'lockRows', relation: statement.relation, keys },
    ]);
    const found = new Map(
      (locked?.kind === 'locked' ? locked.rows : []).map((row) => [row.key, row.xmin]),
    );
    for (const { planned } of rows) {
      const xmin = found.get(planned.key);
      const done = statement.kind === 'deleteRows' ? xmin === undefined : xmin === xid;
      if (!done) missed.push(planned);
    }
  }
  return missed;
}

/**
 * Nothing to write, because of an own operation that capture has met and nobody can read yet: its COMMIT
 * waits for a standby. Committed now, the vector would name a row that the table does not show (T2). The
 * fence locks the row, and so waits for it.
 */
function restsOnUnseen({ base }: PlannedKey, region: RegionId, logged: number): boolean {
  if (base === undefined || base.xid === null) return false;
  return base.latest.some((by) => by.region === region && by.sequence > logged);
}

// All deletes of all tables first, then updates, then inserts: see rowStatements.
function inWriteOrder(statements: readonly RowStatement[]): readonly RowStatement[] {
  const rank = (s: Statement): number => ['deleteRows', 'updateRows', 'insertRows'].indexOf(s.kind);
  return statements.toSorted((left, right) => rank(left.statement) - rank(right.statement));
}

function tableMissing(planned: PlannedKey): Outcome {
  const relation = relationId(planned.relation);
  const reason = `Table ${relation} or its key columns do not exist in this region; create it, then run "everywrite init".`;
  const image = planned.state.image(planned.relation.columns.map(({ name }) => name));
  const pairs = planned.relation.columns.map(({ name }, at) => [name, image?.[at] ?? null]);
  const wanted = image === null ? null : JSON.stringify(Object.fromEntries(pairs));
  return {
    kind: 'refused',
    planned,
    row: { relation, key: planned.key, sqlState: '42P01', reason, wanted },
  };
}

/** Rows for the slow path, by table. */
export async function slowRows(
  context: ApplyContext,
  keys: readonly PlannedKey[],
): Promise<readonly SlowRows[]> {
  const slow: SlowRows[] = [];
  for (const planned of Map.groupBy(keys, ({ relation }) => relationId(relation)).values()) {
    const [first] = planned;
    const local = first === undefined ? null : await context.tables.get(first.relation);
    if (local !== null) slow.push({ local, keys: planned });
  }
  return slow;
}
