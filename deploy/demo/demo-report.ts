import type { Audit } from '#deploy/demo/audit.ts';
import type { RecordedConflict } from '#deploy/demo/conflict-sentences.ts';
import type { LagFigures } from '#deploy/demo/lag-recorder.ts';
import type { VerifyReport } from '#deploy/verify/verify-report.ts';

/** How the demo ended; `everywrite demo --json` prints exactly this. */
export interface DemoReport {
  /** Everything is equal everywhere and nothing was lost. */
  readonly ok: boolean;
  readonly converged: boolean;
  readonly regions: readonly string[];
  readonly writtenSeconds: number;
  /** Acknowledged transactions, by region. */
  readonly commits: Readonly<Record<string, number>>;
  /** Transactions that PostgreSQL refused, whole (a deadlock, for example). */
  readonly refused: number;
  readonly increments: number;
  readonly inserts: number;
  readonly conflicts: number;
  readonly examples: readonly RecordedConflict[];
  /** Commit to visible, net of the link's latency; all pairs, while no link was cut or catching up. */
  readonly lag: LagFigures | null;
  readonly pairs: readonly PairLag[];
  readonly cut: CutReport | null;
  /** From the last acknowledged commit until every region had applied everything. */
  readonly settledAfterMs: number | null;
  /** Looks at the newest orders, and how many showed one without all of its lines. */
  readonly torn: { readonly looks: number; readonly seen: number };
  readonly audits: readonly Audit[];
  readonly verify: VerifyReport;
  readonly elapsedMs: number;
}

export interface PairLag {
  readonly from: string;
  readonly to: string;
  readonly latencyMs: number;
  readonly lag: LagFigures | null;
}

export interface CutReport {
  readonly region: string;
  readonly cutMs: number;
  /** Transactions that the region committed while it was alone. */
  readonly commitsAlone: number;
  readonly commitsElsewhere: number;
  /** Between the regions that were not cut off, meanwhile. */
  readonly othersLag: LagFigures | null;
  /** From healing until all had everything from before; null: it did not happen in time. */
  readonly caughtUpMs: number | null;
}
