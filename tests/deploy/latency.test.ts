import { expect, test } from 'vitest';
import { parseDelay, parseLatency } from '#deploy/local/latency.ts';

test('a delay is a number of milliseconds, or says its unit', () => {
  expect(['80', '80ms', '1.5s', '0'].map(parseDelay)).toEqual([80, 80, 1_500, 0]);
  for (const wrong of ['', 'fast', '-1', '80 m', '61s', '1e3']) {
    expect(() => parseDelay(wrong)).toThrow('is no delay');
  }
});

test('one latency counts for all links, pairs count in both directions', () => {
  const regions = ['eu', 'us-east', 'us'];
  expect(parseLatency('20', ['eu', 'us'])).toEqual({ 'eu us': 20, 'us eu': 20 });
  expect(parseLatency('eu-us-east=80, us-eu=1s', regions)).toEqual({
    'eu us-east': 80,
    'us-east eu': 80,
    'us eu': 1_000,
    'eu us': 1_000,
  });
  expect(() => parseLatency('eu-uss=80', regions)).toThrow('Did you mean "eu-us"?');
});
