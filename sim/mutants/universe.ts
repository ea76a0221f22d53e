import type { RandomStream } from '#sim/kernel/ports.ts';
import { SeededStreams } from '#sim/kernel/random-streams.ts';
import type { Scenario } from '#sim/scenario/scenario.ts';
import { decodeScenario } from '#sim/scenario/read-scenario.ts';

const REGIONS = ['eu', 'us', 'ap'] as const;
const HEAL_MS = 12_000;
const LOAD_MS = 15_000;
const FAULTS_FROM_MS = 2_000;
const FAULTS_MAX = 5;

type Document = Readonly<Record<string, unknown>>;
type Draw = (random: RandomStream) => Document;

/** Faults that the engine is supposed to survive without losing anything. */
const FAULTS: readonly Draw[] = [
  (r) => ({ do: 'kill', target: `${region(r)}.repl`, restart: ms(r, 100, 2_000) }),
  (r) => ({ do: 'kill', target: `${region(r)}.repl`, restart: ms(r, 100, 2_000) }),
  (r) => ({ do: 'kill', target: `${region(r)}.pg`, restart: ms(r, 200, 2_000) }),
  (r) => ({ do: 'kill', target: `${region(r)}.log`, restart: ms(r, 200, 2_000) }),
  (r) => ({ do: 'pause', target: `${region(r)}.repl`, for: ms(r, 50, 4_000) }),
  (r) => ({ do: 'isolate', target: region(r), mode: mode(r), for: ms(r, 200, 8_000) }),
  (r) => ({ do: 'partition', links: [link(r)], mode: mode(r), for: ms(r, 200, 8_000) }),
  (r) => ({ do: 'slow', links: [link(r)], add: ms(r, 10, 1_000), for: ms(r, 500, 8_000) }),
  (r) => ({ do: 'loss', links: [link(r)], probability: r.uniform() / 4, for: ms(r, 500, 8_000) }),
  (r) => ({ do: 'clock.jump', target: region(r), by: `${r.pick(['-', ''])}${ms(r, 10, 60_000)}` }),
  (r) => ({ do: 'log.lose-tail', target: region(r), window: ms(r, 100, 60_000) }),
  (r) => ({ do: 'log.lose-replies', target: region(r), probability: 0.2, for: ms(r, 500, 5_000) }),
  (r) => ({ do: 'log.lose-tail', target: region(r), window: '60s' }),
  (r) => ({ do: 'slot.rewind', target: region(r) }),
  (r) => ({
    do: 'pg.slow-stream',
    target: region(r),
    add: ms(r, 3, 60),
    for: ms(r, 1_000, 10_000),
  }),
  (r) => ({
    do: 'pg.slow-stream',
    target: region(r),
    add: ms(r, 3, 60),
    for: ms(r, 1_000, 10_000),
  }),
  (r) => ({
    do: 'pg.slow-stream',
    target: region(r),
    add: ms(r, 3, 60),
    for: ms(r, 1_000, 10_000),
  }),
  (r) => ({ do: 'pg.slow-io', target: region(r), fsync: ms(r, 1, 60), for: ms(r, 500, 5_000) }),
  (r) => ({
    do: 'pg.sync-standby',
    target: region(r),
    delay: ms(r, 50, 500),
    for: ms(r, 500, 8_000),
  }),
  (r) => ({ do: 'double', target: region(r), for: ms(r, 500, 5_000) }),
];

/** Small and hot, so that everything meets everything: a universe for finding planted bugs. */
export function drawUniverse(seed: number): Scenario {
  const random = new SeededStreams(seed).stream('universe');
  const faults = Array.from({ length: random.between(0, FAULTS_MAX) }, () => ({
    at: ms(random, FAULTS_FROM_MS, HEAL_MS - 1_000),
    ...random.pick(FAULTS)(random),
  }));
  const document = {
    name: `universe-${seed}`,
    about: 'everything drawn from the seed',
    topology: { regions: [...REGIONS], sync_interval: `${random.pick([0, 500, 2_000])}ms` },
    workload: workload(random),
    faults,
    heal: { at: `${HEAL_MS}ms` },
    load: { until: `${LOAD_MS}ms` },
    expect: { properties: 'all' },
  };
  return decodeScenario(document, document.name, () => '');
}

function workload(random: RandomStream): readonly Document[] {
  const always = [
    { use: 'shop', rate: `${random.between(3, 8)}/s`, keys: random.between(4, 20) },
    { use: 'churn', rate: `${random.between(2, 6)}/s`, keys: random.between(2, 12) },
    { use: 'counter', rate: `${random.between(2, 6)}/s`, keys: 3 },
    // Rows with a counter that are deleted and inserted again.
    { use: 'tables', rate: `${random.between(2, 6)}/s`, keys: random.between(2, 8) },
  ];
  const sometimes = [
    { use: 'truncate', rate: '0.2/s' },
    { use: 'hold', rate: '1/s', hold: '600ms', keys: 8 },
    { use: 'pair', rate: '3/s', keys: 4 },
    { use: 'bulk', rate: '0.2/s', rows: 50 },
  ];
  return [...always, ...sometimes.filter(() => random.chance(0.3))];
}

function region(random: RandomStream): string {
  return random.pick(REGIONS);
}

function link(random: RandomStream): string {
  const from = region(random);
  const to = random.pick(REGIONS.filter((name) => name !== from));
  return `${from}${random.pick(['>', '|'])}${to}`;
}

function mode(random: RandomStream): string {
  return random.pick(['stopped', 'jammed']);
}

/** Short ones as often as long ones. */
function ms(random: RandomStream, low: number, high: number): string {
  return `${Math.round(low * (high / low) ** random.uniform())}ms`;
}
