import { EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { readDocument } from '#replicator/config/document.ts';
import { REPLICATION_BOUNDS } from '#replicator/config/schema.ts';
import { PROPERTIES } from '#sim/check/properties.ts';
import { LATENCY_TABLES, latencyTable } from '#sim/scenario/latency-tables.ts';
import { faultReader } from '#sim/scenario/read-faults.ts';
import { readSchema } from '#sim/scenario/read-schema.ts';
import type { ReadFile } from '#sim/scenario/read-schema.ts';
import {
  below,
  duration,
  group,
  groupAt,
  list,
  mapping,
  number,
  oneOf,
  optional,
  rate,
  required,
  text,
  wrong,
} from '#sim/scenario/reader.ts';
import type { Reader, ScenarioProblem } from '#sim/scenario/reader.ts';
import { parseDurationMs } from '#sim/scenario/quantity.ts';
import { WORKLOADS } from '#sim/scenario/scenario.ts';
import type { Expectations, Scenario, WorkloadItem, WorkloadName } from '#sim/scenario/scenario.ts';
import type { LinkLatency } from '#sim/run/world.ts';

const REGION = /^[a-z][a-z0-9-]{0,30}$/;
const REGIONS_MAX = 9;
const WORKLOAD_NAMES = Object.keys(WORKLOADS) as readonly WorkloadName[];
const PROPERTY_IDS = PROPERTIES.map(({ id }) => id);

export const HEAL_DEFAULT_MS = 40_000;
const LOAD_AFTER_HEAL_MS = 5_000;
const CONVERGE_DEFAULT_MS = 30_000;

const asIs: Reader<unknown> = (value) => value;

const topologyShape = group({
  regions: required(list(text)),
  latency: optional(asIs, 'table:geo'),
  jitter: optional(duration(), 2),
  sync_interval: optional(duration(), 2_000),
  replication: optional(mapping(number(0, 1e12), Object.keys(REPLICATION_BOUNDS)), {}),
});

const documentShape = group({
  name: required(text),
  about: optional(text, ''),
  topology: required(asIs),
  schema: optional(text, 'shop'),
  config: optional(text, ''),
  workload: required(asIs),
  faults: optional(asIs, []),
  heal: optional(group({ at: required(duration(1)) }), { at: HEAL_DEFAULT_MS }),
  load: optional(group({ until: required(duration(1)) }), { until: 0 }),
  expect: optional(asIs, {}),
});

/** The scenario in `source` (YAML or JSON). Every problem in it is told at once. */
export function parseScenario(source: string, name: string, readFile: ReadFile): Scenario {
  const document = readDocument(source);
  if (document.kind === 'wrong') throw scenarioInvalid(name, document.problems);
  return decodeScenario(document.value, name, readFile);
}

export function decodeScenario(value: unknown, name: string, readFile: ReadFile): Scenario {
  const problems: ScenarioProblem[] = [];
  const document = documentShape(value, '', problems);
  const topology = topologyShape(document.topology ?? {}, 'topology', problems);
  const regions = regionNames(topology.regions ?? [], problems);
  const workload = list(workloadReader(regions))(document.workload ?? [], 'workload', problems);
  const uses = new Set(workload.map(({ use }) => use));
  const healMs = document.heal.at;
  const scenario: Scenario = {
    name: document.name ?? name,
    about: document.about,
    regions,
    latency: readLatency(topology.latency, regions, topology.jitter, problems),
    logSyncIntervalMs: topology.sync_interval,
    replication: topology.replication,
    tables: readSchema(document.schema, document.config, uses, readFile, problems),
    workload,
    faults: list(faultReader(regions))(document.faults, 'faults', problems),
    healMs,
    loadMs: document.load.until === 0 ? healMs + LOAD_AFTER_HEAL_MS : document.load.until,
    expect: readExpectations(document.expect, problems),
  };
  if (problems.length > 0) throw scenarioInvalid(name, problems);
  return scenario;
}

export function scenarioInvalid(
  name: string,
  problems: readonly ScenarioProblem[],
): EverywriteError {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  const lines = problems.map(({ path, message }) => `  ${path} ${message}`);
  return new EverywriteError({
    code: 'CONFIG_INVALID',
    recovery: 'operator',
    message: `Scenario ${name} has ${count}; correct and try again:\n${lines.join('\n')}`,
  });
}

function regionNames(given: readonly string[], problems: ScenarioProblem[]): readonly RegionId[] {
  for (const [at, name] of given.entries()) {
    const path = `topology.regions[${at}]`;
    if (!REGION.test(name))
      problems.push({ path, message: `is "${name}"; use 1 to 31 of a-z, 0-9 and "-"` });
    if (given.indexOf(name) !== at)
      problems.push({ path, message: `is "${name}", which is there already` });
  }
  if (given.length < 2 || given.length > REGIONS_MAX) {
    const message = `has ${given.length} regions; expected 2 to ${REGIONS_MAX}`;
    problems.push({ path: 'topology.regions', message });
  }
  return given as readonly RegionId[];
}

function readLatency(
  value: unknown,
  regions: readonly RegionId[],
  jitterMs: number,
  problems: ScenarioProblem[],
): readonly LinkLatency[] {
  const path = 'topology.latency';
  const tables = LATENCY_TABLES.map((name) => `table:${name}`);
  if (typeof value === 'string') {
    const same = parseDurationMs(value);
    if (same !== null) return everyLink(regions, jitterMs, () => same);
    const table = LATENCY_TABLES.find((name) => value === `table:${name}`);
    if (table !== undefined) return latencyTable(table, regions, jitterMs);
    const message = `is "${value}"; expected ${tables.join(', ')}, a duration such as 40ms, or a group of links.${didYouMean(value, tables)}`;
    problems.push({ path, message });
    return [];
  }
  const given = mapping(duration())(value, path, problems);
  const otherwise = given['default'] ?? 40;
  for (const key of Object.keys(given)) {
    const [from = '', to = ''] = key.split(/[>|]/);
    const names: readonly string[] = regions;
    if (key === 'default' || (names.includes(from) && names.includes(to))) continue;
    const wanted = names.includes(from) ? to : from;
    const message = `is no link; write eu>us (one way) or eu|us (both), or default.${didYouMean(wanted, names)}`;
    problems.push({ path: below(path, key), message });
  }
  return everyLink(regions, jitterMs, (from, to) => {
    return given[`${from}>${to}`] ?? given[`${from}|${to}`] ?? given[`${to}|${from}`] ?? otherwise;
  });
}

function everyLink(
  regions: readonly RegionId[],
  jitterMs: number,
  ms: (from: RegionId, to: RegionId) => number,
): readonly LinkLatency[] {
  return regions.flatMap((from) =>
    regions.filter((to) => to !== from).map((to) => ({ from, to, ms: ms(from, to), jitterMs })),
  );
}

const workloadShape = group({
  use: required(oneOf(WORKLOAD_NAMES)),
  rate: optional(rate, 0),
  hz: optional(number(0.1, 1_000), 0),
  clients: optional(number(1, 1_000), 4),
  regions: optional(list(text), []),
  keys: optional(number(1, 1_000_000), 0),
  rows: optional(number(1, 100_000), 200),
  hold: optional(duration(), 2_000),
  zipf: optional(number(0, 3), 0.8),
});

const KEYS_DEFAULT: Readonly<Partial<Record<WorkloadName, number>>> = {
  counter: 3,
  churn: 12,
  unique: 20,
  family: 10,
  pair: 4,
  shop: 40,
};

function workloadReader(regions: readonly RegionId[]): Reader<WorkloadItem> {
  return (value, path, problems) => {
    const given = workloadShape(value, path, problems);
    for (const [at, name] of (given.regions ?? []).entries()) {
      if (regions.some((region) => region === name)) continue;
      const message = `is "${name}"; allowed are ${regions.join(', ')}.${didYouMean(name, regions)}`;
      problems.push({ path: `${path}.regions[${at}]`, message });
    }
    const chosen = given.regions.length === 0 ? regions : (given.regions as readonly RegionId[]);
    const usual = given.use === 'probe' ? 10 : 5;
    return {
      use: given.use,
      ratePerSecond: given.rate > 0 ? given.rate : given.hz > 0 ? given.hz : usual,
      clients: given.clients,
      regions: chosen,
      keys: given.keys > 0 ? given.keys : (KEYS_DEFAULT[given.use] ?? 40),
      rows: given.rows,
      holdMs: given.use === 'hold' ? given.hold : 0,
      zipf: given.zipf,
    };
  };
}

const rtoShape = group({ p95: required(duration()) });
const expectShape = group({
  properties: optional(asIs, 'all'),
  except: optional(mapping(text, PROPERTY_IDS), {}),
  rpo: optional(
    group({
      lost: optional(number(0, 1e9), 0),
      stranded_max_age: optional(duration(), -1),
      exposure_p99: optional(duration(), -1),
    }),
    { lost: 0, stranded_max_age: -1, exposure_p99: -1 },
  ),
  rto: optional(
    group({ write: optional(rtoShape, { p95: -1 }), read: optional(rtoShape, { p95: -1 }) }),
    { write: { p95: -1 }, read: { p95: -1 } },
  ),
  converge: optional(group({ within: required(duration(1)) }), { within: CONVERGE_DEFAULT_MS }),
  at_least: optional(
    group({
      writes: optional(number(0, 1e9), 50),
      conflicts: optional(number(0, 1e9), 0),
      faults: optional(number(0, 1e6), 0),
    }),
    { writes: 50, conflicts: 0, faults: 0 },
  ),
});

function readExpectations(value: unknown, problems: ScenarioProblem[]): Expectations {
  const given = expectShape(groupAt(value, 'expect', problems), 'expect', problems);
  const limit = (ms: number): number | null => (ms < 0 ? null : ms);
  return {
    properties: readProperties(given.properties, problems),
    except: given.except,
    rpo: {
      lost: given.rpo.lost,
      strandedMaxAgeMs: limit(given.rpo.stranded_max_age),
      exposureP99Ms: limit(given.rpo.exposure_p99),
    },
    rto: { writeP95Ms: limit(given.rto.write.p95), readP95Ms: limit(given.rto.read.p95) },
    convergeWithinMs: given.converge.within,
    atLeast: given.at_least,
  };
}

function readProperties(value: unknown, problems: ScenarioProblem[]): readonly string[] {
  if (value === 'all') return PROPERTY_IDS;
  if (!Array.isArray(value)) {
    wrong(problems, 'expect.properties', value, 'all, or a list such as [A1, A3]');
    return PROPERTY_IDS;
  }
  return value.map((id, at) => oneOf(PROPERTY_IDS)(id, `expect.properties[${at}]`, problems));
}
