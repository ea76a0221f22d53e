import { expect, test } from 'vitest';
import { judgeRun } from '#sim/run/judge-run.ts';
import type { JudgedRun } from '#sim/run/report.ts';
import { toyRun } from '#tests/sim/toy-run.ts';
import type { ToyBug } from '#tests/sim/toy-world.ts';

async function judged(
  bug: ToyBug,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<JudgedRun> {
  return judgeRun(await toyRun(3, bug, changes), { kind: 'no' });
}

const EXCEPT = { A16: 'the toy records no conflicts' };

test('a replicator that is right passes, with what it did and how long that took', async () => {
  const { outcome, reasons, work, lag, point, convergedUs } = await judged('none');
  expect(reasons).toEqual([]);
  expect(outcome).toBe('pass');
  expect(work.writes).toBeGreaterThan(100);
  expect(work).toMatchObject({ faults: 1 });
  expect(lag.calm?.p50Us).toBe(40_000);
  // Cut off for three seconds: somebody's writes were alone for about as long.
  expect(point.exposure?.maxUs).toBeGreaterThan(2_500_000);
  expect(point).toMatchObject({ lost: 0 });
  expect(convergedUs).not.toBeNull();
});

test.each([
  ['loses a write', 'A2'],
  ['ignores stamps', 'A1'],
] as const)('a replicator that %s violates %s', async (bug, id) => {
  const { outcome, reasons } = await judged(bug);
  expect(outcome).toBe('violated');
  expect(reasons.map(({ what }) => what)).toContain(id);
});

test('a run that did too little is unknown, not passed', async () => {
  const expectations = { except: EXCEPT, at_least: { writes: 1e6, conflicts: 1e6, faults: 2 } };
  const { outcome, reasons } = await judged('none', { expect: expectations });
  expect(outcome).toBe('unknown');
  expect(reasons.map(({ what }) => what)).toEqual([
    'at_least.writes',
    'at_least.conflicts',
    'at_least.faults',
  ]);
});

test('an objective that is missed is told with the distance', async () => {
  const expectations = { except: EXCEPT, rpo: { exposure_p99: '100ms' } };
  const { outcome, reasons } = await judged('none', { expect: expectations });
  expect(outcome).toBe('objective missed');
  expect(reasons[0]?.text).toMatch(/expected at most 100 ms: missed by \d/);
});

test('clients of a region that is killed go elsewhere, and that is timed', async () => {
  const faults = [{ at: '3s', do: 'kill', target: 'us', restart: '4s' }];
  const { times, outcome } = await judged('none', { faults, workload: WITH_MANY_PROBES });
  const [write] = times;
  expect(write?.regions).toEqual(['us']);
  expect(write?.never).toBe(0);
  // A probe gives up after 300 ms, the next one goes 40 ms away.
  expect(write?.detect?.p50Us).toBeGreaterThanOrEqual(300_000);
  expect(write?.total?.p95Us).toBeLessThan(700_000);
  expect(outcome).toBe('pass');
});

const WITH_MANY_PROBES = [
  { use: 'shop', rate: '20/s', keys: 10 },
  { use: 'probe', hz: 20, clients: 2 },
];

test('a repeated run that differed is its own outcome', async () => {
  const different = { kind: 'different', text: 'first at event 17' } as const;
  const { outcome } = judgeRun(await toyRun(3), different);
  expect(outcome).toBe('nondeterministic');
});
