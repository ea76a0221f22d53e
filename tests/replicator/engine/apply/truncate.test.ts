import { expect, test } from 'vitest';
import type { Hlc } from '#core/hlc.ts';
import type { ReplicaId } from '#core/region.ts';
import type { ChangeTransaction, RowOp } from '#core/transaction.ts';
import { EMPTY_VECTOR } from '#core/version-vector.ts';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import { planBatch } from '#replicator/engine/apply/batch.ts';
import { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import { LocalTables } from '#replicator/engine/apply/local-tables.ts';
import { truncateTables } from '#replicator/engine/apply/truncate.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';
import type { Statement, StatementResult } from '#replicator/engine/statement.ts';
import { COLUMNS, headerOf, keyOf, REPLICAS, TABLE } from '#tests/conflict/region-histories.ts';

const [A, B, C] = REPLICAS as [ReplicaId, ReplicaId, ReplicaId];
const GUARD = { horizonXid: null, ownXids: [] };

function insert(at: number): RowOp {
  return { kind: 'insert', relation: TABLE, key: keyOf(at), values: [keyOf(at), 'a', '1'] };
}

function remove(at: number): RowOp {
  return { kind: 'delete', relation: TABLE, key: keyOf(at), values: [keyOf(at), 'a', '1'] };
}

function by(
  replica: ReplicaId,
  sequence: number,
  seen: object,
  ...ops: RowOp[]
): ChangeTransaction {
  const deps = new Map(Object.entries(seen) as [ReplicaId, number][]);
  return { ...headerOf(replica, sequence, sequence * 10, deps), ops };
}

class Recording implements DatabaseSession {
  readonly sent: Statement[] = [];

  flight(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.sent.push(...statements);
    return Promise.resolve(statements.map(() => ({ kind: 'done' })));
  }

  async attempt(statements: readonly Statement[]) {
    return { kind: 'ok' as const, results: await this.flight(statements) };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What region A sends for B's TRUNCATE when it knows `known`. */
async function sentFor(truncate: ChangeTransaction, ...known: readonly ChangeTransaction[]) {
  const index = new UnstableIndex(A);
  for (const transaction of known) index.foldOwn(transaction, 1, () => IGNORE_CONFLICTS);
  const tables = new LocalTables({
    localTable: () => Promise.resolve({ columns: COLUMNS, uniqueColumns: new Set<string>() }),
    forget: () => undefined,
    open: () => Promise.reject(new Error('unexpected')),
    originSupported: true,
  });
  const context = { index, tables } as Pick<ApplyContext, 'index' | 'tables'> as ApplyContext;
  const progress = { vector: EMPTY_VECTOR, hlc: 0 as Hlc };
  const batch = planBatch(index, [truncate], [], progress, new ConflictBuffer(), GUARD);
  const session = new Recording();
  const order: string[] = [];
  await truncateTables(context, session, batch, () => {
    order.push(...session.sent.map(({ kind }) => kind), 'fence');
    return Promise.resolve();
  });
  return { sent: session.sent, beforeWriting: order };
}

test('everybody else is kept out, and capture reaches the present, before anything is deleted', async () => {
  const truncate = by(B, 1, {}, { kind: 'truncate', relation: TABLE });
  const { sent, beforeWriting } = await sentFor(truncate);
  expect(beforeWriting).toEqual(['lockTable', 'fence']);
  expect(sent.at(1)).toMatchObject({ kind: 'truncateExcept', survivors: [] });
});

test('rows that were inserted concurrently survive, and no others', async () => {
  const truncate = by(B, 1, { [C]: 1 }, { kind: 'truncate', relation: TABLE });
  const { sent } = await sentFor(truncate, by(C, 1, {}, insert(0)), by(A, 1, {}, insert(1)));
  expect(sent.at(1)).toMatchObject({ survivors: [keyOf(1)] });
});

test('a row whose delete the TRUNCATE supersedes, and whose insert it spares, comes back', async () => {
  const truncate = by(B, 2, {}, { kind: 'truncate', relation: TABLE });
  const { sent } = await sentFor(
    truncate,
    by(A, 1, {}, insert(0)),
    by(B, 1, {}, insert(0), remove(0)),
  );
  const written = sent.filter(({ kind }) => kind === 'insertRows');
  const dead = await sentFor(truncate, by(A, 1, {}, insert(0), remove(0)));
  expect(dead.sent.some(({ kind }) => kind === 'insertRows')).toBe(false);
  // Equal clocks: region B's delete is the later one, until its own TRUNCATE takes its place.
  expect(written).toMatchObject([{ rows: [[keyOf(0), 'a', '1']] }]);
});
