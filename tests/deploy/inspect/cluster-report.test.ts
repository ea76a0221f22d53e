import { expect, test } from 'vitest';
import { statusPage } from '#deploy/cli/status-page.ts';
import { clusterReport } from '#deploy/inspect/cluster-report.ts';
import type { RegionReport } from '#deploy/inspect/region-report.ts';
import type { OriginStatus } from '#replicator/engine/region/status.ts';
import {
  healthyOrigin,
  healthyReport,
  runningStatus,
} from '#tests/deploy/inspect/healthy-report.ts';

const AT = new Date('2026-01-02T03:04:05Z');
const eu = healthyReport('eu', ['us']);
const us = healthyReport('us', ['eu']);
const refused = { code: 'DATABASE_UNREACHABLE', message: 'PostgreSQL cannot be reached.' };

function withOrigin(change: Partial<OriginStatus>): RegionReport {
  const status = runningStatus('us', []);
  const origins = { eu: { ...healthyOrigin('eu'), ...change } };
  return { ...us, replicator: { kind: 'answers', status: { ...status, origins } } };
}

function codes(...regions: readonly RegionReport[]): readonly string[] {
  return clusterReport('test', regions, AT).problems.map(({ code }) => code);
}

test('healthy regions are ok, with one pair per direction', () => {
  const report = clusterReport('test', [eu, us], AT);
  expect(report).toMatchObject({ verdict: 'ok', at: '2026-01-02T03:04:05.000Z', problems: [] });
  expect(report.pairs.map(({ from, to }) => `${from}>${to}`)).toEqual(['us>eu', 'eu>us']);
  expect(statusPage(report)).toContain('All 2 regions running, nothing quarantined.');
});

test('what has not even arrived counts as behind', () => {
  const report = clusterReport('test', [eu, withOrigin({ applied: 4, source: null })], AT);
  const pair = report.pairs.find(({ from, to }) => from === 'eu' && to === 'us');
  expect(pair).toMatchObject({ captured: 10, behindTransactions: 6, source: null });
  expect(report.problems).toEqual([
    {
      region: 'us',
      peer: 'eu',
      code: 'PEER_UNREACHABLE',
      message: 'Nothing arrives from eu, 6 transactions behind.',
      fix: 'check the network and the nats-server of eu; nothing is lost meanwhile',
    },
  ]);
  expect(report.verdict).toBe('attention');
});

test('a relay, a wrong clock and an error are each told with what to do', () => {
  expect(codes(withOrigin({ source: 'ap' }))).toEqual(['RELAYED']);
  expect(codes(withOrigin({ clockOffsetMs: -90_000 }))).toEqual(['CLOCK_OFFSET']);
  expect(codes(withOrigin({ error: { code: 'LOG_GAP', message: 'A gap.' } }))).toEqual(['LOG_GAP']);
});

test('slot and quarantine speak for themselves even when the replicator is down', () => {
  if (us.database.kind !== 'answers' || us.database.slot === null) throw new Error('fixture');
  const { slot } = us.database;
  const down = {
    kind: 'unreachable',
    error: { code: 'PEER_UNREACHABLE', message: 'No.' },
  } as const;
  const region = (change: object): RegionReport => ({
    ...us,
    replicator: down,
    database: { ...us.database, ...change },
  });
  expect(codes(region({ slot: null }))).toEqual(['SLOT_MISSING', 'PEER_UNREACHABLE']);
  expect(codes(region({ slot: { ...slot, walStatus: 'unreserved' } }))[0]).toBe('SLOT_AT_RISK');
  expect(codes(region({ slot: { ...slot, walStatus: 'lost' } }))[0]).toBe('SLOT_LOST');
  expect(codes(region({ quarantined: 2 }))[0]).toBe('ROW_REFUSED');
  expect(codes(region({ prepared: false }))[0]).toBe('DATABASE_NOT_PREPARED');
});

test('only when nothing answers at all is the cluster unreachable', () => {
  const silent: RegionReport = {
    ...us,
    replicator: { kind: 'unreachable', error: refused },
    database: { kind: 'unreachable', error: refused },
  };
  expect(clusterReport('test', [eu, silent], AT).verdict).toBe('attention');
  const report = clusterReport('test', [silent], AT);
  expect(report.verdict).toBe('unreachable');
  expect(statusPage(report)).toMatch(/us +unreachable +unreachable/);
});

test('a replicator that waits or has an error needs attention', () => {
  const status = runningStatus('us', ['eu']);
  const waiting: RegionReport = {
    ...us,
    replicator: { kind: 'answers', status: { ...status, phase: 'waiting' } },
  };
  expect(codes(waiting)).toEqual(['NOT_RUNNING']);
  const failing: RegionReport = {
    ...us,
    replicator: {
      kind: 'answers',
      status: { ...status, error: { code: 'LOG_FULL', message: 'Full.' } },
    },
  };
  expect(codes(failing)).toEqual(['LOG_FULL']);
  expect(statusPage(clusterReport('test', [failing], AT))).toContain('! us: Full. (LOG_FULL)');
});
