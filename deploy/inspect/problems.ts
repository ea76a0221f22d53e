import type { PairReport } from '#deploy/inspect/cluster-report.ts';
import type { DatabaseLook } from '#deploy/inspect/database-look.ts';
import type { RegionReport } from '#deploy/inspect/region-report.ts';
import { counted } from '#replicator/pg/counted.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

/** Beyond it, concurrent writes are decided by whose clock is ahead rather than by what was later. */
const CLOCK_OFFSET_MAX_MS = 1_000;

/** Something that needs a person, or will if it stays. */
export interface Problem {
  readonly region: string;
  /** The other region, where the problem is between two. */
  readonly peer: string | null;
  readonly code: string;
  readonly message: string;
  /** What to do. */
  readonly fix: string;
}

export function regionProblems(report: RegionReport): readonly Problem[] {
  const { region, replicator, database } = report;
  const told = (code: string, message: string, fix: string): Problem => {
    return { region, peer: null, code, message, fix };
  };
  const problems: Problem[] = [];
  if (database.kind === 'unreachable') {
    const { code, message } = database.error;
    problems.push(told(code, message, 'start PostgreSQL, or correct the database url'));
  } else {
    problems.push(...databaseProblems(database, told));
  }
  if (replicator.kind === 'unreachable') {
    const { code, message } = replicator.error;
    problems.push(told(code, message, `start it: everywrite run --region ${region}`));
  } else {
    problems.push(...replicatorProblems(replicator.status, told));
  }
  return problems;
}

type Tell = (code: string, message: string, fix: string) => Problem;

function databaseProblems(database: DatabaseLook, told: Tell): readonly Problem[] {
  const problems: Problem[] = [];
  const { slot, quarantined, quarantine } = database;
  if (!database.prepared) {
    const fix = 'run everywrite init for this region';
    return [told('DATABASE_NOT_PREPARED', 'This database is not prepared.', fix)];
  }
  if (slot === null) {
    const message = 'The replication slot is missing, so commits are in no log.';
    problems.push(told('SLOT_MISSING', message, 'the region must join again'));
  } else if (slot.walStatus === 'lost') {
    const message = 'PostgreSQL removed WAL that the slot still needed.';
    problems.push(told('SLOT_LOST', message, 'the region must join again'));
  } else if (slot.walStatus === 'unreserved') {
    const message = 'The slot keeps more WAL than max_slot_wal_keep_size and will soon be lost.';
    const fix = 'raise max_slot_wal_keep_size and reload, then let the replicator catch up';
    problems.push(told('SLOT_AT_RISK', message, fix));
  }
  if (quarantined > 0) {
    const [first] = quarantine;
    const example = first === undefined ? '' : `: ${first.table} ${first.key}, ${first.reason}`;
    const message = `The table refuses ${counted(quarantined, 'row')}${example}.`;
    const fix = 'mend the cause (SELECT * FROM everywrite.quarantine); apply tries again by itself';
    problems.push(told('ROW_REFUSED', message, fix));
  }
  return problems;
}

function replicatorProblems(status: RegionStatus, told: Tell): readonly Problem[] {
  const { phase, error } = status;
  if (error !== null) {
    const fix = 'see "everywrite doctor" for this region; the replicator keeps trying';
    return [told(error.code, error.message, fix)];
  }
  if (phase === 'running') return [];
  const message = `The replicator is ${phase}, not running.`;
  const fix =
    phase === 'waiting'
      ? 'another replicator of this region holds the slot; this one takes over when that ends'
      : 'wait; if it stays so, see the log of the replicator';
  return [told('NOT_RUNNING', message, fix)];
}

export function pairProblems(pair: PairReport): readonly Problem[] {
  const { from, to, source, via, error, clockOffsetMs, behindTransactions } = pair;
  const told = (code: string, message: string, fix: string): Problem => {
    return { region: to, peer: from, code, message, fix };
  };
  const problems: Problem[] = [];
  const missing =
    behindTransactions > 0 ? `, ${counted(behindTransactions, 'transaction')} behind` : '';
  const network = `check the network and the nats-server of ${from}; nothing is lost meanwhile`;
  if (error !== null) {
    problems.push(told(error.code, `${sentence(error.message)}`, network));
  } else if (source === null) {
    problems.push(told('PEER_UNREACHABLE', `Nothing arrives from ${from}${missing}.`, network));
  } else if (source === 'relay') {
    const message = `${from} is reached only by way of ${via ?? 'a third region'}${missing}.`;
    problems.push(told('RELAYED', message, `check the network between ${to} and ${from}`));
  }
  if (clockOffsetMs !== null && Math.abs(clockOffsetMs) > CLOCK_OFFSET_MAX_MS) {
    const message = `The clock of ${from} is off by ${Math.round(clockOffsetMs)} ms as seen here.`;
    problems.push(told('CLOCK_OFFSET', message, 'run an NTP client in both regions'));
  }
  return problems;
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
