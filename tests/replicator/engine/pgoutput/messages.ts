import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { Lsn } from '#core/lsn.ts';
import { UNCHANGED } from '#replicator/engine/pgoutput/message.ts';
import type { PgoutputMessage, Tuple, TupleCell } from '#replicator/engine/pgoutput/message.ts';

const lsn: Arbitrary<Lsn> = fc.maxSafeNat().map((value) => value as Lsn);
// From 1970 on; PostgreSQL counts from 2000, so the wire value may be negative.
const timeUs = fc.integer({ min: 0, max: 4_000_000_000_000_000 });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const oid = u32;
// PostgreSQL's text holds every code point but U+0000; half surrogates are not text.
const text = fc
  .string({ unit: 'binary', maxLength: 40 })
  .map((value) => value.replaceAll('\0', ''));
const identifier = text.filter((value) => value !== '');

const cell: Arbitrary<TupleCell> = fc.oneof(
  { weight: 5, arbitrary: text },
  fc.integer().map(String),
  fc.constant(null),
  fc.constant(UNCHANGED),
);
const tuple: Arbitrary<Tuple> = fc.array(cell, { maxLength: 12 });

const before = fc.oneof(
  tuple.map((oldKey) => ({ oldKey, oldValues: null })),
  tuple.map((oldValues) => ({ oldKey: null, oldValues })),
);

const column = fc.record({
  name: text,
  typeOid: oid,
  typeModifier: fc.integer({ min: -1, max: 0x7fff_ffff }),
  partOfKey: fc.boolean(),
});

/** Messages that carry a transaction id inside a stream block and none outside. */
export function changeMessage(xid: Arbitrary<number | null>): Arbitrary<PgoutputMessage> {
  const row = { xid, relationOid: oid };
  return fc.oneof(
    fc.record({ kind: fc.constant('insert' as const), ...row, values: tuple }),
    fc
      .tuple(
        fc.record({ kind: fc.constant('update' as const), ...row, values: tuple }),
        fc.oneof(before, fc.constant({ oldKey: null, oldValues: null })),
      )
      .map(([message, old]) => ({ ...message, ...old })),
    fc
      .tuple(fc.record({ kind: fc.constant('delete' as const), ...row }), before)
      .map(([message, old]) => ({ ...message, ...old })),
    fc.record({
      kind: fc.constant('relation' as const),
      ...row,
      schema: identifier,
      name: text,
      replicaIdentity: fc.constantFrom('default', 'nothing', 'full', 'index'),
      columns: fc.array(column, { maxLength: 8 }),
    }),
    fc.record({
      kind: fc.constant('type' as const),
      xid,
      typeOid: oid,
      schema: identifier,
      name: text,
    }),
    fc.record({
      kind: fc.constant('truncate' as const),
      xid,
      relationOids: fc.array(oid, { maxLength: 5 }),
      cascade: fc.boolean(),
      restartIdentity: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('message' as const),
      xid,
      transactional: fc.boolean(),
      lsn,
      prefix: text,
      content: fc.uint8Array({ maxLength: 60 }),
    }),
  );
}

/** Messages that look the same inside a stream block and outside, and do not begin or end one. */
export const frameMessage: Arbitrary<PgoutputMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('begin' as const),
    commitLsn: lsn,
    commitTimeUs: timeUs,
    xid: u32,
  }),
  fc.record({
    kind: fc.constant('commit' as const),
    commitLsn: lsn,
    endLsn: lsn,
    commitTimeUs: timeUs,
  }),
  fc.record({ kind: fc.constant('origin' as const), originLsn: lsn, name: text }),
  fc.record({
    kind: fc.constant('streamCommit' as const),
    xid: u32,
    commitLsn: lsn,
    endLsn: lsn,
    commitTimeUs: timeUs,
  }),
  fc.record({
    kind: fc.constant('streamAbort' as const),
    xid: u32,
    subtransactionXid: u32,
    abort: fc.option(fc.record({ lsn, timeUs })),
  }),
  fc.record({
    kind: fc.constantFrom('beginPrepare', 'prepare', 'streamPrepare'),
    prepareLsn: lsn,
    endLsn: lsn,
    prepareTimeUs: timeUs,
    xid: u32,
    gid: text,
  }),
  fc.record({
    kind: fc.constant('commitPrepared' as const),
    commitLsn: lsn,
    endLsn: lsn,
    commitTimeUs: timeUs,
    xid: u32,
    gid: text,
  }),
  fc.record({
    kind: fc.constant('rollbackPrepared' as const),
    prepareEndLsn: lsn,
    rollbackEndLsn: lsn,
    prepareTimeUs: timeUs,
    rollbackTimeUs: timeUs,
    xid: u32,
    gid: text,
  }),
);

export const plainMessage: Arbitrary<PgoutputMessage> = fc.oneof(
  frameMessage,
  changeMessage(fc.constant(null)),
);

/** A whole stream block: start, changes with transaction ids, stop. */
export const streamBlock: Arbitrary<readonly PgoutputMessage[]> = fc
  .tuple(u32, fc.boolean(), fc.array(changeMessage(u32), { maxLength: 6 }))
  .map(([xid, firstSegment, changes]) => [
    { kind: 'streamStart', xid, firstSegment },
    ...changes,
    { kind: 'streamStop' },
  ]);
