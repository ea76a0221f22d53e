import { relationId } from '#core/relation.ts';
import type { ConflictRows } from '#replicator/engine/apply/conflict-buffer.ts';
import type { Quarantine } from '#replicator/engine/apply/quarantine.ts';
import type { Outcome } from '#replicator/engine/apply/refusable-rows.ts';
import type { QuarantineRow, Statement } from '#replicator/engine/statement.ts';

/** What has to be recorded in the same transaction as the rows. */
export function recordStatements(
  quarantine: Quarantine,
  outcomes: readonly Outcome[],
  conflicts: readonly ConflictRows[],
): Statement[] {
  const add = conflicts.flatMap((rows) => rows.add);
  const remove = conflicts.flatMap((rows) => rows.remove);
  const refused = outcomes.filter((outcome) => outcome.kind === 'refused');
  const released = releasedOf(quarantine, outcomes);
  const statements: Statement[] = [];
  if (add.length + remove.length > 0) statements.push({ kind: 'writeConflicts', add, remove });
  if (refused.length > 0) {
    statements.push({ kind: 'writeQuarantine', rows: refused.map(({ row }) => row) });
  }
  if (released.length > 0) {
    const rows = released.map(({ planned }) => ({
      relation: relationId(planned.relation),
      key: planned.key,
    }));
    statements.push({ kind: 'clearQuarantine', rows });
  }
  return statements;
}

/** What capture is to put into our own log. Outside of the origin, right before COMMIT. */
export function verdictStatements(outcomes: readonly Outcome[]): Statement[] {
  return outcomes.flatMap((outcome): Statement[] =>
    outcome.kind === 'lost' ? [{ kind: 'emitVerdict', content: outcome.verdict }] : [],
  );
}

/** The transaction is committed: the quarantine is what it recorded. Returns the rows that are new in it. */
export function adoptOutcomes(
  quarantine: Quarantine,
  outcomes: readonly Outcome[],
): readonly QuarantineRow[] {
  const released = releasedOf(quarantine, outcomes);
  const fresh: QuarantineRow[] = [];
  for (const outcome of outcomes) {
    if (outcome.kind !== 'refused') continue;
    const { planned, row } = outcome;
    if (!quarantine.has(row.relation, planned.key)) fresh.push(row);
    quarantine.suspend(planned.relation, planned.key, row);
  }
  for (const { planned } of released) quarantine.release(relationId(planned.relation), planned.key);
  return fresh;
}

function releasedOf(quarantine: Quarantine, outcomes: readonly Outcome[]): readonly Outcome[] {
  return outcomes.filter(
    ({ kind, planned }) =>
      kind !== 'refused' && quarantine.has(relationId(planned.relation), planned.key),
  );
}
