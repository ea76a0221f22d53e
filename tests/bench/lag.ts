import { alternate, each } from './bench.ts';
import type { Bench, Both, Part } from './bench.ts';
import { describeCpu, limitOf, startCpuCount } from './cpu.ts';
import type { CpuUse } from './cpu.ts';
import { figure, quantile } from './figure.ts';
import type { Aim, Figure } from './figure.ts';
import { CLIENTS } from './load.ts';
import { requireEqualRows, vacuum } from './pair.ts';
import type { Pair } from './pair.ts';
import { measureLag } from './probe.ts';

const PROBES_PER_SECOND = 200;
/** Probes begin after the load, and end before it. */
const LOAD_MARGIN_SECONDS = 1;

interface LagResult {
  readonly p50: number;
  readonly p99: number;
  readonly cpu: CpuUse;
  readonly tps: number | null;
}

export const LAGS: readonly Part[] = [
  {
    name: 'lag at 200 tx/s',
    run: (bench) => run(bench, 'lag at 200 tx/s', 'quiet', { p50: atMost(3), p99: atMost(15) }),
  },
  {
    name: 'lag at maximum',
    run: (bench) => run(bench, 'lag at maximum', 'loaded', {}),
  },
];

function atMost(value: number): Aim {
  return { kind: 'at most', value };
}

async function run(
  bench: Bench,
  part: string,
  load: 'quiet' | 'loaded',
  aims: { readonly p50?: Aim; readonly p99?: Aim },
): Promise<readonly Figure[]> {
  const results = await alternate(bench, async (pair) => {
    const result = await measure(bench, pair, load);
    await requireEqualRows(pair);
    const { p50, p99, cpu, tps } = result;
    const under = tps === null ? '' : `, ${Math.round(tps)} tps`;
    bench.progress(
      `${part}, ${pair.name}: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms${under}; ` +
        describeCpu(cpu),
    );
    return result;
  });
  const notes = describe(results, load, bench);
  const p50 = each(results, (result) => result.p50);
  const p99 = each(results, (result) => result.p99);
  return [
    figure({ part, name: 'p50', unit: 'ms', ...p50, ...aimed(aims.p50), notes }),
    figure({ part, name: 'p99', unit: 'ms', ...p99, ...aimed(aims.p99) }),
    ...(load === 'quiet'
      ? []
      : [figure({ part, name: 'load', unit: 'tps', ...each(results, ({ tps }) => tps ?? 0) })]),
  ];
}

function aimed(aim: Aim | undefined): { readonly aim?: Aim } {
  return aim === undefined ? {} : { aim };
}

async function measure(bench: Bench, pair: Pair, load: 'quiet' | 'loaded'): Promise<LagResult> {
  await vacuum(pair);
  const { lagSeconds } = bench.options.sizes;
  const writer = await pair.origin.connect();
  const watcher = await pair.target.connect();
  try {
    const stopCount = await startCpuCount(() => pair.processes());
    const loading =
      load === 'quiet' ? null : bench.load.run(pair.origin, lagSeconds + 2 * LOAD_MARGIN_SECONDS);
    if (loading !== null) await pause(LOAD_MARGIN_SECONDS);
    const lags = await measureLag(writer, watcher, PROBES_PER_SECOND, lagSeconds);
    const cpu = await stopCount();
    const loaded = await loading;
    const tps = loaded === null ? null : loaded.transactions / loaded.seconds;
    return { p50: quantile(lags, 0.5), p99: quantile(lags, 0.99), cpu, tps };
  } finally {
    await Promise.allSettled([writer.end(), watcher.end()]);
  }
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

function describe(
  { ours, native }: Both<LagResult>,
  load: 'quiet' | 'loaded',
  bench: Bench,
): readonly string[] {
  const lines = [
    `${PROBES_PER_SECOND} single-row updates a second, from the answer to COMMIT to the row being read on the other node`,
  ];
  if (load === 'loaded') lines.push(`beside ${bench.load.name} (${CLIENTS} connections)`);
  const [last, lastNative] = [ours.at(-1), native.at(-1)];
  if (last !== undefined) {
    lines.push(`cores used by ours: ${describeCpu(last.cpu)}`, `  ${limitOf(last.cpu)}`);
  }
  if (lastNative !== undefined) {
    lines.push(`cores used by native: ${describeCpu(lastNative.cpu)}`);
  }
  return lines;
}
