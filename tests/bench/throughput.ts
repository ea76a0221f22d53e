import { setTimeout as sleep } from 'node:timers/promises';
import { runsOf } from './bench.ts';
import type { Bench, Part } from './bench.ts';
import { cpuPerRow, describeCpu, limitOf, startCpuCount } from './cpu.ts';
import type { CpuUse } from './cpu.ts';
import { figure } from './figure.ts';
import type { Figure } from './figure.ts';
import type { Node } from './node.ts';
import { requireEqualRows, vacuum } from './pair.ts';
import type { Pair } from './pair.ts';
import { nextMark, untilVisible, writeProbe } from './probe.ts';

const SETTLE_MS = 500;
const LIMIT =
  'ours needs REPLICA IDENTITY FULL at the origin (native here does not), and takes its CPU time from the same cores';

interface Measured {
  readonly tps: number;
  readonly walBytes: number;
  /** How far behind the other node was when the load ended. */
  readonly behindMs: number;
  readonly transactions: number;
  readonly cpu: CpuUse | null;
}

/** What replication leaves of pgbench's speed, and what it writes and sends for it. */
export const THROUGHPUT: Part = {
  name: 'pgbench',
  run: async (bench) => {
    const none: Measured[] = [];
    const ours: Measured[] = [];
    const native: Measured[] = [];
    for (const run of runsOf(bench)) {
      const steps = [
        async () => none.push(await measureAlone(bench)),
        async () => ours.push(await measurePair(bench, bench.ours)),
        async () => native.push(await measurePair(bench, bench.native)),
      ];
      for (const step of run % 2 === 0 ? steps : steps.toReversed()) await step();
    }
    return figures(bench, none, ours, native);
  },
};

function figures(
  bench: Bench,
  none: readonly Measured[],
  ours: readonly Measured[],
  native: readonly Measured[],
): readonly Figure[] {
  const part = 'pgbench';
  const both = (
    pick: (of: Measured) => number,
  ): Pick<Parameters<typeof figure>[0], 'ours' | 'native'> => ({
    ours: ours.map(pick),
    native: native.map(pick),
  });
  const kept = (of: Measured, run: number): number => of.tps / (none[run]?.tps ?? Number.NaN);
  const baseline = none.map(({ tps }) => Math.round(tps)).join(', ');
  const notes = [
    `${bench.load.name}; without replication: ${baseline} tps, ${none.map((of) => perTransaction(of).toFixed(0)).join(', ')} bytes of WAL per transaction`,
    LIMIT,
    ...cores('ours', ours.at(-1)),
    ...cores('native', native.at(-1)),
  ];
  const aim = { kind: 'of native', atLeast: 0.95 } as const;
  return [
    figure({ part, name: 'transactions', unit: '1/s', ...both(({ tps }) => tps), aim, notes }),
    figure({
      part,
      name: 'kept of no replication',
      unit: '×',
      ours: ours.map(kept),
      native: native.map(kept),
    }),
    figure({
      part,
      name: 'behind when the load ends',
      unit: 'ms',
      ...both(({ behindMs }) => behindMs),
    }),
    figure({ part, name: 'CPU of replication', unit: 'µs/tx', ...both(cpuPerTransaction) }),
    figure({ part, name: 'WAL per transaction', unit: 'B', ...both(perTransaction) }),
  ];
}

function perTransaction({ walBytes, transactions }: Measured): number {
  return walBytes / transactions;
}

/** The load's own processes come and go between the readings, so they are not in it. */
function cpuPerTransaction({ cpu, transactions }: Measured): number {
  return cpu === null ? 0 : cpuPerRow(cpu, transactions);
}

function cores(name: string, measured: Measured | undefined): readonly string[] {
  if (measured?.cpu === null || measured === undefined) return [];
  return [`cores used by ${name}: ${describeCpu(measured.cpu)}`, `  ${limitOf(measured.cpu)}`];
}

async function measurePair(bench: Bench, pair: Pair): Promise<Measured> {
  await vacuum(pair);
  await sleep(SETTLE_MS);
  pair.toggleProfile();
  const stopCount = await startCpuCount(() => pair.processes());
  const measured = await measure(bench, pair.origin);
  const cpu = await stopCount();
  pair.toggleProfile();
  const endedMs = performance.now();
  const mark = nextMark();
  await writeProbe(pair.origin.control, 0, mark);
  const behindMs = (await untilVisible(pair.target.control, 0, mark)) - endedMs;
  await requireEqualRows(pair);
  bench.progress(
    `pgbench, ${pair.name}: ${Math.round(measured.tps)} tps, ${Math.round(behindMs)} ms behind; ${describeCpu(cpu)}`,
  );
  return { ...measured, behindMs, cpu };
}

async function measureAlone(bench: Bench): Promise<Measured> {
  await bench.alone.control.query('VACUUM');
  await sleep(SETTLE_MS);
  const measured = await measure(bench, bench.alone);
  bench.progress(`pgbench, no replication: ${Math.round(measured.tps)} tps`);
  return { ...measured, behindMs: 0, cpu: null };
}

async function measure(
  bench: Bench,
  node: Node,
): Promise<Pick<Measured, 'tps' | 'walBytes' | 'transactions'>> {
  const before = await node.walBytes();
  const { transactions, seconds } = await bench.load.run(node, bench.options.sizes.loadSeconds);
  const walBytes = (await node.walBytes()) - before;
  return { tps: transactions / seconds, walBytes, transactions };
}
