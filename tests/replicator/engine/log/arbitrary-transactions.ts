import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import { epochOf, parseRegionId, regionOf, replicaId } from '#core/region.ts';
import type { ReplicaId } from '#core/region.ts';
import type { PgText, Relation } from '#core/relation.ts';
import { rowKey } from '#core/row-key.ts';
import type { Cell, ChangeTransaction, RowOp } from '#core/transaction.ts';
import type { VersionVector } from '#core/version-vector.ts';

const text = fc
  .oneof(
    { weight: 6, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
    fc.string({ unit: 'binary', minLength: 200, maxLength: 900 }),
  )
  .map((value) => value.replaceAll('\0', ''));
const value: Arbitrary<PgText> = fc.option(text, { freq: 5 });
const cell: Arbitrary<Cell> = fc.oneof(
  { weight: 3, arbitrary: value },
  fc.bigInt().map((amount) => ({ kind: 'add' as const, amount: `${amount}` })),
);

export const replica: Arbitrary<ReplicaId> = fc
  .tuple(fc.constantFrom('eu', 'us-east-1'), fc.integer({ min: 1, max: 12 }))
  .map(([region, epoch]) => replicaId(parseRegionId(region), epoch));

export const vector: Arbitrary<VersionVector> = fc
  .array(fc.tuple(replica, fc.integer({ min: 1, max: 2 ** 48 })), { maxLength: 4 })
  .map((entries) => new Map(entries));

const relation: Arbitrary<Relation> = fc
  .record({
    schema: fc.constantFrom('public', 'Schéma'),
    name: text.map((name) => `t${name}`),
    // text, numeric, character(n), float8: the key's canonical form depends on the type.
    typeOids: fc.array(fc.constantFrom(25, 1700, 1042, 701, 3_614_000_001), {
      minLength: 1,
      maxLength: 5,
    }),
    composite: fc.boolean(),
  })
  .map(({ schema, name, typeOids, composite }) => ({
    schema,
    name,
    columns: typeOids.map((typeOid, at) => ({ name: `c${at}`, typeOid })),
    keyColumns: composite && typeOids.length > 1 ? [1, 0] : [0],
  }));

const contender = fc.record({
  dot: fc.constant('eu.1:7'),
  region: fc.constantFrom('eu', 'us'),
  hlc: fc.nat(),
  saw: fc.nat(),
  row: fc.json(),
});
const verdict = fc.record({ constraint: fc.string(), winner: contender, loser: contender });

function operation(target: Relation): Arbitrary<RowOp> {
  const row = fc
    .array(value, { minLength: target.columns.length, maxLength: target.columns.length })
    .map((values) => values.map((v, at) => (target.keyColumns.includes(at) ? (v ?? '') : v)));
  const changed = fc.subarray(
    target.columns.map((_, at) => at),
    { minLength: 1 },
  );
  return fc.oneof(
    row.map((values) => ({
      kind: 'insert' as const,
      relation: target,
      key: rowKey(target, values),
      values,
    })),
    fc.tuple(row, fc.option(verdict, { nil: undefined })).map(([values, cause]) => {
      const op = { kind: 'delete' as const, relation: target, key: rowKey(target, values), values };
      return cause === undefined ? op : { ...op, cause };
    }),
    fc
      .tuple(row, changed, fc.array(cell, { minLength: 5, maxLength: 5 }))
      .map(([values, columns, cells]): RowOp => ({
        kind: 'update',
        relation: target,
        key: rowKey(target, values),
        columns,
        cells: cells.slice(0, columns.length),
      })),
    fc.constant({ kind: 'truncate' as const, relation: target }),
  );
}

const operations: Arbitrary<readonly RowOp[]> = fc
  .array(relation, { minLength: 1, maxLength: 3 })
  .chain((relations) =>
    fc.array(fc.constantFrom(...relations).chain(operation), { minLength: 1, maxLength: 6 }),
  );

/** Consecutive transactions of one replica, with anything in their rows. */
export const transactions: Arbitrary<readonly ChangeTransaction[]> = fc
  .record({
    replica,
    first: fc.integer({ min: 1, max: 2 ** 50 }),
    hlc: fc.integer({ min: 0, max: 2 ** 52 }),
    lsn: fc.integer({ min: 1, max: 2 ** 51 }),
    deps: fc.array(vector, { minLength: 1, maxLength: 2 }),
    all: fc.array(operations, { minLength: 1, maxLength: 5 }),
  })
  .map(({ replica: name, first, hlc, lsn, deps, all }) =>
    all.map((ops, at) => ({
      replica: name,
      region: regionOf(name),
      epoch: epochOf(name),
      sequence: first + at,
      hlc: (hlc + at) as Hlc,
      deps: deps[at % deps.length] ?? new Map(),
      commitLsn: (lsn + at * 100) as Lsn,
      endLsn: (lsn + at * 100 + 40) as Lsn,
      commitTimeUs: 1_700_000_000_000_000 + at,
      ops,
    })),
  );
