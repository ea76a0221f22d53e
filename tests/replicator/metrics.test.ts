import { expect, test } from 'vitest';
import { BLANK_STATUS } from '#replicator/engine/region/status.ts';
import type { OriginStatus } from '#replicator/engine/region/status.ts';
import { metricsText } from '#replicator/metrics.ts';

const US: OriginStatus = {
  source: 'us',
  error: null,
  copied: 9,
  received: 9,
  applied: 8,
  inboxItems: 1,
  inboxBytes: 300,
  lagMs: 12.5,
  lagTransactions: 1,
  lagBytes: 300,
  silentMs: null,
  clockOffsetMs: 0,
};

test('every sample has its region, its help and its type; what is unknown has none', () => {
  const status = { ...BLANK_STATUS, region: 'eu', phase: 'running' as const, spilledKeys: 7 };
  const lines = metricsText({ ...status, origins: { us: US } }).split('\n');
  expect(lines).toContain('everywrite_running{region="eu"} 1');
  expect(lines).toContain('everywrite_spilled_keys{region="eu"} 7');
  expect(lines).toContain('# TYPE everywrite_conflicts_total counter');
  expect(lines).toContain('everywrite_lag_milliseconds{region="eu",origin="us"} 12.5');
  expect(lines.filter((line) => line.startsWith('everywrite_silent'))).toEqual([]);
  const samples = lines.filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of samples) expect(line).toMatch(/^everywrite_[a-z_]+\{[^}]*\} \S+$/);
  const named = new Set(samples.map((line) => line.slice(0, line.indexOf('{'))));
  for (const name of named)
    expect(lines.filter((l) => l.startsWith(`# HELP ${name} `))).toHaveLength(1);
});
