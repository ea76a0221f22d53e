import { expect, test } from 'vitest';
import { CATALOGUE } from '#sim/catalogue/catalogue.ts';
import { main } from '#sim/cli/main.ts';
import { FAULT_WORDS } from '#sim/scenario/fault-vocabulary.ts';
import { decodeScenario } from '#sim/scenario/read-scenario.ts';
import { drawScenario } from '#sim/swarm/draw-scenario.ts';
import { SeededStreams } from '#sim/kernel/random-streams.ts';
import { planRun } from '#sim/run/plan.ts';

function read(name: string) {
  const document = CATALOGUE.find((candidate) => candidate.name === name);
  return decodeScenario(document, name, () => '');
}

test('every named scenario can be read, says what it shows, and asks for work', () => {
  expect(CATALOGUE.length).toBeGreaterThanOrEqual(25);
  expect(new Set(CATALOGUE.map(({ name }) => name)).size).toBe(CATALOGUE.length);
  for (const { name, about } of CATALOGUE) {
    const scenario = read(name);
    expect(about, name).toMatch(/^[A-Z].{20,}\.$/s);
    expect(scenario.expect.atLeast.writes, name).toBeGreaterThanOrEqual(200);
    const { faults } = scenario.expect.atLeast;
    expect(faults, name).toBe(scenario.faults.length);
  }
});

test('every fault has a scenario or is drawn by the swarm', () => {
  const named = CATALOGUE.flatMap(({ name }) => read(name).faults.map((fault) => fault.do));
  const drawn = Array.from({ length: 200 }, (_, seed) =>
    drawScenario(seed).faults.map((f) => f.do),
  );
  const used = new Set([...named, ...drawn.flat()]);
  const unused = FAULT_WORDS.map(({ name }) => name).filter((name) => !used.has(name));
  expect(unused).toEqual([]);
});

test('the same seed draws the same universe and the same operations, another one others', () => {
  const plan = (seed: number): string =>
    JSON.stringify(planRun(drawScenario(seed), seed, new SeededStreams(seed)));
  expect(plan(3)).toBe(plan(3));
  expect(plan(3)).not.toBe(plan(4));
});

test("another client does not change anybody else's operations", () => {
  const scenario = read('calm');
  const [shop, ...others] = scenario.workload;
  if (shop === undefined) throw new Error('no load');
  const operationsOf = (clients: number) => {
    const workload = [{ ...shop, clients, ratePerSecond: clients }, ...others];
    const { operations } = planRun({ ...scenario, workload }, 1, new SeededStreams(1));
    return operations.filter(({ client }) => client === 'shop0-us-0').map(({ atUs }) => atUs);
  };
  expect(operationsOf(3)).toEqual(operationsOf(5));
});

async function run(...args: readonly string[]) {
  let out = '';
  const code = await main(args, {
    out: (text) => void (out += text),
    err: (text) => void (out += text),
    env: {},
    signal: new AbortController().signal,
  });
  return { code, out };
}

test('a wrong command line is answered with what there is', async () => {
  expect(await run('rnu')).toMatchObject({ code: 4 });
  expect((await run('rnu')).out).toContain('Did you mean "run"?');
  expect((await run('run', 'calmm')).out).toContain('Did you mean "calm"?');
  expect((await run('run', 'calm', '--set', 'heal.att=3s')).out).toContain(
    'heal.att is not a known key; allowed are at. Did you mean "at"?',
  );
  expect((await run('run', 'calm', '--seed', 'x')).out).toContain('--seed is a whole number');
  expect((await run('replay', 'nothing.json')).out).toContain('cannot be read (ENOENT)');
  expect((await run('list', 'faults')).out).toContain('log.lose-tail');
  expect(await run('list', 'scenarios')).toMatchObject({ code: 0 });
});
