import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '#core/assert.ts';
import { formatMs } from '#deploy/cli/quantities.ts';
import { readShop } from '#deploy/demo/audit.ts';
import type { ShopContent } from '#deploy/demo/audit.ts';
import { compareAll } from '#deploy/demo/closing-check.ts';
import type { CutReport, DemoReport } from '#deploy/demo/demo-report.ts';
import { Isolation } from '#deploy/demo/isolation.ts';
import { LagRecorder } from '#deploy/demo/lag-recorder.ts';
import type { Pair } from '#deploy/demo/lag-recorder.ts';
import { Ledger } from '#deploy/demo/ledger.ts';
import type { LiveView } from '#deploy/demo/live-view.ts';
import { startObserver } from '#deploy/demo/observer.ts';
import type { Observer } from '#deploy/demo/observer.ts';
import { startPulse } from '#deploy/demo/pulse.ts';
import { openShopSession } from '#deploy/demo/shop-session.ts';
import { latencyMs, REGIONS, setLinks } from '#deploy/demo/stage.ts';
import type { Stage } from '#deploy/demo/stage.ts';
import { StepList } from '#deploy/demo/step-list.ts';
import { startWriters } from '#deploy/demo/writers.ts';

const CUT_REGION = 'ap';
const CUT_MAX_MS = 8_000;
const CATCH_UP_MAX_MS = 60_000;
const POLL_MS = 20;
const WRITERS = { perRegion: 2, rate: 40 };

export function demoSteps(): StepList {
  return new StepList([
    ['servers', '3 PostgreSQL, 3 nats-servers, slow links between'],
    ['shop', 'loading a shop of 6 tables into every region'],
    ['replicators', 'one per region'],
    ['together', 'all regions write the same rows, in plain SQL'],
    ['cut', `${CUT_REGION} cannot reach anybody; everybody goes on writing`],
    ['healed', `${CUT_REGION} is back, everybody still writes`],
    ['settling', 'nobody writes; waiting until all have everything'],
    ['comparing', 'row by row, and with what was acknowledged'],
  ]);
}

/** Writes everywhere, cuts a region off, heals it, and compares; `seconds` is how long is written. */
export async function playScenario(
  stage: Stage,
  steps: StepList,
  view: LiveView,
  seconds: number,
  signal: AbortSignal,
): Promise<Omit<DemoReport, 'elapsedMs'>> {
  const before = await contentBefore(stage);
  const ledger = new Ledger();
  const lag = new LagRecorder(latencyMs);
  const others = REGIONS.filter((region) => region !== CUT_REGION);
  const isolation = new Isolation(CUT_REGION, others, lag);
  const observer = await startObserver(stage.urls);
  const running: { stop(): Promise<void> }[] = [observer];
  let cut: Omit<CutReport, 'othersLag'>;
  try {
    const open = (from: string, to: string): boolean => isolation.pair(from, to).kind === 'open';
    running.push(await startPulse(stage.urls, lag, open));
    running.push(await startWriters(stage.urls, ledger, WRITERS));
    view.follow({ ledger, lag, isolation, observer });
    cut = await write({ stage, steps, ledger, isolation, seconds, signal });
    // Writers first; whoever failed meanwhile says so here.
    for (const one of running.toReversed()) await one.stop();
  } finally {
    await Promise.allSettled(running.map((one) => one.stop()));
  }
  const checked = await compareAll(stage, steps, { before, ledger }, signal);
  return {
    ...checked,
    ok: checked.ok && cut.caughtUpMs !== null && observer.torn === 0,
    regions: REGIONS,
    writtenSeconds: seconds,
    commits: Object.fromEntries(REGIONS.map((region) => [region, ledger.commits.get(region) ?? 0])),
    refused: ledger.refused,
    increments: ledger.increments,
    inserts: ledger.inserts,
    lag: lag.total(pairsOf(REGIONS), (at) => isolation.isSteady(at)),
    pairs: pairsOf(REGIONS).map((pair) => {
      const figures = lag.total([pair], (at) => isolation.isSteady(at));
      return { ...pair, latencyMs: latencyMs(pair.from, pair.to), lag: figures };
    }),
    cut: { ...cut, othersLag: lag.total(pairsOf(others), (at) => isolation.isDuringCut(at)) },
    torn: tornLooks(observer),
  };
}

interface Writing {
  readonly stage: Stage;
  readonly steps: StepList;
  readonly ledger: Ledger;
  readonly isolation: Isolation;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** Together, cut, healed. */
async function write(writing: Writing): Promise<Omit<CutReport, 'othersLag'>> {
  const { stage, steps, ledger, isolation, seconds, signal } = writing;
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal });
  const togetherMs = seconds * 400;
  const cutMs = Math.min(CUT_MAX_MS, seconds * 250);
  steps.begin('together', togetherMs);
  await pause(togetherMs);
  steps.end('together');

  const [aloneBefore, allBefore] = [ledger.commits.get(CUT_REGION) ?? 0, ledger.transactions];
  setLinks(stage.cluster, CUT_REGION, 'cut');
  isolation.cut(performance.now());
  steps.begin('cut', cutMs);
  await pause(cutMs);
  setLinks(stage.cluster, CUT_REGION, 'healed');
  isolation.heal(performance.now());
  const commitsAlone = (ledger.commits.get(CUT_REGION) ?? 0) - aloneBefore;
  const commitsElsewhere = ledger.transactions - allBefore - commitsAlone;
  steps.end('cut', `${CUT_REGION} committed ${commitsAlone} alone, the others ${commitsElsewhere}`);

  const healedMs = seconds * 1_000 - togetherMs - cutMs;
  steps.begin('healed', healedMs);
  await Promise.all([pause(healedMs), untilCaughtUp(isolation, signal)]);
  const { caughtUpMs } = isolation;
  steps.end(
    'healed',
    caughtUpMs === null
      ? 'NOT caught up'
      : `all caught up ${formatMs(caughtUpMs)} after, under load`,
  );
  return { region: CUT_REGION, cutMs, commitsAlone, commitsElsewhere, caughtUpMs };
}

async function untilCaughtUp(isolation: Isolation, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + CATCH_UP_MAX_MS;
  while (!isolation.check(performance.now()) && performance.now() < deadline) {
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function contentBefore({ urls }: Stage): Promise<ShopContent> {
  const [first] = urls;
  const [region, url] = must(first, 'a first region');
  const { client } = await openShopSession(region, url);
  try {
    return await readShop(client);
  } finally {
    await client.end();
  }
}

function pairsOf(regions: readonly string[]): readonly Pair[] {
  return regions.flatMap((from) => regions.filter((to) => to !== from).map((to) => ({ from, to })));
}

function tornLooks({ looks, torn }: Observer): DemoReport['torn'] {
  return { looks, seen: torn };
}
