import { didYouMean } from '#replicator/config/nearest-name.ts';
import { parseDurationMs, parseRate } from '#sim/scenario/quantity.ts';

/** One thing that is wrong in a scenario, and where: `faults[2].target`. */
export interface ScenarioProblem {
  readonly path: string;
  readonly message: string;
}

/** Reads a value found at `path`, or says in `problems` what is wrong with it and returns a stand-in. */
export type Reader<Value> = (value: unknown, path: string, problems: ScenarioProblem[]) => Value;

/** A key of a group: how it is read, and what stands for it when it is not there. */
export interface Field<Value> {
  readonly read: Reader<Value>;
  /** Null: must be there. */
  readonly absent: { readonly value: Value } | null;
}

export function required<Value>(read: Reader<Value>): Field<Value> {
  return { read, absent: null };
}

export function optional<Value>(read: Reader<Value>, value: Value): Field<Value> {
  return { read, absent: { value } };
}

type Fields = Readonly<Record<string, Field<unknown>>>;
export type GroupOf<Shape extends Fields> = {
  readonly [name in keyof Shape]: Shape[name] extends Field<infer Value> ? Value : never;
};

/** A group of named keys; any other key is an answer with the nearest one. */
export function group<const Shape extends Fields>(shape: Shape): Reader<GroupOf<Shape>> {
  const names = Object.keys(shape);
  return (value, path, problems) => {
    const given = groupAt(value, path, problems);
    for (const key of Object.keys(given)) {
      if (names.includes(key)) continue;
      const allowed = names.join(', ');
      const message = `is not a known key; allowed are ${allowed}.${didYouMean(key, names)}`;
      problems.push({ path: below(path, key), message });
    }
    const entries = Object.entries(shape).map(([name, field]) => {
      const inner = below(path, name);
      if (given[name] !== undefined && given[name] !== null)
        return [name, field.read(given[name], inner, problems)];
      if (field.absent === null) problems.push({ path: inner, message: 'is missing' });
      return [name, field.absent === null ? undefined : field.absent.value];
    });
    return Object.fromEntries(entries) as GroupOf<Shape>;
  };
}

export function groupAt(
  value: unknown,
  path: string,
  problems: ScenarioProblem[],
): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  wrong(problems, path, value, 'a group of keys');
  return {};
}

export function list<Item>(read: Reader<Item>): Reader<readonly Item[]> {
  return (value, path, problems) => {
    if (Array.isArray(value))
      return value.map((item, at) => read(item, `${path}[${at}]`, problems));
    wrong(problems, path, value, 'a list');
    return [];
  };
}

/** Any keys, each read alike. */
export function mapping<Item>(
  read: Reader<Item>,
  allowed: readonly string[] | null = null,
): Reader<Readonly<Record<string, Item>>> {
  return (value, path, problems) => {
    const given = groupAt(value, path, problems);
    return Object.fromEntries(
      Object.entries(given).map(([key, item]) => {
        if (allowed !== null && !allowed.includes(key)) {
          const message = `is not a known key; allowed are ${allowed.join(', ')}.${didYouMean(key, allowed)}`;
          problems.push({ path: below(path, key), message });
        }
        return [key, read(item, below(path, key), problems)];
      }),
    );
  };
}

export const text: Reader<string> = (value, path, problems) => {
  if (typeof value === 'string') return value;
  wrong(problems, path, value, 'a text');
  return '';
};

export function oneOf<const Name extends string>(names: readonly Name[]): Reader<Name> {
  return (value, path, problems) => {
    const found = names.find((name) => name === value);
    if (found !== undefined) return found;
    const hint = typeof value === 'string' ? didYouMean(value, names) : '';
    const message = `is ${shown(value)}; allowed are ${names.join(', ')}.${hint}`;
    problems.push({ path, message });
    return names[0] as Name;
  };
}

export function number(minimum: number, maximum: number): Reader<number> {
  return (value, path, problems) => {
    if (typeof value === 'number' && value >= minimum && value <= maximum) return value;
    wrong(problems, path, value, `a number from ${minimum} to ${maximum}`);
    return minimum;
  };
}

export const flag: Reader<boolean> = (value, path, problems) => {
  if (typeof value === 'boolean') return value;
  wrong(problems, path, value, 'true or false');
  return false;
};

/** Milliseconds. */
export function duration(minimumMs = 0): Reader<number> {
  return (value, path, problems) => {
    const ms = typeof value === 'string' ? parseDurationMs(value) : value === 0 ? 0 : null;
    if (ms !== null && ms >= minimumMs) return ms;
    const least = minimumMs > 0 ? `, at least ${minimumMs}ms` : '';
    wrong(problems, path, value, `a duration with its unit, such as 800ms, 3s or 2m${least}`);
    return minimumMs;
  };
}

/** Events a second. */
export const rate: Reader<number> = (value, path, problems) => {
  const found = typeof value === 'string' ? parseRate(value) : null;
  if (found !== null && found <= 10_000) return found;
  wrong(problems, path, value, 'a rate such as 60/s');
  return 1;
};

export function wrong(
  problems: ScenarioProblem[],
  path: string,
  value: unknown,
  expected: string,
): void {
  problems.push({
    path: path || 'the scenario',
    message: `is ${shown(value)}; expected ${expected}`,
  });
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a group of keys' : JSON.stringify(value);
}

export function below(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
