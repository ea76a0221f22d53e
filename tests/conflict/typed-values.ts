import type { PgText } from '#core/relation.ts';
import { formatArray } from '#conflict/array-text.ts';
import { formatJson, parseJson } from '#conflict/json-tree.ts';
import type { NextValue } from '#tests/conflict/typed-regions.ts';

/** Every column type, in the forms that are tested. */
export const TYPES = [
  'lww',
  'counter',
  'max',
  'min',
  'flag',
  'flag(disable-wins)',
  'rank(new<paid<sent<done)',
  'set',
  'map',
  'text',
  'list',
  'json',
];

/** What an application could write into a column of this type, that holds `value`. */
export function nextValues(type: string): NextValue {
  switch (type.split('(')[0]) {
    case 'flag':
      return (_, seed) => (seed % 2 === 0 ? 't' : 'f');
    case 'rank':
      return (_, seed) => ['new', 'paid', 'sent', 'done'][seed % 4] ?? null;
    case 'set':
      return nextSet;
    case 'text':
      return (value, seed) =>
        spliced(Array.from(value ?? ''), seed, (n) => LETTERS[n % 9] ?? '').join('');
    case 'list':
      return (value, seed) => formatJson(parseJson(JSON.stringify(nextList(value, seed))));
    case 'map':
    case 'json':
      return (value, seed) => nextDocument(value, seed);
    default:
      return (_, seed) => String(seed % 20);
  }
}

const LETTERS = ['a', 'b', 'c ', '😀', 'd', ' ', 'word ', 'é', 'xy'];
const ELEMENTS = ['a', 'B', '10', '9', '', 'x y', '"', 'NULL', 'a,b', '\\', null];

function nextSet(value: PgText, seed: number): PgText {
  const now = value === null ? [] : value.length;
  const count = (seed >> 4) % 4;
  const some = Array.from({ length: count }, (_, at) => ELEMENTS[(seed >> at) % 11] ?? null);
  // Written in any order and with doubles, as an application may.
  return formatArray(now === 0 || seed % 3 === 0 ? some : [...some, ELEMENTS[seed % 11] ?? null]);
}

/** Up to two changes of a sequence, drawn from one number. */
function spliced<T>(units: readonly T[], seed: number, make: (n: number) => T): T[] {
  const next = [...units];
  for (const part of [seed % 1000, Math.floor(seed / 1000)]) {
    const at = part % (next.length + 1);
    next.splice(at, (part >> 3) % 3, ...(part % 4 === 0 ? [] : [make(part), make(part >> 2)]));
  }
  return next;
}

function nextList(value: PgText, seed: number): unknown[] {
  const now = value === null ? [] : (JSON.parse(value) as unknown[]);
  return spliced(Array.isArray(now) ? now : [], seed, (n) => (n % 5 === 0 ? { n: n % 3 } : n % 7));
}

function nextDocument(value: PgText, seed: number): string {
  if (seed % 29 === 0) return '7';
  const now: unknown = value === null ? {} : JSON.parse(value);
  const isObject = typeof now === 'object' && now !== null && !Array.isArray(now);
  const root = (isObject ? now : {}) as Record<string, unknown>;
  const key = ['a', 'b', 'cc'][seed % 3] ?? 'a';
  const inner = root[key];
  const at = Math.floor(seed / 3) % 6;
  if (at === 0) delete root[key];
  else if (at === 1) root[key] = seed % 5;
  else if (at === 2) root[key] = spliced(Array.isArray(inner) ? inner : [], seed, (n) => n % 7);
  else {
    const nested = typeof inner === 'object' && inner !== null && !Array.isArray(inner);
    const object = (nested ? inner : {}) as Record<string, unknown>;
    const deep = ['x', 'y'][seed % 2] ?? 'x';
    if (at === 3) delete object[deep];
    else object[deep] = at === 4 ? seed % 4 : spliced([1, 2], seed, (n) => n % 3);
    root[key] = object;
  }
  return formatJson(parseJson(JSON.stringify(root)));
}
