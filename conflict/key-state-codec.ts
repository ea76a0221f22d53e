import { must } from '#core/assert.ts';
import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import { epochOf, regionOf } from '#core/region.ts';
import type { ReplicaId } from '#core/region.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type {
  Cell,
  DeleteOp,
  InsertOp,
  RowOp,
  SequenceEdit,
  TransactionHeader,
} from '#core/transaction.ts';
import { formatVector, parseVector } from '#core/version-vector.ts';
import { ColumnState } from '#conflict/column-state.ts';
import type { Assignment, DeltaList } from '#conflict/column-state.ts';
import { ColumnParts } from '#conflict/column-parts.ts';
import type { PartWrite } from '#conflict/column-parts.ts';
import { columnType } from '#conflict/column-types.ts';
import { editList, editsOf } from '#conflict/edit-list.ts';
import type { Claim } from '#conflict/existence.ts';
import { Frontier } from '#conflict/frontier.ts';
import type { Pair, Write } from '#conflict/frontier.ts';
import { KeyState } from '#conflict/key-state.ts';

/** Relations are named by number: an encoded state never leaves the process that wrote it. */
export interface RelationNumbers {
  numberOf(relation: Relation): number;
  relation(number: number): Relation;
}

/** Nested arrays of plain values, for any serialiser. Position 0 is the dictionary of headers. */
export type EncodedState = readonly unknown[];

type Fields = readonly unknown[];

/** A row's state as plain arrays; `decodeState` gives an equal one. */
export function encodeState(state: KeyState, numbers: RelationNumbers): EncodedState {
  const headers: TransactionHeader[] = [];
  const places = new Map<TransactionHeader, number>();
  const at = (by: TransactionHeader): number => {
    // A hot counter gathers tens of thousands of deltas while a member is away: no search.
    const known = places.get(by);
    if (known !== undefined) return known;
    places.set(by, headers.length);
    return headers.push(by) - 1;
  };
  const pairs = (frontier: Frontier<Write>): Fields =>
    frontier.pairs.map(({ left, right }) => [at(left), at(right)]);
  const op = (of: RowOp): Fields => encodeOp(of, numbers);
  const claims = state.claims.writes.map((c) => [at(c.by), op(c.op), c.births.map(at)]);
  const columns = state.columns.map((column) => [
    column.name,
    column.assignments.writes.map((a) => [at(a.by), a.value, a.folded, a.fromInsert]),
    pairs(column.assignments),
    deltasOf(column.deltas).map(({ by, cell }) => [at(by), cell]),
    [column.type.text, at(column.typed.by)],
    [...column.parts.registers].map(([path, parts]) => [
      path,
      parts.writes.map(({ by, value }) => [at(by), value]),
      pairs(parts),
    ]),
    [...column.parts.edits.values()].map((list) =>
      editsOf(list).map(({ by, edit }) => [at(by), edit]),
    ),
  ]);
  const insert = state.insert === null ? null : [at(state.insert.by), op(state.insert.op)];
  const { deletion } = state;
  const death = deletion === null ? null : [at(deletion.by), op(deletion.op)];
  const rest = [state.births.map(at), state.latest.map(at), death];
  const body = [claims, pairs(state.claims), columns, insert, ...rest];
  return [headers.map(encodeHeader), ...body];
}

export function decodeState(encoded: EncodedState, numbers: RelationNumbers): KeyState {
  const [headerRows, claims, claimPairs, columns, insert, births, latest, death] =
    encoded as readonly Fields[];
  const headers = (headerRows ?? []).map((row) => decodeHeader(row as Fields));
  const at = (index: unknown): TransactionHeader => must(headers[Number(index)], 'header');
  const pairs = (rows: unknown): readonly Pair[] =>
    (rows as readonly Fields[]).map(([left, right]) => ({ left: at(left), right: at(right) }));
  const claim = ([by, op, seen]: Fields): Claim => ({
    by: at(by),
    op: decodeOp(op as Fields, numbers),
    births: (seen as Fields).map(at),
  });
  return new KeyState({
    claims: new Frontier((claims as readonly Fields[]).map(claim), pairs(claimPairs)),
    columns: (columns as readonly Fields[]).map((fields) => decodeColumn(fields, at, pairs)),
    insert:
      insert === null || insert === undefined
        ? null
        : { by: at(insert[0]), op: decodeOp(insert[1] as Fields, numbers) as InsertOp },
    deletion:
      death === null || death === undefined
        ? null
        : { by: at(death[0]), op: decodeOp(death[1] as Fields, numbers) as DeleteOp },
    births: (births ?? []).map(at),
    latest: (latest ?? []).map(at),
  });
}

function decodeColumn(
  [name, assignments, open, deltas, typed, registers, edits]: Fields,
  at: (index: unknown) => TransactionHeader,
  pairs: (rows: unknown) => readonly Pair[],
): ColumnState {
  const writes = (assignments as readonly Fields[]).map(
    ([by, value, folded, fromInsert]): Assignment => ({
      by: at(by),
      value: value as PgText,
      folded: folded as PgText,
      fromInsert: fromInsert === true,
    }),
  );
  const list = (deltas as readonly Fields[]).reduceRight<DeltaList | null>(
    (rest, [by, cell]) => ({ by: at(by), cell: cell as DeltaList['cell'], rest }),
    null,
  );
  const [text, typedBy] = typed as Fields;
  const parts = (registers as readonly Fields[]).map(([path, values, rivals]) => {
    const known = (values as readonly Fields[]).map(([by, value]): PartWrite => ({
      by: at(by),
      value: value as string | null,
    }));
    return [String(path), new Frontier(known, pairs(rivals))] as const;
  });
  const sequences = (edits as readonly (readonly Fields[])[]).flatMap((rows) => {
    const made = rows.map(([by, edit]) => ({ by: at(by), edit: edit as SequenceEdit }));
    const sequence = editList(made);
    return sequence === null ? [] : [[sequence.edit[0], sequence] as const];
  });
  const none = parts.length === 0 && sequences.length === 0;
  return new ColumnState(
    String(name),
    { type: columnType(String(text)), by: at(typedBy) },
    new Frontier(writes, pairs(open)),
    list,
    none ? ColumnParts.NONE : new ColumnParts(new Map(parts), new Map(sequences)),
  );
}

function deltasOf(list: DeltaList | null): readonly DeltaList[] {
  const deltas: DeltaList[] = [];
  for (let at = list; at !== null; at = at.rest) deltas.push(at);
  return deltas;
}

function encodeHeader(by: TransactionHeader): Fields {
  const { replica, sequence, hlc, deps, commitLsn, endLsn, commitTimeUs } = by;
  return [replica, sequence, hlc, formatVector(deps), commitLsn, endLsn, commitTimeUs];
}

function decodeHeader([replica, sequence, hlc, deps, commitLsn, endLsn, timeUs]: Fields) {
  const name = replica as ReplicaId;
  return {
    replica: name,
    region: regionOf(name),
    epoch: epochOf(name),
    sequence: Number(sequence),
    hlc: Number(hlc) as Hlc,
    deps: parseVector(String(deps)),
    commitLsn: Number(commitLsn) as Lsn,
    endLsn: Number(endLsn) as Lsn,
    commitTimeUs: Number(timeUs),
  };
}

function encodeOp(op: RowOp, numbers: RelationNumbers): Fields {
  const relation = numbers.numberOf(op.relation);
  switch (op.kind) {
    case 'truncate':
      return [op.kind, relation];
    case 'update':
      return [op.kind, relation, op.key, op.columns, op.cells];
    default:
      return [op.kind, relation, op.key, op.values];
  }
}

function decodeOp([kind, number, key, third, cells]: Fields, numbers: RelationNumbers): RowOp {
  const relation = numbers.relation(Number(number));
  switch (kind) {
    case 'truncate':
      return { kind, relation };
    case 'update': {
      const columns = third as readonly number[];
      return { kind, relation, key: key as RowKey, columns, cells: cells as readonly Cell[] };
    }
    default: {
      const values = third as readonly PgText[];
      const named = kind === 'delete' ? 'delete' : 'insert';
      return { kind: named, relation, key: key as RowKey, values };
    }
  }
}
