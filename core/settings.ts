import type { RowPolicy } from '#core/relation.ts';

/**
 * What capture needs to know to turn SQL into operations. It reaches capture through the WAL (a row of
 * everywrite.settings), so that decoding the same WAL again uses the same settings at the same place.
 */
export interface CaptureSettings {
  /** Row id in everywrite.settings, ascending. */
  readonly id: number;
  /** By relation id (`schema.name`). A table that is not here is not replicated. */
  readonly tables: Readonly<Record<string, TableSettings>>;
  /** Microseconds by which this region's clock is known to be ahead of its peers. */
  readonly clockOffsetUs: number;
}

export interface TableSettings {
  /** Key column names, in key order. */
  readonly key: readonly string[];
  /** Only columns that are not `lww`: the text of each one's type (core/column-type-text.ts). */
  readonly columns: Readonly<Record<string, string>>;
  /** Stored generated columns: in the stream (a full old row has them), but nobody wrote them. */
  readonly generated: readonly string[];
  /** Left out when it is `lww`. */
  readonly rows?: RowPolicy;
}
