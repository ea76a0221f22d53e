import type { Hlc } from '#core/hlc.ts';
import { ZERO_LSN } from '#core/lsn.ts';
import { parseRegionId, replicaId } from '#core/region.ts';
import { sameDot } from '#core/transaction.ts';
import type { RowOp, TransactionHeader } from '#core/transaction.ts';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { textType } from '#conflict/families/document.ts';
import { KeyState } from '#conflict/key-state.ts';
import { patched } from '#tests/support/editing-trace.ts';
import type { TraceEdit } from '#tests/support/editing-trace.ts';
import { KEY, typedRelation } from '#tests/conflict/typed-regions.ts';

const RELATION = typedRelation('text');
const REPLICAS = ['eu', 'us'].map((name) => replicaId(parseRegionId(name), 1));
const FORGET_EVERY = 25;

interface Message {
  readonly by: TransactionHeader;
  readonly op: RowOp;
}

class Typist {
  text = '';
  state = KeyState.EMPTY;
  seen: readonly number[] = [0, 0];
  /** What the other's last message had seen. */
  told: readonly number[] = [0, 0];

  hear({ by, op }: Message, other: number, seen: readonly number[]): void {
    this.state = this.state.fold(by, op, IGNORE_CONFLICTS);
    const has = (known: TransactionHeader): boolean => !sameDot(known, by);
    this.text = this.state.project('v', { value: this.text, has }) ?? '';
    this.seen = this.seen.with(other, by.sequence);
    this.told = seen;
  }

  forget(): void {
    const stable = (by: TransactionHeader): boolean => {
      const at = REPLICAS.indexOf(by.replica);
      return by.sequence <= Math.min(this.seen[at] ?? 0, this.told[at] ?? 0);
    };
    this.state = this.state.prune(stable) ?? KeyState.EMPTY;
  }
}

/**
 * The texts that two people's regions end with when they type these edits, each having seen what the trace
 * says: by the engine's own folding, projecting and forgetting.
 */
export function typed(edits: readonly TraceEdit[]): readonly string[] {
  const typists = [new Typist(), new Typist()];

  const outboxes: (Message & { readonly seen: readonly number[] })[][] = [[], []];
  const deliver = (to: number, until: number): void => {
    const me = typists[to];
    const from = 1 - to;
    for (let at = me?.seen[from] ?? 0; at < until; at++) {
      const message = outboxes[from]?.[at];
      if (message !== undefined) me?.hear(message, from, message.seen);
    }
  };
  for (const [at, { agent, seen, patches }] of edits.entries()) {
    const me = typists[agent];
    const other = 1 - agent;
    if (me === undefined) continue;
    deliver(agent, seen[other] ?? 0);
    const after = patched(me.text, patches);
    const cell = textType.diff(me.text, after);
    me.seen = me.seen.with(agent, (me.seen[agent] ?? 0) + 1);
    me.text = after;
    const by = headerOf(agent, me.seen, at + 1);
    const said = cell === undefined ? { columns: [], cells: [] } : { columns: [1], cells: [cell] };
    const op: RowOp = { kind: 'update', relation: RELATION, key: KEY, ...said };
    me.state = me.state.fold(by, op, IGNORE_CONFLICTS);
    outboxes[agent]?.push({ by, op, seen: me.seen });
    if (at % FORGET_EVERY === 0) for (const typist of typists) typist.forget();
  }
  for (const to of [0, 1]) deliver(to, outboxes[1 - to]?.length ?? 0);
  return typists.map(({ text }) => text);
}

function headerOf(agent: number, seen: readonly number[], hlc: number): TransactionHeader {
  const replica = REPLICAS[agent] ?? replicaId(parseRegionId('eu'), 1);
  const other = REPLICAS[1 - agent] ?? replica;
  const place = { commitLsn: ZERO_LSN, endLsn: ZERO_LSN, commitTimeUs: hlc };
  return {
    replica,
    region: parseRegionId(replica.split('.')[0] ?? ''),
    epoch: 1,
    sequence: seen[agent] ?? 0,
    hlc: hlc as Hlc,
    deps: new Map([[other, seen[1 - agent] ?? 0]]),
    ...place,
  };
}
