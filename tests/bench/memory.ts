import type { Bench, Part } from './bench.ts';
import { residentBytes } from './cpu.ts';
import { figure } from './figure.ts';
import type { Figure } from './figure.ts';
import { requireEqualRows, vacuum } from './pair.ts';
import { nextMark, untilVisible, writeProbe } from './probe.ts';
import { updateAccounts } from './workload.ts';

const SAMPLE_MS = 100;
const MIB = 1024 * 1024;
const AIM = { kind: 'at most', value: 400 } as const;

/** Memory of the replicators while a long outage piles up, and while it drains. One run; nothing of native's compares. */
export const MEMORY: Part = {
  name: 'memory',
  run: async (bench) => {
    const { ours: pair, options } = bench;
    const rows = options.sizes.backlogRows;
    await vacuum(pair);
    const quiet = sample(bench);
    const mark = nextMark();
    await pair.cut();
    const growing = watch(bench);
    const { control } = pair.origin;
    await control.query('SET synchronous_commit = off');
    await control.query(updateAccounts('uniform', rows));
    await control.query('RESET synchronous_commit');
    await writeProbe(control, 0, mark);
    await pair.untilBacklogged(rows + 1);
    const backlogged = sample(bench);
    const piled = growing();
    const draining = watch(bench);
    pair.toggleProfile();
    const healedMs = performance.now();
    await pair.heal();
    const seconds = ((await untilVisible(pair.target.control, 0, mark)) - healedMs) / 1000;
    pair.toggleProfile();
    const drained = draining();
    await requireEqualRows(pair);
    const notes = [
      `before ${inMib(quiet)}; backlog of ${rows} whole ${inMib(backlogged)}; it drained in ${seconds.toFixed(1)} s`,
    ];
    bench.progress(`memory: ${notes[0]}; peaks ${inMib(piled)} and ${inMib(drained)}`);
    return [
      peak('origin, backlog growing', piled.origin, notes),
      peak('target, backlog growing', piled.target),
      peak('origin, draining', drained.origin),
      peak('target, draining', drained.target),
    ];
  },
};

interface Memory {
  readonly origin: number;
  readonly target: number;
}

function peak(name: string, bytes: number, notes: readonly string[] = []): Figure {
  const ours = [bytes / MIB];
  return figure({ part: 'memory', name, unit: 'MiB', ours, native: [], aim: AIM, notes });
}

function inMib({ origin, target }: Memory): string {
  return `origin ${Math.round(origin / MIB)}, target ${Math.round(target / MIB)} MiB`;
}

function sample(bench: Bench): Memory {
  const [origin, target] = bench.ours.replicators;
  return { origin: residentBytes(origin.pid), target: residentBytes(target.pid) };
}

/** Samples until the returned function is called, which gives the peaks. */
function watch(bench: Bench): () => Memory {
  let most = sample(bench);
  const timer = setInterval(() => {
    const now = sample(bench);
    most = {
      origin: Math.max(most.origin, now.origin),
      target: Math.max(most.target, now.target),
    };
  }, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    return most;
  };
}
