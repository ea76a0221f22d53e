import type { RowKey } from '#core/row-key.ts';

/** What happened to a row, as one subscriber's filter and rights see it. */
export type ChangeOp =
  /** There when the subscription began. */
  | 'INITIAL'
  | 'INSERT'
  | 'UPDATE'
  | 'DELETE'
  /** Was there, and matches the filter (or may be seen) only now. */
  | 'ENTER'
  /** Is there, but no longer matches (or may no longer be seen). */
  | 'LEAVE'
  /** The table was emptied. */
  | 'TRUNCATE';

export interface Change {
  readonly op: ChangeOp;
  /** Null for TRUNCATE. */
  readonly key: RowKey | null;
  /** The row as this region shows it now, as JSON of what was selected; null when it is not there. */
  readonly node: string | null;
  /** Names of columns, for UPDATE; null where it is not known or means nothing. */
  readonly changedColumns: readonly string[] | null;
}

/**
 * Who could not see a row. `open`: everybody sees every row. `filtered`: a filter leaves rows out, but
 * their keys are no secret. `secured`: row-level security hides rows, their keys too.
 */
export type Sight = 'open' | 'filtered' | 'secured';

/** One row's operations within one transaction, folded. */
export interface RowTouch {
  readonly key: RowKey;
  readonly kind: 'insert' | 'update' | 'delete';
  /** Of an update. */
  readonly columns: readonly string[];
}

/** What a subscriber is told of a touched row; null when it is none of its business. */
export function decideChange(
  touch: RowTouch,
  node: string | null,
  known: boolean,
  {
    sight,
    filterColumns,
  }: { readonly sight: Sight; readonly filterColumns: ReadonlySet<string> | null },
): Change | null {
  const { key, kind } = touch;
  const change = (op: ChangeOp, columns: readonly string[] | null = null): Change => {
    return { op, key, node, changedColumns: columns };
  };
  if (node !== null) {
    if (kind === 'update' && (known || sight === 'open')) return change('UPDATE', touch.columns);
    if (kind === 'update') {
      // It matched before as well when nothing that the filter reads has changed.
      const moved = filterColumns === null || touch.columns.some((name) => filterColumns.has(name));
      return moved || sight === 'secured' ? change('ENTER') : change('UPDATE', touch.columns);
    }
    // A row that came back, or one that the snapshot had already.
    return known ? change('UPDATE') : change('INSERT');
  }
  // The row is not there, or not for this subscriber.
  if (kind === 'delete') return known || sight !== 'secured' ? change('DELETE') : null;
  // Inserted and gone again before it was looked at: its delete follows.
  if (kind === 'insert') return known ? change('LEAVE') : null;
  if (known) return change('LEAVE');
  if (sight !== 'filtered' || filterColumns === null) return null;
  return touch.columns.some((name) => filterColumns.has(name)) ? change('LEAVE') : null;
}
