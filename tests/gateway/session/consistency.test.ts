import { expect, test } from 'vitest';
import { DEFAULT_CONSISTENCY, parseConsistency } from '#gateway/session/consistency.ts';

test.each([
  [undefined, DEFAULT_CONSISTENCY],
  ['', DEFAULT_CONSISTENCY],
  ['eventual', { kind: 'eventual' }],
  ['Causal', { kind: 'causal', timeoutMs: 1000, stale: 'refuse' }],
  ['causal; timeout=250; stale=allow', { kind: 'causal', timeoutMs: 250, stale: 'allow' }],
  ['bounded; max-staleness=500', { kind: 'bounded', maxStalenessMs: 500, timeoutMs: 1000 }],
])('%s', (text, consistency) => {
  expect(parseConsistency(text)).toEqual({ kind: 'parsed', consistency });
});

test.each([
  ['strong', '"strong" is no consistency'],
  ['bounded', 'max-staleness is 0 to'],
  ['bounded; max-staleness=-1', 'max-staleness is 0 to'],
  ['causal; timeout=99999', 'timeout is 0 to 10000'],
  ['causal; timeout', 'is no parameter'],
  ['causal; timeout=1; timeout=2', 'is no parameter'],
  ['causal; stale=maybe', 'stale is'],
  ['eventual; timeout=5', '"eventual" has no parameter "timeout"'],
  ['constructor', '"constructor" is no consistency'],
])('%s is refused with what is allowed', (text, why) => {
  const parsed = parseConsistency(text);
  expect(parsed).toMatchObject({ kind: 'refused' });
  expect(parsed.kind === 'refused' ? parsed.why : '').toContain(why);
});
