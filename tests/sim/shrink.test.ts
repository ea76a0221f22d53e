import { expect, test } from 'vitest';
import { SeededStreams } from '#sim/kernel/random-streams.ts';
import { planRun } from '#sim/run/plan.ts';
import { playPlan } from '#sim/run/play.ts';
import { minimised } from '#sim/shrink/minimised.ts';
import { shrinkPlan } from '#sim/shrink/shrink-plan.ts';
import { storyOf } from '#sim/report/story.ts';
import { toyScenario } from '#tests/sim/toy-run.ts';
import { ToyWorld } from '#tests/sim/toy-world.ts';

test('delta debugging leaves exactly what is needed', async () => {
  let asked = 0;
  const needs = (kept: readonly number[]): Promise<boolean> => {
    asked += 1;
    return Promise.resolve(kept.includes(3) && kept.includes(17));
  };
  const items = Array.from({ length: 40 }, (_, at) => at);
  expect(await minimised(items, needs)).toEqual([3, 17]);
  expect(asked).toBeLessThan(120);
  expect(await minimised(items, () => Promise.resolve(true))).toEqual([]);
});

test('a failing run is cut down to a few operations that fail the same way, with a story', async () => {
  const faults = [
    { at: '1s', do: 'isolate', target: 'us', for: '1s' },
    { at: '2s', do: 'kill', target: 'ap', restart: '500ms' },
  ];
  const scenario = toyScenario({ faults, heal: { at: '3s' }, load: { until: '3s' } });
  const plan = planRun(scenario, 5, new SeededStreams(5));
  const play = (candidate: typeof plan) =>
    playPlan(candidate, false, (options) => new ToyWorld(options, 'loses a write'));
  const first = await play(plan);
  const reason = first.reasons.find(({ what }) => what === 'A7');
  const { smallest } = await shrinkPlan({
    plan,
    signature: reason?.signature ?? '',
    play: async (candidate) => (await play(candidate)).reasons.map(({ signature }) => signature),
    goOn: () => true,
    told: () => undefined,
  });
  expect(smallest.faults).toEqual([]);
  // The toy loses the third write of a region that another region knows nothing of yet.
  expect(smallest.operations.length).toBeLessThanOrEqual(6);
  const written = JSON.parse(JSON.stringify(smallest)) as typeof plan;
  const again = await play(written);
  const witness = again.properties.find(({ id }) => id === 'A7')?.verdict.witnesses[0];
  const story = witness === undefined ? [] : storyOf(again.run.truth, witness);
  expect(story.map(({ text }) => text).join('\n')).toMatch(/commits .*\n.*stores/);
  expect(story.length).toBeLessThanOrEqual(30);
});
