import type { RegionId } from '#core/region.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { judge } from '#sim/check/property.ts';
import type { Verdict, Witness } from '#sim/check/property.ts';
import { sameRow } from '#sim/check/region-replay.ts';
import type { RegionReplay } from '#sim/check/region-replay.ts';
import { specifiedRow } from '#sim/check/specification.ts';
import type { SeenOp } from '#sim/check/specification.ts';
import type { Truth } from '#sim/check/truth.ts';
import { newDots, visibleAt, walk } from '#sim/check/walk.ts';
import type { Moment } from '#sim/check/walk.ts';
import type { Row } from '#sim/history/event.ts';
import type { TableModel } from '#sim/run/world.ts';

/** Rows with more operations than this are compared at every so-manyth commit only. */
const OPS_ALWAYS = 200;

/** A2. At the end every row of every region is what the operations mean, not merely the same everywhere. */
export function rightValue(truth: Truth): Verdict {
  const last = new Map<RegionId, Moment>();
  const finals = walk(truth, (moment) => last.set(moment.region, moment));
  const witnesses: Witness[] = [];
  let compared = 0;
  for (const region of truth.surviving()) {
    const replay = finals.get(region);
    const moment = last.get(region);
    if (replay === undefined || moment === undefined) continue;
    const visible = visibleAt(moment);
    for (const table of truth.frame.tables) {
      for (const key of new Set([...truth.keysOf(table.name), ...replay.logicalKeys(table.name)])) {
        compared += 1;
        const found = differing(truth, table, key, visible, replay);
        if (found !== null)
          witnesses.push(witness(region, truth.frame.endUs, table, key, found, 'at the end'));
      }
    }
  }
  return judge(compared, 'rows', witnesses);
}

/**
 * A7. A transaction becomes visible whole, in one commit: right after it, every row that it names is
 * what all visible operations mean, unseen local writes included.
 */
export function atomicVisibility(truth: Truth): Verdict {
  const witnesses: Witness[] = [];
  let compared = 0;
  walk(truth, (moment) => {
    if (moment.commit.vector === null || !moment.own.whole) return;
    const visible = visibleAt(moment);
    const named = new Set<string>();
    for (const dot of newDots(moment)) {
      for (const { table, key } of truth.transactions.get(dot)?.ops ?? []) {
        if (key === null || named.has(`${table} ${key}`)) continue;
        named.add(`${table} ${key}`);
        const model = truth.tables.get(table);
        const count = truth.opsOn(table, key).length;
        if (model === undefined || (count > OPS_ALWAYS && compared % Math.ceil(count / 50) !== 0)) {
          compared += 1;
          continue;
        }
        compared += 1;
        const found = differing(truth, model, key, visible, moment.replay);
        if (found !== null)
          witnesses.push(
            witness(moment.region, moment.commit.atUs, model, key, found, `with ${dot}`),
          );
      }
    }
  });
  return judge(compared, 'rows of applied transactions', witnesses);
}

/** A5. Counters hold every increment exactly once, at every commit that touches one. */
export function exactlyOnce(truth: Truth): Verdict {
  const counters = truth.frame.tables.flatMap((table) =>
    table.columns.filter(({ merge }) => merge === 'counter').map(({ name }) => ({ table, name })),
  );
  const last = new Map<RegionId, Moment>();
  const steps = vectorSteps(truth, last);
  const witnesses = [...steps.witnesses];
  let compared = 0;
  for (const region of truth.surviving()) {
    const moment = last.get(region);
    if (moment === undefined) continue;
    const visible = visibleAt(moment);
    for (const { table, name } of counters) {
      for (const key of truth.keysOf(table.name)) {
        const found = differing(truth, table, key, visible, moment.replay);
        compared += 1;
        const [is, should] = [found?.is?.[name], found?.should?.[name]];
        if (found === null || found.is === null || found.should === null || is === should) continue;
        witnesses.push({
          atUs: truth.frame.endUs,
          signature: `counter ${table.name}.${name} is not the sum of its increments`,
          text: `${region}: ${table.name} ${key} ${name} is ${is ?? 'NULL'}, the increments make ${should ?? 'NULL'}`,
          about: [region, `${table.name} ${key}`],
        });
      }
    }
  }
  return judge(compared + steps.count, 'counters and vector steps', witnesses);
}

/** The applied vector names each transaction once: it only grows, but for a server that lost commits. */
function vectorSteps(
  truth: Truth,
  last: Map<RegionId, Moment>,
): { readonly count: number; readonly witnesses: readonly Witness[] } {
  const witnesses: Witness[] = [];
  let count = 0;
  // A log that lost its own tail is written again: its region steps back before that, and counts anew.
  const steppedBack = new Map<string, number>();
  for (const event of truth.events) {
    if (event.kind === 'log-lost' && event.replica.startsWith(`${event.region}.`))
      steppedBack.set(
        event.replica,
        Math.min(event.atUs, steppedBack.get(event.replica) ?? event.atUs),
      );
  }
  walk(truth, (moment) => {
    last.set(moment.region, moment);
    if (moment.commit.vector === null) return;
    count += 1;
    for (const [replica, sequence] of moment.before) {
      if (sequenceOf(moment.vector, replica) >= sequence) continue;
      const own = replica.startsWith(`${moment.region}.`);
      if (own && (steppedBack.get(replica) ?? Number.POSITIVE_INFINITY) <= moment.commit.atUs)
        continue;
      witnesses.push({
        atUs: moment.commit.atUs,
        signature: 'the applied vector went back',
        text: `${moment.region} had applied ${replica}:${sequence} and then says ${sequenceOf(moment.vector, replica)}`,
        about: [moment.region, replica],
      });
    }
  });
  return { count, witnesses };
}

interface Difference {
  readonly is: Row | null;
  readonly should: Row | null;
}

function differing(
  truth: Truth,
  table: TableModel,
  key: string,
  visible: VersionVector,
  replay: RegionReplay,
): Difference | null {
  const ops = seenBy(truth.opsOn(table.name, key), visible);
  const names = table.columns.map(({ name }) => name);
  const should = specifiedRow(ops, names, null);
  const is = replay.logicalRow(table.name, key);
  return sameRow(is, should) ? null : { is, should };
}

function seenBy(ops: readonly SeenOp[], visible: VersionVector): readonly SeenOp[] {
  return ops.filter(({ by }) => by.sequence <= sequenceOf(visible, by.replica));
}

function witness(
  region: RegionId,
  atUs: number,
  table: TableModel,
  key: string,
  { is, should }: Difference,
  when: string,
): Witness {
  const what =
    is === null ? 'a row is missing' : should === null ? 'a row too many' : 'a wrong value';
  const columns = table.columns
    .map(({ name }) => name)
    .filter((name) => is !== null && should !== null && is[name] !== should[name]);
  const only = columns.length > 0 ? columns : table.columns.map(({ name }) => name);
  return {
    atUs,
    signature: `${what} in ${table.name}${columns.length > 0 ? ` (${columns.join(', ')})` : ''}`,
    text: `${region}: ${table.name} ${key} ${when} is ${shown(is, only)}, its operations mean ${shown(should, only)}`,
    about: [region, `${table.name} ${key}`],
  };
}

function shown(row: Row | null, columns: readonly string[]): string {
  if (row === null) return 'absent';
  return columns.map((name) => `${name}=${row[name] ?? 'NULL'}`).join(' ');
}
