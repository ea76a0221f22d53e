import { EverywriteError } from '#core/errors.ts';
import { mutant } from '#core/mutant.ts';
import { relationId } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import { replan } from '#replicator/engine/apply/batch.ts';
import type { Batch } from '#replicator/engine/apply/batch.ts';
import { mayShareUnseen } from '#replicator/engine/apply/local-tables.ts';
import type { LocalRelation } from '#replicator/engine/apply/local-tables.ts';
import { lacksColumn } from '#replicator/engine/apply/missing-columns.ts';
import { fencedAction } from '#replicator/engine/apply/planned-key.ts';
import type { PlannedKey } from '#replicator/engine/apply/planned-key.ts';
import { vouchesFor } from '#replicator/engine/apply/known-versions.ts';
import { rowStatements } from '#replicator/engine/apply/row-statements.ts';
import type { DecidedRow } from '#replicator/engine/apply/row-statements.ts';
import { refusedRow, writeRefusable } from '#replicator/engine/apply/refusable-rows.ts';
import type { Outcome } from '#replicator/engine/apply/refusable-rows.ts';
import { membersOf, settleContest, settleTaken } from '#replicator/engine/apply/unique-contest.ts';
import type { Contest } from '#replicator/engine/apply/unique-contest.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { LockedRow } from '#replicator/engine/statement.ts';

/** Rows of one table for which the index's belief did not hold, or never was asked. */
export interface SlowRows {
  readonly local: LocalRelation;
  readonly keys: readonly PlannedKey[];
  /** Rows among them that take a unique value away from others among them. */
  readonly contests?: readonly Contest[];
}

const ROUNDS_MAX = 10;

/**
 * The slow path: lock the rows, let capture reach the present, merge what it found, write. A row that
 * is missing cannot be locked, so it is looked for again after the fence, and an insert that finds it
 * taken goes another round (hazards F1).
 */
export async function applyFenced(
  context: ApplyContext,
  session: DatabaseSession,
  batch: Batch,
  slow: readonly SlowRows[],
  careful: boolean,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  let waiting = slow;
  for (let round = 0; waiting.length > 0; round++) {
    if (round === ROUNDS_MAX) throw contended(waiting);
    if (careful) {
      const lockable = await leaveOutUnlockable(context, session, waiting);
      outcomes.push(...lockable.outcomes);
      waiting = lockable.rows;
    }
    const locked = await lockAll(session, waiting);
    const unknown = waiting.some((rows, at) => !isKnown(context, rows, locked[at] ?? new Map()));
    if (unknown) await context.fence.pass(context.fenceTimeoutMs);
    const seen = await lookAgain(session, waiting, locked);
    const next: SlowRows[] = [];
    for (const [at, slowRows] of waiting.entries()) {
      const rows = seen[at];
      if (rows === undefined) continue;
      const { local } = slowRows;
      const { keys, contests } = apart(slowRows);
      const again = keys.filter((planned) => rows.appeared.has(planned.key));
      const decided = keys
        .filter((planned) => !rows.appeared.has(planned.key))
        .map((planned) =>
          decide(context, batch, local, planned, rows.found.get(planned.key) ?? null),
        );
      const written = await write(context, session, local, decided, careful);
      const ruled = await settleTaken(context, session, batch, local, decided, written.outcomes);
      outcomes.push(...ruled.outcomes);
      const open = [...ruled.contests];
      for (const contest of contests) {
        const { candidate } = contest;
        if (membersOf(contest).some(({ key }) => rows.appeared.has(key))) {
          open.push(contest);
          continue;
        }
        const row = rows.found.get(candidate.key) ?? null;
        const claimant = decide(context, batch, local, candidate, row);
        const settled = await settleContest(context, session, batch, local, contest, {
          claimant,
          found: rows.found,
        });
        outcomes.push(...settled.outcomes);
        open.push(...settled.contests);
      }
      const retry = [...again, ...written.taken, ...open.flatMap(membersOf)];
      if (retry.length > 0) next.push({ local, keys: retry, contests: open });
    }
    waiting = next;
  }
  return outcomes;
}

/**
 * Rows that cannot even be looked for: the key does not fit this region's column, or the table may not be
 * read. They are refused without touching the others.
 */
async function leaveOutUnlockable(
  context: ApplyContext,
  session: DatabaseSession,
  waiting: readonly SlowRows[],
): Promise<{ readonly rows: readonly SlowRows[]; readonly outcomes: readonly Outcome[] }> {
  const rows: SlowRows[] = [];
  const outcomes: Outcome[] = [];
  for (const { local, keys, contests = [] } of waiting) {
    const lockable: PlannedKey[] = [];
    for (const some of await lockableTogether(session, local, keys)) {
      if (some.refusal === null) {
        lockable.push(...some.keys);
        continue;
      }
      const { sqlState, reason } = some.refusal;
      for (const planned of some.keys) {
        const wanted = context.quarantine.wanted(relationId(planned.relation), planned.key);
        const action = fencedAction(planned, local.columns, null, wanted);
        const state = action.kind === 'incomplete' ? 'EW001' : sqlState;
        outcomes.push(refusedRow(local, { planned, action, row: null }, state, reason));
      }
    }
    if (lockable.length > 0) rows.push({ local, keys: lockable, contests });
  }
  return { rows, outcomes };
}

/** The rows of contests, which are written together, and all the others. */
function apart({ keys, contests = [] }: SlowRows): {
  readonly keys: readonly PlannedKey[];
  readonly contests: readonly Contest[];
} {
  if (contests.length === 0) return { keys, contests };
  const members = new Set(contests.flatMap(membersOf).map(({ key }) => key));
  return { keys: keys.filter(({ key }) => !members.has(key)), contests };
}

interface LockTry {
  readonly keys: readonly PlannedKey[];
  readonly refusal: { readonly sqlState: string; readonly reason: string } | null;
}

/** All at once; if that is refused, one by one. */
async function lockableTogether(
  session: DatabaseSession,
  local: LocalRelation,
  keys: readonly PlannedKey[],
): Promise<readonly LockTry[]> {
  const { relation } = local;
  const attempt = await session.attempt([
    { kind: 'savepoint' },
    { kind: 'lockRows', relation, keys: keys.map(({ key }) => key) },
  ]);
  if (attempt.kind === 'ok') return [{ keys, refusal: null }];
  await session.flight([{ kind: 'rollbackToSavepoint' }]);
  if (keys.length === 1) return [{ keys, refusal: attempt }];
  const tries: LockTry[] = [];
  for (const key of keys) tries.push(...(await lockableTogether(session, local, [key])));
  return tries;
}

/**
 * Every row is there, locked, and of a version that the index holds: rows that came here only because
 * what they become depends on what the table holds. There is nothing to wait for.
 */
function isKnown(
  { index, versions }: ApplyContext,
  { keys }: SlowRows,
  locked: ReadonlyMap<RowKey, LockedRow>,
): boolean {
  const guard = versions.guard();
  return keys.every(({ relation, key }) => {
    const row = locked.get(key);
    const captured = index.slot(relationId(relation), key)?.xid ?? null;
    return row !== undefined && (row.xmin === captured || vouchesFor(guard, row.xmin));
  });
}

interface SeenRows {
  readonly found: ReadonlyMap<RowKey, LockedRow>;
  /** Missing before the fence and there after it: locked now, but not yet fenced. */
  readonly appeared: ReadonlySet<RowKey>;
}

async function lockAll(
  session: DatabaseSession,
  waiting: readonly SlowRows[],
): Promise<readonly ReadonlyMap<RowKey, LockedRow>[]> {
  const results = await session.flight(
    waiting.map(({ local, keys }) => ({
      kind: 'lockRows',
      relation: local.relation,
      keys: keys.map(({ key }) => key),
    })),
  );
  return results.map((result) => {
    const rows = result.kind === 'locked' ? result.rows : [];
    return new Map(rows.map((row) => [row.key, row]));
  });
}

async function lookAgain(
  session: DatabaseSession,
  waiting: readonly SlowRows[],
  locked: readonly ReadonlyMap<RowKey, LockedRow>[],
): Promise<readonly SeenRows[]> {
  const missing = waiting.map(({ local, keys }, at) => ({
    local,
    keys: keys.filter(({ key }) => locked[at]?.has(key) !== true),
  }));
  const asked = mutant('missing-not-looked-for-again')
    ? []
    : missing.filter(({ keys }) => keys.length > 0);
  const found = asked.length === 0 ? [] : await lockAll(session, asked);
  return waiting.map((_, at): SeenRows => {
    const entry = missing[at];
    const rows = entry === undefined ? undefined : found[asked.indexOf(entry)];
    return { found: locked[at] ?? new Map(), appeared: new Set(rows?.keys()) };
  });
}

function decide(
  context: ApplyContext,
  batch: Batch,
  local: LocalRelation,
  planned: PlannedKey,
  row: LockedRow | null,
): DecidedRow {
  const id = relationId(planned.relation);
  batch.conflicts.discard(id, planned.key);
  const again = replan(context.index, planned, batch.conflicts.sink(id, planned.key));
  batch.tables.get(id)?.set(planned.key, again);
  const wanted = context.quarantine.wanted(id, planned.key);
  return { planned: again, action: fencedAction(again, local.columns, row, wanted), row };
}

interface Written {
  readonly outcomes: readonly Outcome[];
  /** Inserts that found their key taken. */
  readonly taken: readonly PlannedKey[];
}

async function write(
  context: ApplyContext,
  session: DatabaseSession,
  local: LocalRelation,
  decided: readonly DecidedRow[],
  careful: boolean,
): Promise<Written> {
  const incomplete = decided.filter(({ action }) => action.kind === 'incomplete');
  const outcomes = incomplete.map((row) => refusedRow(local, row, 'EW001', INCOMPLETE));
  const writable = decided.filter(({ action }) => action.kind !== 'incomplete');
  // A row that was refused before may be refused again; that must not end the transaction.
  const suspect = ({ planned }: DecidedRow): boolean =>
    careful ||
    context.quarantine.has(relationId(planned.relation), planned.key) ||
    mayShareUnseen(local, planned.ops);
  outcomes.push(...(await writeRefusable(session, local, writable.filter(suspect))));
  const plain = writable.filter((row) => !suspect(row));
  const statements = rowStatements(local.relation, plain, null);
  const results =
    statements.length === 0 ? [] : await session.flight(statements.map((s) => s.statement));
  const taken: PlannedKey[] = [];
  for (const [at, { statement, rows }] of statements.entries()) {
    const result = results[at];
    const count = result?.kind === 'count' ? result.count : 0;
    // Locked rows cannot be missed; only an insert can find that somebody was faster.
    if (statement.kind === 'insertRows' && count < rows.length) {
      taken.push(...rows.map(({ planned }) => planned));
    }
  }
  const kept = new Set(taken);
  for (const row of plain) {
    if (kept.has(row.planned)) continue;
    outcomes.push(
      lacksColumn(row.planned, local)
        ? refusedRow(local, row, '42703', COLUMN_MISSING)
        : { kind: 'written', planned: row.planned },
    );
  }
  return { outcomes, taken };
}

const COLUMN_MISSING =
  'The row says something of a column that this region does not have; the rest of it is written. ' +
  'Add the column here (ALTER TABLE … ADD COLUMN), and the value follows.';
const INCOMPLETE =
  'The row is missing here and no operation in the log carries all of its columns: this region did ' +
  'not start from the same rows as the others. Compare with "everywrite verify".';

function contended(waiting: readonly SlowRows[]): EverywriteError {
  const names = waiting.map(({ local }) => relationId(local.relation)).join(', ');
  return new EverywriteError({
    code: 'LOCK_TIMEOUT',
    recovery: 'retry',
    message: `Rows of ${names} kept being deleted and inserted again; apply lets go and tries again.`,
  });
}
