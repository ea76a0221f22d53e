import type { FrameHeader } from '#replicator/engine/log/frame.ts';

/** What one replicator says of itself; `everywrite status` and the metrics page show it. */
export interface RegionStatus {
  readonly region: string;
  readonly replica: string;
  readonly phase: 'starting' | 'waiting' | 'rebuilding' | 'running' | 'stopped';
  /** Stable code and sentence of what is wrong now, or null. */
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly applied: Readonly<Record<string, number>>;
  readonly stable: Readonly<Record<string, number>>;
  readonly captured: number;
  readonly unpublishedBytes: number;
  readonly indexKeys: number;
  /** Rows whose unstable state is in the spill table. */
  readonly spilledKeys: number;
  readonly dirtyKeys: number;
  readonly quarantined: number;
  readonly counters: {
    readonly transactions: number;
    readonly rows: number;
    readonly slowRows: number;
    readonly conflicts: number;
    readonly lockTimeouts: number;
    readonly batches: number;
    readonly fences: number;
  };
  readonly origins: Readonly<Record<string, OriginStatus>>;
}

export interface OriginStatus {
  /** Where its frames come from now. */
  readonly source: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly copied: number;
  readonly received: number;
  readonly applied: number;
  readonly inboxItems: number;
  readonly inboxBytes: number;
  /** Age of the newest applied commit while something newer waits, else 0; milliseconds. */
  readonly lagMs: number;
  readonly lagTransactions: number;
  readonly lagBytes: number;
  /** Since the newest frame or heartbeat was read; null before the first. Lag cannot show what never arrived. */
  readonly silentMs: number | null;
  readonly clockOffsetMs: number | null;
}

export function describeError(
  error: { readonly code: string; readonly message: string } | null,
): { readonly code: string; readonly message: string } | null {
  return error === null ? null : { code: error.code, message: error.message };
}

/** How far behind its newest copied frame an origin is applied here. */
export function lagOf(
  newest: FrameHeader | null,
  applied: number,
  oldestWaitingUs: number | null,
  nowUs: number,
): Pick<OriginStatus, 'lagMs' | 'lagTransactions'> {
  const behind = newest === null ? 0 : Math.max(0, newest.lastSequence - applied);
  if (behind === 0) return { lagMs: 0, lagTransactions: 0 };
  const since = oldestWaitingUs ?? newest?.wallUs ?? nowUs;
  return { lagMs: Math.max(0, (nowUs - since) / 1000), lagTransactions: behind };
}

/** A replicator that has nothing to tell yet. */
export const BLANK_STATUS: RegionStatus = {
  region: '',
  replica: '',
  phase: 'starting',
  error: null,
  applied: {},
  stable: {},
  captured: 0,
  unpublishedBytes: 0,
  indexKeys: 0,
  spilledKeys: 0,
  dirtyKeys: 0,
  quarantined: 0,
  counters: {
    transactions: 0,
    rows: 0,
    slowRows: 0,
    conflicts: 0,
    lockTimeouts: 0,
    batches: 0,
    fences: 0,
  },
  origins: {},
};
