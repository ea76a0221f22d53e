import { arbitrate, claimOn } from '#conflict/unique-claim.ts';
import type { UniqueClaim } from '#conflict/unique-claim.ts';
import { relationId } from '#core/relation.ts';
import type { PgText } from '#core/relation.ts';
import { rowKey } from '#core/row-key.ts';
import type { RowKey } from '#core/row-key.ts';
import { concurrent, formatDot } from '#core/transaction.ts';
import type { TransactionHeader, UniqueContender, UniqueVerdict } from '#core/transaction.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import type { Batch } from '#replicator/engine/apply/batch.ts';
import type { LocalRelation } from '#replicator/engine/apply/local-tables.ts';
import { PlannedKey } from '#replicator/engine/apply/planned-key.ts';
import {
  checked,
  refusedRow,
  rowJson,
  statementsOf,
  updatedRow,
} from '#replicator/engine/apply/refusable-rows.ts';
import type { Outcome } from '#replicator/engine/apply/refusable-rows.ts';
import type { DecidedRow } from '#replicator/engine/apply/row-statements.ts';
import { formatVerdict } from '#replicator/engine/capture/verdict.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { LockedRow, RivalRow } from '#replicator/engine/statement.ts';

/** A row that keeps its claim, and those in the table that have to give way to it. */
export interface Contest {
  readonly candidate: PlannedKey;
  readonly losers: readonly Loser[];
}

export interface Loser {
  readonly planned: PlannedKey;
  readonly rival: RivalRow;
  readonly verdict: UniqueVerdict;
  /** This region wrote the claim that loses: its word ends the matter, in our own log. */
  readonly own: boolean;
}

/** SQLSTATEs of UNIQUE and of exclusion constraints. */
const TAKEN = ['23505', '23P01'];

export function membersOf({ candidate, losers }: Contest): readonly PlannedKey[] {
  return [candidate, ...losers.map(({ planned }) => planned)];
}

interface Settled {
  readonly outcomes: readonly Outcome[];
  /** To be locked, fenced and settled in another round. */
  readonly contests: readonly Contest[];
}

/** Rules on the rows that a unique value kept out; the others' outcomes stay as they are. */
export async function settleTaken(
  context: ApplyContext,
  session: DatabaseSession,
  batch: Batch,
  local: LocalRelation,
  decided: readonly DecidedRow[],
  written: readonly Outcome[],
): Promise<Settled> {
  const outcomes: Outcome[] = [];
  const contests: Contest[] = [];
  for (const outcome of written) {
    const row = decided.find(({ planned }) => planned === outcome.planned);
    const taken = outcome.kind === 'refused' && TAKEN.includes(outcome.row.sqlState);
    if (!taken || row === undefined) {
      outcomes.push(outcome);
      continue;
    }
    const ruling = await ruleOn(context, session, batch, local, row);
    if (ruling.kind === 'contest') contests.push(ruling.contest);
    else if (ruling.kind === 'open') outcomes.push(outcome);
    else outcomes.push(await giveUp(session, local, row, ruling));
  }
  return { outcomes, contests };
}

/** A candidate that lost. If the word is ours, what the table may hold of an older version goes too. */
async function giveUp(
  session: DatabaseSession,
  local: LocalRelation,
  row: DecidedRow,
  { loser, values }: Extract<Ruling, { kind: 'lost' }>,
): Promise<Outcome> {
  if (loser.own && row.row !== null) {
    await session.flight(statementsOf(local, [[{ ...row, action: { kind: 'delete' } }]]));
  }
  return loserOutcome(local, loser, values);
}

/** Members are locked and fenced: the losers go and the candidate comes, both or neither. */
export async function settleContest(
  context: ApplyContext,
  session: DatabaseSession,
  batch: Batch,
  local: LocalRelation,
  { losers }: Contest,
  rows: { readonly claimant: DecidedRow; readonly found: ReadonlyMap<RowKey, LockedRow> },
): Promise<Settled> {
  const { claimant, found } = rows;
  // What was captured meanwhile may have settled it already.
  if (claimant.action.kind === 'none' || claimant.action.kind === 'delete') {
    await session.flight(statementsOf(local, [[claimant]]));
    return { outcomes: [{ kind: 'written', planned: claimant.planned }], contests: [] };
  }
  const standing = losers.flatMap((loser) => {
    const row = found.get(loser.planned.key);
    // Gone, or changed by its own writer meanwhile: then it is in nobody's way.
    return row === undefined || !stillClaims(local, loser, row) ? [] : [{ loser, row }];
  });
  const leaving = standing.map(({ loser, row }): DecidedRow => ({
    planned: loser.planned,
    action: { kind: 'delete' },
    row,
  }));
  const attempt = await checked(session, local, [claimant], [[...leaving, claimant]]);
  if (attempt.kind === 'ok') {
    const lost = standing.map(({ loser, row }) => loserOutcome(local, loser, row.values));
    return { outcomes: [{ kind: 'written', planned: claimant.planned }, ...lost], contests: [] };
  }
  const refused = refusedRow(local, claimant, attempt.sqlState, attempt.reason);
  return settleTaken(context, session, batch, local, [claimant], [refused]);
}

function stillClaims(local: LocalRelation, { rival }: Loser, row: LockedRow): boolean {
  return rival.columns.every((name) => {
    const at = local.columns.indexOf(name);
    return at < 0 || row.values[at] === rival.values[at];
  });
}

type Ruling =
  /** The candidate keeps every value that it claims. */
  | { readonly kind: 'contest'; readonly contest: Contest }
  /** Somebody else does: the candidate is out. */
  | { readonly kind: 'lost'; readonly loser: Loser; readonly values: readonly PgText[] }
  /** Not a matter of two regions, or not yet clear. */
  | { readonly kind: 'open' };

/**
 * Who keeps a unique value that two regions gave away at once. Each region rules alike, as a function
 * of the two claims, and takes the losing row out of its table at once. Only the region that wrote the
 * losing claim says so in its log: as a deletion with the whole row and the verdict in it, which ends
 * the matter everywhere. Until it arrives, the loser waits in quarantine in the others (hazards T9).
 */
async function ruleOn(
  context: ApplyContext,
  session: DatabaseSession,
  batch: Batch,
  local: LocalRelation,
  row: DecidedRow,
): Promise<Ruling> {
  const values = wantedValues(local, row);
  if (values === null) return { kind: 'open' };
  const [answer] = await session.flight([
    { kind: 'findRivals', relation: local.relation, rows: [values] },
  ]);
  const rivals = answer?.kind === 'rivals' ? answer.rows : [];
  const losers: Loser[] = [];
  for (const rival of rivals) {
    const planned = await rivalPlan(context, batch, local, row.planned, rival);
    if (planned === null) return { kind: 'open' };
    const ours = { planned: row.planned, values };
    const ruled = rule(context, local, ours, { planned, values: rival.values }, rival);
    if (ruled === null) return { kind: 'open' };
    if (ruled.planned === row.planned) return { kind: 'lost', loser: ruled, values };
    losers.push(ruled);
  }
  const [first] = losers;
  if (first === undefined) return { kind: 'open' };
  return { kind: 'contest', contest: { candidate: row.planned, losers } };
}

/** The row that the table was to hold. */
function wantedValues(local: LocalRelation, { action, row }: DecidedRow): readonly PgText[] | null {
  if (action.kind === 'insert') return action.values;
  return action.kind === 'update' ? updatedRow(local, action, row) : null;
}

/**
 * The rival as the index knows it; null when what the table holds of it is not its last word: it is
 * written in this very batch, or waits in quarantine itself.
 */
async function rivalPlan(
  { index, spill, quarantine }: ApplyContext,
  batch: Batch,
  local: LocalRelation,
  candidate: PlannedKey,
  rival: RivalRow,
): Promise<PlannedKey | null> {
  const { relation } = local;
  const id = relationId(relation);
  const key = rowKey(relation, rival.values);
  if (batch.tables.get(id)?.has(key) === true || quarantine.has(id, key)) return null;
  await spill.load([{ relation: candidate.relation, key }]);
  const slot = index.slot(id, key);
  const planned = new PlannedKey(
    slot?.relation ?? candidate.relation,
    key,
    slot,
    slot === undefined ? index.ground(id) : null,
  );
  const settled = rival.columns.every((name) => {
    const at = local.columns.indexOf(name);
    const stored = rival.values[at] ?? null;
    return at < 0 || planned.state.project(name, { value: stored, has: () => true }) === stored;
  });
  return settled ? planned : null;
}

interface Side {
  readonly planned: PlannedKey;
  readonly values: readonly PgText[];
}

/** The side that has to give way; null when neither has to. */
function rule(
  context: ApplyContext,
  local: LocalRelation,
  left: Side,
  right: Side,
  rival: RivalRow,
): Loser | null {
  const claims = [left, right].map(({ planned }) => claimOn(planned.state, rival.columns));
  const [leftClaim, rightClaim] = claims as [UniqueClaim, UniqueClaim];
  const keeps = arbitrate(leftClaim, rightClaim);
  if (keeps === 'unrelated') return null;
  const [winner, loser] = keeps === 'left' ? [left, right] : [right, left];
  const [winning, losing] = keeps === 'left' ? [leftClaim, rightClaim] : [rightClaim, leftClaim];
  const lost = losing.by;
  const won = lost === null ? null : (winning.by ?? aliveBeside(winning, lost));
  if (lost === null || won === null) return null;
  const verdict: UniqueVerdict = {
    constraint: rival.constraint,
    winner: contender(won, lost, rowJson(local, winner.values)),
    loser: contender(lost, won, rowJson(local, loser.values)),
  };
  return { planned: loser.planned, rival, verdict, own: lost.region === context.region };
}

function aliveBeside({ living }: UniqueClaim, other: TransactionHeader): TransactionHeader | null {
  return living.find((by) => concurrent(by, other)) ?? null;
}

function contender(by: TransactionHeader, other: TransactionHeader, row: string): UniqueContender {
  const saw = sequenceOf(by.deps, other.replica);
  return { dot: formatDot(by), region: by.region, hlc: by.hlc, saw, row };
}

/** What becomes of a row that has to give way; it is out of the table already. */
function loserOutcome(
  local: LocalRelation,
  { planned, verdict, own }: Loser,
  values: readonly PgText[],
): Outcome {
  if (own) {
    return { kind: 'lost', planned, verdict: formatVerdict(local.relation, values, verdict) };
  }
  const { constraint, winner, loser } = verdict;
  const reason =
    `Another region gave this value away at the same time: ${constraint} keeps the row of ${winner.dot} ` +
    `(${winner.region}), which claimed it first. This row is out until ${loser.region} has said so in ` +
    `its log; then it is on record as a conflict, from where it can be restored.`;
  const row: DecidedRow = { planned, action: { kind: 'insert', values }, row: null };
  return refusedRow(local, row, '23505', reason);
}
