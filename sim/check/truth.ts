import type { RegionId, ReplicaId } from '#core/region.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { parseVector } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { specOps } from '#sim/check/spec-ops.ts';
import type { SeenOp } from '#sim/check/specification.ts';
import type { KeyedSpecOp } from '#sim/check/spec-ops.ts';
import type {
  CommitEvent,
  CompleteEvent,
  HistoryEvent,
  InvokeEvent,
  RewindEvent,
} from '#sim/history/event.ts';
import type { TableModel } from '#sim/run/world.ts';

/** What the run was, beside its events. */
export interface RunFrame {
  readonly regions: readonly RegionId[];
  readonly tables: readonly TableModel[];
  readonly epochUs: number;
  /** When faults were over, and when the run ended. */
  readonly healUs: number;
  readonly endUs: number;
  /** Within this after `healUs` all must have all. */
  readonly convergeWithinUs: number;
  /** How wrong a clock was made, at the worst. */
  readonly clockErrorUs: number;
  /** Regions that were lost for ever: what only they had is counted, not demanded. */
  readonly lostRegions: readonly RegionId[];
  /** Whether the run was repeated, and how that ended. */
  readonly repeated:
    | { readonly kind: 'no' }
    | { readonly kind: 'same' | 'different'; readonly text: string };
}

export interface ClientOperation {
  readonly invoke: InvokeEvent;
  /** Null: no answer until the end of the run. */
  readonly complete: CompleteEvent | null;
}

/** One transaction of an application, with what it meant and what it could see. */
export interface TruthTransaction {
  readonly dot: string;
  readonly header: ChangeTransaction;
  readonly commit: CommitEvent;
  /** Commits of the region that were visible to it, as its own log says. */
  readonly deps: VersionVector;
  readonly ops: readonly KeyedSpecOp[];
}

/** A commit that stood until the end, or was lost again at `lostUs`. */
export interface StandingCommit {
  readonly commit: CommitEvent;
  readonly lostUs: number | null;
}

/** The run as the checkers use it: who committed what, where, when, and what became of it. */
export class Truth {
  readonly frame: RunFrame;
  readonly events: readonly HistoryEvent[];
  readonly operations: readonly ClientOperation[];
  readonly tables: ReadonlyMap<string, TableModel>;
  /** Per region in the order in which its server wrote them. */
  readonly commits: ReadonlyMap<RegionId, readonly StandingCommit[]>;
  /** By dot, as the first frame that was stored anywhere has it; pieces put together. */
  readonly logged: ReadonlyMap<string, ChangeTransaction>;
  readonly transactions: ReadonlyMap<string, TruthTransaction>;
  /** By `region lsn`. */
  readonly dotOfCommit: ReadonlyMap<string, string>;
  #index: ReadonlyMap<string, TableOps> | null = null;
  readonly #owners: ReadonlyMap<string, CommitEvent>;

  constructor(frame: RunFrame, events: readonly HistoryEvent[]) {
    this.frame = frame;
    this.events = events;
    this.tables = new Map(frame.tables.map((table) => [table.name, table]));
    this.operations = pairOperations(events);
    this.commits = standingCommits(frame.regions, events);
    this.#owners = ownersOf(this.commits);
    this.logged = joinPieces(events);
    this.dotOfCommit = new Map(
      [...this.logged].map(([dot, tx]) => [commitName(tx.region, tx.commitLsn), dot]),
    );
    this.transactions = this.#transactions();
  }

  /** Every commit of users, in any region, whether or not it was ever logged. */
  userCommits(): readonly StandingCommit[] {
    return [...this.commits.values()].flat().filter(({ commit }) => commit.by === 'user');
  }

  /** A server that lost its tail gives the places out again: then the dot is that of who came to stay. */
  dotOf(commit: CommitEvent): string | undefined {
    if (this.#owners.get(commitName(commit.region, commit.lsn)) !== commit) return undefined;
    return this.dotOfCommit.get(commitName(commit.region, commit.lsn));
  }

  /** Every operation on a row, TRUNCATE of its table included. */
  opsOn(table: string, key: string): readonly SeenOp[] {
    this.#index ??= indexOps(this.transactions.values());
    const known = this.#index.get(table);
    return known === undefined ? [] : (known.keyed.get(key) ?? known.truncates);
  }

  /** Names of all rows that any operation named. */
  keysOf(table: string): Iterable<string> {
    this.#index ??= indexOps(this.transactions.values());
    return this.#index.get(table)?.keyed.keys() ?? [];
  }

  surviving(): readonly RegionId[] {
    return this.frame.regions.filter((region) => !this.frame.lostRegions.includes(region));
  }

  #transactions(): ReadonlyMap<string, TruthTransaction> {
    const found = new Map<string, TruthTransaction>();
    for (const commits of this.commits.values()) {
      for (const [commit, deps] of withCauses(commits)) {
        const dot = this.dotOf(commit);
        const header = dot === undefined ? undefined : this.logged.get(dot);
        if (commit.by !== 'user' || dot === undefined || header === undefined) continue;
        const others = new Map(deps);
        others.delete(header.replica);
        const ops = specOps(commit.changes, this.tables);
        found.set(dot, { dot, header, commit, deps: others, ops });
      }
    }
    return found;
  }
}

/**
 * Each commit with the vector that stood before it in its server's log. Commits become visible in another
 * order than they stand there, and a server that lost its tail goes on from what was left.
 */
function withCauses(
  commits: readonly StandingCommit[],
): readonly (readonly [CommitEvent, VersionVector])[] {
  const pairs: (readonly [CommitEvent, VersionVector])[] = [];
  let markers: readonly StandingCommit[] = [];
  let rest = commits;
  while (rest.length > 0) {
    // Until the next loss; every commit that is lost at all is lost after it was made.
    const lossUs = Math.min(...rest.map(({ lostUs }) => lostUs ?? Number.POSITIVE_INFINITY));
    const life = rest.filter(({ commit }) => commit.atUs <= lossUs);
    rest = rest.filter(({ commit }) => commit.atUs > lossUs);
    const inLog = life.toSorted((l, r) => l.commit.lsn - r.commit.lsn);
    let vector = parseVector(markers.at(-1)?.commit.vector ?? '');
    for (const { commit } of inLog) {
      if (commit.vector !== null) vector = parseVector(commit.vector);
      pairs.push([commit, vector]);
    }
    markers = [...markers, ...inLog.filter(({ commit }) => commit.vector !== null)].filter(
      ({ lostUs }) => lostUs === null || lostUs > lossUs,
    );
  }
  return pairs;
}

function ownersOf(
  commits: ReadonlyMap<RegionId, readonly StandingCommit[]>,
): ReadonlyMap<string, CommitEvent> {
  const owners = new Map<string, CommitEvent>();
  const all = [...commits.values()].flat();
  for (const { commit, lostUs } of all) {
    if (lostUs !== null) owners.set(commitName(commit.region, commit.lsn), commit);
  }
  for (const { commit, lostUs } of all) {
    if (lostUs === null) owners.set(commitName(commit.region, commit.lsn), commit);
  }
  return owners;
}

function commitName(region: RegionId, lsn: number): string {
  return `${region} ${lsn}`;
}

export function dotName(replica: ReplicaId, sequence: number): string {
  return `${replica}:${sequence}`;
}

function pairOperations(events: readonly HistoryEvent[]): readonly ClientOperation[] {
  const answers = new Map<number, CompleteEvent>();
  for (const event of events) {
    if (event.kind === 'ok' || event.kind === 'fail' || event.kind === 'info')
      answers.set(event.op, event);
  }
  return events
    .filter((event) => event.kind === 'invoke')
    .map((invoke) => ({ invoke, complete: answers.get(invoke.op) ?? null }));
}

function standingCommits(
  regions: readonly RegionId[],
  events: readonly HistoryEvent[],
): ReadonlyMap<RegionId, readonly StandingCommit[]> {
  const found = new Map<RegionId, { commit: CommitEvent; lostUs: number | null }[]>();
  for (const region of regions) found.set(region, []);
  for (const event of events) {
    if (event.kind === 'commit') found.get(event.region)?.push({ commit: event, lostUs: null });
    else if (event.kind === 'rewind') markLost(found.get(event.region) ?? [], event);
  }
  return found;
}

function markLost(
  commits: readonly { commit: CommitEvent; lostUs: number | null }[],
  { fromLsn, atUs }: RewindEvent,
): void {
  for (const standing of commits) {
    if (standing.lostUs === null && standing.commit.lsn >= fromLsn) standing.lostUs = atUs;
  }
}

function joinPieces(events: readonly HistoryEvent[]): ReadonlyMap<string, ChangeTransaction> {
  const whole = new Map<string, ChangeTransaction>();
  const pieces = new Map<string, Map<number, ChangeTransaction>>();
  for (const event of events) {
    if (event.kind !== 'logged') continue;
    for (const tx of event.transactions) {
      const dot = dotName(tx.replica, tx.sequence);
      if (event.part === 0) {
        if (!whole.has(dot)) whole.set(dot, tx);
        continue;
      }
      const known = pieces.get(dot) ?? new Map<number, ChangeTransaction>();
      if (!known.has(event.part)) known.set(event.part, tx);
      pieces.set(dot, known);
    }
  }
  for (const [dot, parts] of pieces) {
    const inOrder = [...parts.entries()].toSorted(([l], [r]) => l - r).map(([, tx]) => tx);
    const [first] = inOrder;
    if (first === undefined || whole.has(dot)) continue;
    whole.set(dot, { ...first, ops: inOrder.flatMap((tx) => tx.ops) });
  }
  return whole;
}

interface TableOps {
  readonly keyed: Map<string, SeenOp[]>;
  readonly truncates: SeenOp[];
}

function indexOps(transactions: Iterable<TruthTransaction>): ReadonlyMap<string, TableOps> {
  const index = new Map<string, TableOps>();
  const truncates: { readonly table: string; readonly op: SeenOp }[] = [];
  for (const { header, deps, ops } of transactions) {
    const by = { ...header, deps };
    for (const [at, { table, key, op }] of ops.entries()) {
      const known = index.get(table) ?? { keyed: new Map<string, SeenOp[]>(), truncates: [] };
      index.set(table, known);
      if (key === null) truncates.push({ table, op: { by, op, at } });
      else push(known.keyed, key, { by, op, at });
    }
  }
  for (const { table, op } of truncates) {
    const known = index.get(table);
    known?.truncates.push(op);
    for (const ops of known?.keyed.values() ?? []) ops.push(op);
  }
  return index;
}

function push(lists: Map<string, SeenOp[]>, key: string, op: SeenOp): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [op]);
  else list.push(op);
}
