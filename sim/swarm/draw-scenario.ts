import type { RandomStream } from '#sim/kernel/ports.ts';
import { SeededStreams } from '#sim/kernel/random-streams.ts';
import { decodeScenario } from '#sim/scenario/read-scenario.ts';
import type { Scenario } from '#sim/scenario/scenario.ts';

const NAMES = ['eu', 'us', 'ap', 'sa', 'jp'] as const;
const FAULTS_FROM_MS = 2_000;
const HEAL_MS = 25_000;
const LOAD_AFTER_MS = 3_000;
const FAULTS_MAX = 7;
/** Of a hundred universes this many have no fault: what is wrong there is not the faults' doing. */
const CALM_PERCENT = 10;

type Document = Readonly<Record<string, unknown>>;

interface Draw {
  readonly random: RandomStream;
  readonly regions: readonly string[];
  /** What a power cut may take from a log; a disk that loses more than this has broken its word. */
  readonly syncMs: number;
}

type Family = (draw: Draw) => Document;

/** Faults that no acknowledged write may be lost by. Each family is on or off for a whole universe. */
const FAMILIES: readonly Family[] = [
  ({ random, regions }) => ({
    do: 'kill',
    target: `${random.pick(regions)}.${random.pick(['repl', 'pg', 'log'])}`,
    restart: ms(random, 100, 8_000),
  }),
  ({ random, regions }) => ({
    do: 'pause',
    target: `${random.pick(regions)}.repl`,
    for: ms(random, 50, 8_000),
  }),
  ({ random, regions }) => ({
    do: 'isolate',
    target: random.pick(regions),
    mode: random.pick(['stopped', 'jammed']),
    for: ms(random, 100, 15_000),
  }),
  ({ random, regions }) => ({
    do: 'partition',
    links: [link(random, regions)],
    mode: random.pick(['stopped', 'jammed']),
    for: ms(random, 100, 15_000),
  }),
  ({ random, regions }) => ({
    do: 'flap',
    target: random.pick(regions),
    period: ms(random, 200, 4_000),
    down: between(random, 0.1, 0.9),
    for: ms(random, 1_000, 10_000),
  }),
  ({ random, regions }) => ({
    do: 'slow',
    links: [link(random, regions)],
    add: ms(random, 10, 2_000),
    jitter: ms(random, 0, 200),
    for: ms(random, 500, 15_000),
  }),
  ({ random, regions }) => ({
    do: 'loss',
    links: [link(random, regions)],
    probability: between(random, 0.01, 0.3),
    for: ms(random, 500, 10_000),
  }),
  ({ random, regions }) => ({
    do: 'clock.jump',
    target: random.pick(regions),
    by: `${random.pick(['-', ''])}${ms(random, 1, 288_000)}`,
    for: ms(random, 500, 20_000),
  }),
  ({ random, regions }) => ({
    do: 'clock.drift',
    target: random.pick(regions),
    ppm: random.between(-100_000, 100_000),
    for: ms(random, 500, 20_000),
  }),
  ({ random, regions, syncMs }) =>
    syncMs === 0
      ? { do: 'kill', target: `${random.pick(regions)}.log`, restart: ms(random, 100, 8_000) }
      : {
          do: 'log.lose-tail',
          target: random.pick(regions),
          window: ms(random, syncMs / 10, syncMs),
        },
  ({ random, regions }) => ({
    do: 'log.lose-replies',
    target: random.pick(regions),
    probability: between(random, 0.01, 0.2),
    for: ms(random, 500, 10_000),
  }),
  ({ random, regions }) => ({ do: 'slot.rewind', target: random.pick(regions) }),
  ({ random, regions }) => ({ do: 'pg.power-loss', target: random.pick(regions) }),
  ({ random, regions }) => ({ do: 'pg.cut', target: random.pick(regions) }),
  ({ random, regions }) => ({
    do: 'pg.sync-standby',
    target: random.pick(regions),
    delay: ms(random, 50, 500),
    for: ms(random, 500, 8_000),
  }),
  ({ random, regions }) => ({
    do: 'pg.slow-stream',
    target: random.pick(regions),
    add: ms(random, 1, 1_000),
    for: ms(random, 500, 8_000),
  }),
  ({ random, regions }) => ({
    do: 'pg.slow-io',
    target: random.pick(regions),
    fsync: ms(random, 1, 500),
    for: ms(random, 500, 8_000),
  }),
  ({ random, regions }) => ({
    do: 'double',
    target: random.pick(regions),
    for: ms(random, 500, 10_000),
  }),
];

/** Load beside the shop, each in half of the universes. */
const LOADS: readonly Family[] = [
  ({ random }) => ({ use: 'counter', rate: rate(random, 1, 10), keys: random.between(1, 5) }),
  ({ random }) => ({ use: 'churn', rate: rate(random, 1, 10), keys: random.between(2, 20) }),
  ({ random }) => ({ use: 'pair', rate: rate(random, 1, 5), keys: random.between(2, 6) }),
  ({ random }) => ({ use: 'bulk', rate: '1/s', clients: 1, rows: random.between(10, 120) }),
  ({ random }) => ({ use: 'hold', rate: '1/s', clients: 2, hold: ms(random, 200, 6_000) }),
  () => ({ use: 'probe', hz: 5, clients: 2 }),
];

/** A universe, everything in it drawn from the seed, by streams of its own. */
export function drawScenario(seed: number): Scenario {
  const streams = new SeededStreams(seed);
  const topology = streams.stream('swarm/topology');
  const regions = NAMES.slice(0, topology.pick([2, 3, 3, 3, 4, 5]));
  const syncMs = topology.pick([0, 200, 1_000, 2_000]);
  const load = streams.stream('swarm/load');
  const document = {
    name: `swarm-${seed}`,
    about: 'everything drawn from the seed',
    topology: {
      regions: [...regions],
      latency: topology.pick(['table:near', 'table:geo', 'table:auditor']),
      jitter: ms(topology, 0, 10),
      sync_interval: `${syncMs}ms`,
      replication: limits(streams.stream('swarm/limits')),
    },
    workload: [
      {
        use: 'shop',
        rate: rate(load, 2, 12),
        keys: load.between(3, 40),
        zipf: between(load, 0, 1.5),
      },
      ...LOADS.filter(() => load.chance(0.5)).map((draw) =>
        draw({ random: load, regions, syncMs }),
      ),
    ],
    faults: faults({ random: streams.stream('swarm/faults'), regions, syncMs }),
    heal: { at: `${HEAL_MS}ms` },
    load: { until: `${HEAL_MS + LOAD_AFTER_MS}ms` },
    expect: { properties: 'all', at_least: { writes: 20 } },
  };
  return decodeScenario(document, document.name, () => '');
}

function faults(draw: Draw): readonly Document[] {
  const { random } = draw;
  if (random.chance(CALM_PERCENT / 100)) return [];
  const families = FAMILIES.filter(() => random.chance(0.5));
  if (families.length === 0) return [];
  return Array.from({ length: random.between(1, FAULTS_MAX) }, () => ({
    at: ms(random, FAULTS_FROM_MS, HEAL_MS - 1_000),
    ...random.pick(families)(draw),
  }));
}

/** Limits so small that they are met: in four of five universes. */
function limits(random: RandomStream): Document {
  if (random.chance(0.2)) return {};
  return {
    heartbeatIntervalMs: random.pick([50, 200, 500]),
    maxBatchRows: random.pick([1, 5, 50, 2_000]),
    indexMaxKeys: random.pick([1_000, 100_000]),
    fenceTimeoutMs: random.pick([20, 100, 500]),
    lockTimeoutMs: random.pick([5, 40, 200]),
  };
}

function ms(random: RandomStream, low: number, high: number): string {
  // Spread over the orders of magnitude: short ones meet windows, long ones meet limits.
  const least = Math.max(1, low);
  return `${Math.round(least * (high / least) ** random.uniform())}ms`;
}

function between(random: RandomStream, low: number, high: number): number {
  return Math.round((low + (high - low) * random.uniform()) * 1_000) / 1_000;
}

function rate(random: RandomStream, low: number, high: number): string {
  return `${random.between(low, high)}/s`;
}

function link(random: RandomStream, regions: readonly string[]): string {
  const from = random.pick(regions);
  const to = random.pick(regions.filter((region) => region !== from));
  return `${from}${random.pick(['>', '|'])}${to}`;
}
