import { BLANK_STATUS } from '#replicator/engine/region/status.ts';
import type { RegionReport } from '#deploy/inspect/region-report.ts';
import type { OriginStatus, RegionStatus } from '#replicator/engine/region/status.ts';

/** A region that has nothing to complain about. */
export function healthyReport(region: string, peers: readonly string[]): RegionReport {
  return {
    region,
    server: `127.0.0.1:5432/${region}`,
    admin: '127.0.0.1:7101',
    replicator: { kind: 'answers', status: runningStatus(region, peers) },
    database: {
      kind: 'answers',
      prepared: true,
      appliedVector: `${region}.1:10`,
      slot: {
        name: 'everywrite_test',
        walStatus: 'reserved',
        active: true,
        retainedBytes: 4 * 1024 * 1024,
        safeWalBytes: null,
        unconfirmedBytes: 200,
      },
      conflicts: 3,
      quarantined: 0,
      quarantine: [],
    },
  };
}

export function runningStatus(region: string, peers: readonly string[]): RegionStatus {
  return {
    region,
    replica: `${region}.1`,
    phase: 'running',
    error: null,
    applied: { [`${region}.1`]: 10 },
    stable: {},
    captured: 10,
    unpublishedBytes: 0,
    indexKeys: 1234,
    spilledKeys: 0,
    dirtyKeys: 0,
    quarantined: 0,
    counters: BLANK_STATUS.counters,
    origins: Object.fromEntries(peers.map((peer) => [peer, healthyOrigin(peer)])),
  };
}

export function healthyOrigin(source: string): OriginStatus {
  return {
    source,
    error: null,
    copied: 10,
    received: 10,
    applied: 10,
    inboxItems: 0,
    inboxBytes: 0,
    lagMs: 0,
    lagTransactions: 0,
    lagBytes: 0,
    silentMs: 120,
    clockOffsetMs: 2,
  };
}
