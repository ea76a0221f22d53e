import type { RowKey } from '#core/row-key.ts';
import type { Change, Sight } from '#gateway/subscriptions/change.ts';

/** What every change of one delivery has in common. */
export interface Delivery {
  readonly origin: string;
  readonly at: string;
  readonly dot: string;
  readonly cursor: string | null;
}

/** One subscription's question, compiled: shared by all whose `signature` is the same. */
export interface ChangeQuery {
  /** Who asks (role and claims), which table, filter, operations and selection. */
  readonly signature: string;
  readonly table: { readonly schema: string; readonly name: string };
  readonly sight: Sight;
  /** Columns that the filter reads; null when it reads more than this table's own. */
  readonly filterColumns: ReadonlySet<string> | null;
  /** Whether the change is asked for. */
  wants(change: Change): boolean;
  /** The rows of these keys that may be seen and match, as JSON of what is selected: one statement. */
  read(keys: readonly RowKey[], signal: AbortSignal): Promise<ReadonlyMap<RowKey, string>>;
  /** All rows that may be seen and match, in pages. */
  readAll(signal: AbortSignal): AsyncIterable<readonly (readonly [RowKey, string])[]>;
  /** `{"data":…}` */
  render(changes: readonly Change[], delivery: Delivery): string;
}
