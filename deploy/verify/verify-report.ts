/** What comparing the regions found; `everywrite verify --json` prints exactly this. */
export interface VerifyReport {
  readonly cluster: string;
  readonly regions: readonly string[];
  readonly verdict: 'equal' | 'different';
  readonly settled: Settled;
  /** Commits were captured while we compared: a difference may have been on its way. */
  readonly stillWritten: boolean;
  /** 2: the first comparison differed, so this is the second. */
  readonly attempts: number;
  readonly tables: readonly TableComparison[];
  readonly conflicts: ConflictComparison;
  /** Rows in everywrite.quarantine, by region; null where the region is not prepared. */
  readonly quarantined: Readonly<Record<string, number | null>>;
  readonly elapsedMs: number;
}

/** Whether every region had applied everything when the comparison began. */
export type Settled =
  | { readonly kind: 'settled'; readonly waitedMs: number }
  | {
      readonly kind: 'timeout';
      readonly waitedMs: number;
      readonly behind: readonly {
        readonly region: string;
        readonly peer: string;
        readonly transactions: number;
      }[];
    }
  /** A region has no everywrite schema, so nothing says how far it is. */
  | { readonly kind: 'unprepared'; readonly regions: readonly string[] };

export interface TableComparison {
  readonly table: string;
  readonly verdict: 'equal' | 'different';
  readonly rows: Readonly<Record<string, number>>;
  readonly digests: Readonly<Record<string, string>>;
  /** Regions that have no such replicated table, each with why. */
  readonly absent: Readonly<Record<string, string>>;
  /** Columns that are not the same everywhere: name → type by region, null where there is none. */
  readonly columns: Readonly<Record<string, ByRegion>>;
  readonly differing: DifferingRows;
}

export type ByRegion = Readonly<Record<string, string | null>>;

export interface DifferingRows {
  readonly count: number;
  /** False when there are more than were counted. */
  readonly complete: boolean;
  /** At most as many as were asked for. */
  readonly examples: readonly RowDifference[];
}

export interface RowDifference {
  /** The primary key, by column. */
  readonly key: Readonly<Record<string, string | null>>;
  /** Regions that do not have the row. */
  readonly missingIn: readonly string[];
  /** Only the columns that differ between the regions that have it; long values are shortened. */
  readonly columns: Readonly<Record<string, ByRegion>>;
}

/** Regions record the same verdicts, if only after a while: nothing is settled by this. */
export interface ConflictComparison {
  readonly same: boolean;
  readonly counts: Readonly<Record<string, number | null>>;
}
