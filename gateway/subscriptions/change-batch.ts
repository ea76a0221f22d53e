import type { RowKey } from '#core/row-key.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import { formatDot } from '#core/transaction.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { Release } from '#gateway/feed/release-order.ts';
import { encodeToken, tokenOf } from '#gateway/session/causal-token.ts';
import { decideChange } from '#gateway/subscriptions/change.ts';
import type { Change } from '#gateway/subscriptions/change.ts';
import type { ChangeQuery, Delivery } from '#gateway/subscriptions/change-query.ts';
import type { KnownKeys } from '#gateway/subscriptions/known-keys.ts';
import { touchesOf } from '#gateway/subscriptions/table-touches.ts';
import type { TableTouches } from '#gateway/subscriptions/table-touches.ts';

/** What subscribers of one query are told of one transaction. */
export interface ChangeBatch {
  readonly release: Release;
  readonly changes: readonly Change[];
}

/** A transaction was too large to be held: subscribers must read the table anew. */
export class ResyncNeeded extends Error {
  override readonly name = 'ResyncNeeded';
}

/** The changes of several transactions, with one look at the database for all of them. */
export async function changeBatches(
  query: ChangeQuery,
  releases: readonly Release[],
  known: KnownKeys,
  signal: AbortSignal,
): Promise<readonly ChangeBatch[]> {
  const touched: { readonly release: Release; readonly touches: TableTouches }[] = [];
  const keys = new Set<RowKey>();
  for (const release of releases) {
    const { ops, header } = release.transaction;
    if (ops === null) throw new ResyncNeeded(formatDot(header));
    const touches = touchesOf(ops, query.table);
    if (touches === null) continue;
    touched.push({ release, touches });
    for (const { key, kind } of touches.rows) if (kind !== 'delete') keys.add(key);
  }
  if (touched.length === 0) return [];
  const nodes = keys.size === 0 ? new Map() : await query.read([...keys], signal);
  return touched.flatMap(({ release, touches }) => {
    const changes = changesOf(query, touches, nodes, known).filter((change) => query.wants(change));
    return changes.length === 0 ? [] : [{ release, changes }];
  });
}

function changesOf(
  query: ChangeQuery,
  touches: TableTouches,
  nodes: ReadonlyMap<RowKey, string>,
  known: KnownKeys,
): readonly Change[] {
  const changes: Change[] = touches.truncated ? [...truncation(known)] : [];
  for (const touch of touches.rows) {
    const { key, kind } = touch;
    // A row that a later transaction of this look deleted is gone already; its delete tells so.
    const node = kind === 'delete' ? null : (nodes.get(key) ?? null);
    const change = decideChange(touch, node, known.has(key), query);
    if (node === null) known.remove(key);
    else known.add(key);
    if (change !== null) changes.push(change);
  }
  return changes;
}

function truncation(known: KnownKeys): readonly Change[] {
  known.clear();
  return [{ op: 'TRUNCATE', key: null, node: null, changedColumns: null }];
}

export function deliveryOf(header: TransactionHeader, cursor: VersionVector): Delivery {
  return {
    origin: header.region,
    at: new Date(header.commitTimeUs / 1000).toISOString(),
    dot: formatDot(header),
    cursor: encodeToken(tokenOf(cursor)),
  };
}
