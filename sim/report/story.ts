import { parseVector, sequenceOf } from '#core/version-vector.ts';
import type { Witness } from '#sim/check/property.ts';
import type { Truth, TruthTransaction } from '#sim/check/truth.ts';
import { dotName } from '#sim/check/truth.ts';
import type { HistoryEvent } from '#sim/history/event.ts';

/** One line of a story: when, who, what. */
export interface StoryLine {
  readonly atUs: number;
  readonly who: string;
  readonly text: string;
}

const LINES_MAX = 30;
/** Transactions of a row that a story follows: the newest before it went wrong. */
const TRANSACTIONS_MAX = 6;

/**
 * How it came to this: what happened to the transactions and rows that a witness names, and the faults
 * around them, in the order of true time.
 */
export function storyOf(truth: Truth, witness: Witness): readonly StoryLine[] {
  const subjects = subjectsOf(truth, witness);
  const dots = new Set(subjects.map(({ dot }) => dot));
  const ops = new Set(subjects.map(({ commit }) => commit.op).filter((op) => op !== null));
  const firstUs = Math.min(witness.atUs, ...subjects.map(({ commit }) => commit.atUs));
  const reached = new Map<string, number>();
  const lines: StoryLine[] = [];
  for (const event of truth.events) {
    lines.push(...linesOf(truth, event, dots, ops, reached, firstUs - 2_000_000));
  }
  const end = { atUs: witness.atUs, who: '', text: `${witness.text}    <-- here` };
  const before = lines.filter(({ atUs }) => atUs <= witness.atUs);
  return trimmed([...before.toSorted((l, r) => l.atUs - r.atUs), end]);
}

function subjectsOf(truth: Truth, { about, atUs }: Witness): readonly TruthTransaction[] {
  const named = about.flatMap((name) => {
    const transaction = truth.transactions.get(name);
    return transaction === undefined ? [] : [transaction];
  });
  const rows = about.filter((name) => name.includes(' '));
  const touching = [...truth.transactions.values()]
    .filter(
      ({ ops, commit }) =>
        commit.atUs <= atUs && ops.some(({ table, key }) => rows.includes(`${table} ${key ?? ''}`)),
    )
    .toSorted((l, r) => r.commit.atUs - l.commit.atUs)
    .slice(0, TRANSACTIONS_MAX);
  return [...named, ...touching];
}

function linesOf(
  truth: Truth,
  event: HistoryEvent,
  dots: ReadonlySet<string>,
  ops: ReadonlySet<number>,
  reached: Map<string, number>,
  fromUs: number,
): readonly StoryLine[] {
  const { atUs } = event;
  switch (event.kind) {
    case 'invoke':
      return ops.has(event.op)
        ? [{ atUs, who: `${event.region}.client`, text: `${event.client}: ${event.what}` }]
        : [];
    case 'ok':
    case 'fail':
    case 'info': {
      if (!ops.has(event.op)) return [];
      const { invoke } = truth.operations.find((found) => found.invoke.op === event.op) ?? {};
      const said = event.kind === 'ok' ? 'acknowledged' : (event.error ?? event.kind);
      return [
        { atUs, who: `${invoke?.region ?? '?'}.client`, text: `${invoke?.client ?? ''}: ${said}` },
      ];
    }
    case 'commit':
      return commitLines(truth, event, dots, reached);
    case 'logged': {
      const own = event.transactions.filter((tx) => dots.has(dotName(tx.replica, tx.sequence)));
      const names = own.map((tx) => dotName(tx.replica, tx.sequence)).join(', ');
      const copy = event.replica.startsWith(`${event.region}.`) ? 'stores' : 'copies';
      return own.length === 0
        ? []
        : [{ atUs, who: `${event.region}.log`, text: `${copy} ${names}` }];
    }
    default:
      return worldLines(event, fromUs);
  }
}

/** What befell the world: told whatever the story is about. */
function worldLines(event: HistoryEvent, fromUs: number): readonly StoryLine[] {
  const { atUs } = event;
  switch (event.kind) {
    case 'log-lost':
      return [
        {
          atUs,
          who: `${event.region}.log`,
          text: `loses ${event.replica} after ${event.afterEndLsn}`,
        },
      ];
    case 'rewind':
      return [
        {
          atUs,
          who: `${event.region}.pg`,
          text: `loses its commits from ${event.fromLsn} on: ${event.why}`,
        },
      ];
    case 'fault':
      return [
        { atUs, who: 'FAULT', text: `${event.phase === 'begin' ? '' : 'end of '}${event.what}` },
      ];
    case 'process':
      return atUs < fromUs
        ? []
        : [{ atUs, who: event.target, text: `${event.state}: ${event.why}` }];
    case 'point':
      return atUs < fromUs ? [] : [{ atUs, who: event.name, text: event.text }];
    default:
      return [];
  }
}

function commitLines(
  truth: Truth,
  event: Extract<HistoryEvent, { kind: 'commit' }>,
  dots: ReadonlySet<string>,
  reached: Map<string, number>,
): readonly StoryLine[] {
  const { atUs, region } = event;
  const own = truth.dotOf(event);
  const who = `${region}.pg`;
  if (own !== undefined && dots.has(own))
    return [{ atUs, who, text: `commits ${own}${changesText(event)}` }];
  if (event.vector === null) return [];
  const vector = parseVector(event.vector);
  const arrived = [...dots].filter((dot) => {
    const header = truth.logged.get(dot);
    if (header === undefined) return false;
    const name = `${region} ${header.replica}`;
    return (
      header.sequence > (reached.get(name) ?? 0) &&
      header.sequence <= sequenceOf(vector, header.replica)
    );
  });
  for (const [replica, sequence] of vector) reached.set(`${region} ${replica}`, sequence);
  if (arrived.length === 0) return [];
  return [{ atUs, who, text: `applies ${arrived.join(', ')}${changesText(event)}` }];
}

function changesText({ changes }: Extract<HistoryEvent, { kind: 'commit' }>): string {
  if (changes.length === 0) return ' (changes no row)';
  const [first] = changes;
  if (first === undefined || first.kind === 'truncate') return '';
  const row = first.kind === 'delete' ? first.old : first.new;
  const values = Object.entries(row).map(([name, value]) => `${name}=${value ?? 'NULL'}`);
  const more = changes.length > 1 ? ` and ${changes.length - 1} more rows` : '';
  return `: ${first.kind} ${values.join(' ').slice(0, 90)}${more}`;
}

/** The end matters most; of what is too much, the middle is left out. */
function trimmed(lines: readonly StoryLine[]): readonly StoryLine[] {
  if (lines.length <= LINES_MAX) return lines;
  const head = lines.slice(0, 8);
  const tail = lines.slice(-(LINES_MAX - 9));
  const left = lines.length - head.length - tail.length;
  const between = { atUs: tail[0]?.atUs ?? 0, who: '', text: `… ${left} more` };
  return [...head, between, ...tail];
}
