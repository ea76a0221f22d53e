import { didYouMean } from '#replicator/config/nearest-name.ts';
import type { RegionId } from '#core/region.ts';
import { FAULT_NAMES, FAULT_WORDS, TRIGGERS } from '#sim/scenario/fault-vocabulary.ts';
import {
  below,
  duration,
  group,
  groupAt,
  number,
  oneOf,
  optional,
  required,
  text,
} from '#sim/scenario/reader.ts';
import type { Reader, ScenarioProblem } from '#sim/scenario/reader.ts';
import type { FaultValue, PlannedFault, Trigger } from '#sim/scenario/scenario.ts';

const PROCESSES = ['repl', 'pg', 'log'] as const;

const readTrigger = group({ event: required(text), count: optional(number(1, 10_000_000), 1) });

/** One fault: when, what, and the keys of its word; names of regions and processes are checked. */
export function faultReader(regions: readonly RegionId[]): Reader<PlannedFault> {
  return (value, path, problems) => {
    const given = groupAt(value, path, problems);
    const name = oneOf(FAULT_NAMES)(given['do'], below(path, 'do'), problems);
    const word = FAULT_WORDS.find((candidate) => candidate.name === given['do']);
    const trigger = readWhen(given, path, regions, problems);
    if (word === undefined) return { trigger, do: name, fields: {}, forMs: null };
    const { at: _at, after: _after, do: _do, for: lasting, ...rest } = given;
    const known = ['at', 'after', 'do', 'for', ...Object.keys(word.fields)];
    const before = problems.length;
    const fields = group(word.fields)(rest, path, problems) as Readonly<Record<string, FaultValue>>;
    for (let at = before; at < problems.length; at += 1)
      problems[at] = withKeys(problems[at], known);
    checkTarget(fields['target'], below(path, 'target'), regions, problems);
    const links = fields['links'];
    if (typeof links === 'object') {
      for (const [at, link] of links.entries())
        checkLink(link, `${below(path, 'links')}[${at}]`, regions, problems);
    }
    const forMs = lasting === undefined ? null : duration(1)(lasting, below(path, 'for'), problems);
    if (word.instant && lasting !== undefined)
      problems.push({
        path: below(path, 'for'),
        message: `has no place here: ${name} happens at once`,
      });
    return { trigger, do: name, fields, forMs };
  };
}

// The keys that every fault has belong to the answer, too.
function withKeys(problem: ScenarioProblem | undefined, known: readonly string[]): ScenarioProblem {
  const { path = '', message = '' } = problem ?? {};
  if (!message.startsWith('is not a known key')) return { path, message };
  const key = path.slice(path.lastIndexOf('.') + 1);
  return {
    path,
    message: `is not a known key; allowed are ${known.join(', ')}.${didYouMean(key, known)}`,
  };
}

function readWhen(
  given: Readonly<Record<string, unknown>>,
  path: string,
  regions: readonly RegionId[],
  problems: ScenarioProblem[],
): Trigger {
  if (given['at'] !== undefined && given['after'] === undefined)
    return { kind: 'at', ms: duration()(given['at'], below(path, 'at'), problems) };
  if (given['after'] === undefined || given['at'] !== undefined) {
    problems.push({ path, message: 'needs either at (a time) or after ({event, count})' });
    return { kind: 'at', ms: 0 };
  }
  const where = below(path, 'after');
  const { event, count } = readTrigger(given['after'], where, problems);
  const names = regions.flatMap((region) =>
    Object.keys(TRIGGERS).map((name) => `${region}.${name}`),
  );
  if (!names.includes(event ?? '')) {
    const message = `is "${event}"; allowed are a region and one of ${Object.keys(TRIGGERS).join(', ')}, such as ${names[0] ?? ''}.${didYouMean(event ?? '', names)}`;
    problems.push({ path: below(where, 'event'), message });
  }
  return { kind: 'after', event: event ?? '', count };
}

function checkTarget(
  target: unknown,
  path: string,
  regions: readonly RegionId[],
  problems: ScenarioProblem[],
): void {
  if (typeof target !== 'string' || target === '') return;
  const allowed = regions.flatMap((region) => [
    region,
    ...PROCESSES.map((process) => `${region}.${process}`),
  ]);
  if (allowed.includes(target)) return;
  const message = `is "${target}"; allowed are a region (${regions.join(', ')}) or one of its processes (${PROCESSES.join(', ')}), such as ${regions[0] ?? 'eu'}.pg.${didYouMean(target, allowed)}`;
  problems.push({ path, message });
}

function checkLink(
  link: string,
  path: string,
  regions: readonly RegionId[],
  problems: ScenarioProblem[],
): void {
  const [from = '', to = ''] = link.split(/[>|]/);
  const known: readonly string[] = [...regions, '*'];
  if (/^[^>|]+[>|][^>|]+$/.test(link) && known.includes(from) && known.includes(to)) return;
  const unknown = [from, to].find((name) => !known.includes(name)) ?? '';
  const message = `is "${link}"; expected eu>us (one way), eu|us (both) or eu|* with regions ${regions.join(', ')}.${didYouMean(unknown, regions)}`;
  problems.push({ path, message });
}
