import { setTimeout as sleep } from 'node:timers/promises';
import { alternate, each } from './bench.ts';
import type { Bench, Both, Part } from './bench.ts';
import { cpuPerRow, describeCpu, limitOf, startCpuCount } from './cpu.ts';
import type { CpuUse } from './cpu.ts';
import { figure } from './figure.ts';
import type { Aim, Figure } from './figure.ts';
import { requireEqualRows, vacuum } from './pair.ts';
import type { Pair } from './pair.ts';
import { nextMark, untilVisible, writeProbe } from './probe.ts';
import { insertBulk, updateAccounts } from './workload.ts';

const BULK_ROWS_PER_TRANSACTION = 1_000;
const FIRST_MARK_ROW = -1;
const LAST_MARK_ROW = 0;
/** A profile begins, and is written, a moment after it is asked for. */
const PROFILE_TOGGLE_MS = 500;

interface Outage {
  readonly statement: string;
  readonly rows: number;
  readonly transactions: number;
}

interface CatchUpResult {
  readonly rowsPerSecond: number;
  /** Without the time to the first row. */
  readonly flowingPerSecond: number;
  readonly cpuUsPerRow: number;
  /** From the heal to the backlog's first row: reconnecting, and whatever precedes the first commit. */
  readonly firstRowMs: number;
  readonly backlogSeconds: number;
  readonly cpu: CpuUse;
}

interface CatchUp {
  readonly name: string;
  readonly aim?: Aim;
  readonly outage: (bench: Bench) => Outage;
  readonly cut: (pair: Pair) => Promise<void>;
}

const cutLink = (pair: Pair): Promise<void> => pair.cut();

export const CATCH_UPS: readonly Part[] = [
  catchUp({
    name: 'catch-up updates',
    aim: { kind: 'of native', atLeast: 1 },
    outage: ({ options: { sizes } }) => singleRowUpdates('uniform', sizes.outageRows),
    cut: cutLink,
  }),
  catchUp({
    name: 'catch-up hot',
    aim: { kind: 'of native', atLeast: 3 },
    outage: ({ options: { sizes } }) => singleRowUpdates('zipf', sizes.outageRows),
    cut: cutLink,
  }),
  catchUp({
    name: 'catch-up inserts',
    aim: { kind: 'of native', atLeast: 0.8 },
    outage: ({ options: { sizes } }) => {
      const transactions = sizes.outageRows / BULK_ROWS_PER_TRANSACTION;
      const statement = insertBulk(transactions, BULK_ROWS_PER_TRANSACTION);
      return { statement, rows: sizes.outageRows, transactions };
    },
    cut: cutLink,
  }),
  catchUp({
    name: 'catch-up updates, capture down too',
    outage: ({ options: { sizes } }) => singleRowUpdates('uniform', sizes.outageRows),
    cut: (pair) => pair.cutAtOrigin(),
  }),
];

function singleRowUpdates(keys: 'uniform' | 'zipf', rows: number): Outage {
  return { statement: updateAccounts(keys, rows), rows, transactions: rows };
}

function catchUp(of: CatchUp): Part {
  return {
    name: of.name,
    run: async (bench) => {
      const outage = of.outage(bench);
      const results = await alternate(bench, async (pair) => {
        const result = await measure(pair, outage, of.cut);
        await requireEqualRows(pair);
        const { rowsPerSecond, firstRowMs, cpu } = result;
        bench.progress(
          `${of.name}, ${pair.name}: ${Math.round(rowsPerSecond)} rows/s, first row after ` +
            `${Math.round(firstRowMs)} ms; ${describeCpu(cpu)}`,
        );
        return result;
      });
      return figures(of, results);
    },
  };
}

function figures(of: CatchUp, results: Both<CatchUpResult>): readonly Figure[] {
  const part = of.name;
  const firstRow = each(results, ({ firstRowMs }) => firstRowMs);
  return [
    figure({
      part,
      name: 'rows applied',
      unit: '1/s',
      ...each(results, ({ rowsPerSecond }) => rowsPerSecond),
      ...(of.aim === undefined ? {} : { aim: of.aim }),
      notes: [...busy('ours', results.ours), ...busy('native', results.native)],
    }),
    figure({ part, name: 'heal to first row', unit: 'ms', ...firstRow }),
    figure({
      part,
      name: 'rows applied from the first row on',
      unit: '1/s',
      ...each(results, ({ flowingPerSecond }) => flowingPerSecond),
    }),
    figure({
      part,
      name: 'CPU of all processes',
      unit: 'µs/row',
      ...each(results, ({ cpuUsPerRow }) => cpuUsPerRow),
    }),
    figure({
      part,
      name: 'making the backlog',
      unit: 's',
      ...each(results, ({ backlogSeconds }) => backlogSeconds),
    }),
  ];
}

function busy(name: string, results: readonly CatchUpResult[]): readonly string[] {
  const last = results.at(-1);
  if (last === undefined) return [];
  return [`cores used by ${name}: ${describeCpu(last.cpu)}`, `  ${limitOf(last.cpu)}`];
}

async function measure(
  pair: Pair,
  outage: Outage,
  cut: (pair: Pair) => Promise<void>,
): Promise<CatchUpResult> {
  await vacuum(pair);
  const { control: origin } = pair.origin;
  const { control: target } = pair.target;
  const mark = nextMark();
  await cut(pair);
  await toggleProfile(pair);
  const madeMs = performance.now();
  await writeProbe(origin, FIRST_MARK_ROW, mark);
  // What an outage leaves behind is at stake, not how fast its commits reached the disk.
  await origin.query('SET synchronous_commit = off');
  await origin.query(outage.statement);
  await origin.query('RESET synchronous_commit');
  await writeProbe(origin, LAST_MARK_ROW, mark);
  await pair.untilBacklogged(outage.transactions + 2);
  const backlogSeconds = (performance.now() - madeMs) / 1000;
  await toggleProfile(pair);
  await toggleProfile(pair);
  const stopCount = await startCpuCount(() => pair.processes());
  const healedMs = performance.now();
  await pair.heal();
  const firstMs = await untilVisible(target, FIRST_MARK_ROW, mark);
  const lastMs = await untilVisible(target, LAST_MARK_ROW, mark);
  const cpu = await stopCount();
  await toggleProfile(pair);
  return {
    rowsPerSecond: (outage.rows * 1000) / (lastMs - healedMs),
    flowingPerSecond: (outage.rows * 1000) / Math.max(1, lastMs - firstMs),
    cpuUsPerRow: cpuPerRow(cpu, outage.rows),
    firstRowMs: firstMs - healedMs,
    backlogSeconds,
    cpu,
  };
}

/** Profiles come in pairs: while the backlog is made, and while it drains. */
async function toggleProfile(pair: Pair): Promise<void> {
  if (pair.toggleProfile()) await sleep(PROFILE_TOGGLE_MS);
}
