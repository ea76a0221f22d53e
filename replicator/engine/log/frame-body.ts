import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import { epochOf, regionOf } from '#core/region.ts';
import type { ReplicaId } from '#core/region.ts';
import type { PgText, Relation } from '#core/relation.ts';
import { rowKey } from '#core/row-key.ts';
import type { RowKey } from '#core/row-key.ts';
import type { Cell, ChangeTransaction, RowOp, UniqueVerdict } from '#core/transaction.ts';
import { formatVector, parseVector } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';

// Rows travel as arrays, tables and vectors once per frame: with zstd that is a twentieth of the bytes
// of self-describing JSON. Positions are specified in replicator/PROTOCOL.md.
const INSERT = 0;
const UPDATE = 1;
const DELETE = 2;
const TRUNCATE = 3;

export function encodeBody(transactions: readonly ChangeTransaction[]): readonly unknown[] {
  const relations = new Map<Relation, number>();
  const vectors = new Map<VersionVector, number>();
  const rows = transactions.map((tx) => [
    tx.sequence,
    tx.hlc,
    tx.commitLsn,
    tx.endLsn,
    tx.commitTimeUs,
    indexOf(vectors, tx.deps),
    tx.ops.map((op) => encodeOp(op, indexOf(relations, op.relation))),
  ]);
  const tables = [...relations.keys()].map((relation) => [
    relation.schema,
    relation.name,
    relation.columns.map((column) => column.name),
    relation.columns.map((column) => column.typeOid),
    relation.keyColumns,
  ]);
  return [tables, [...vectors.keys()].map(formatVector), rows];
}

export function decodeBody(
  replica: ReplicaId,
  body: readonly unknown[],
): readonly ChangeTransaction[] {
  const [tables, vectorTexts, rows] = body as [
    EncodedRelation[],
    string[],
    (readonly [number, number, number, number, number, number, unknown[][]])[],
  ];
  const relations = tables.map(relationOf);
  const vectors = vectorTexts.map(parseVector);
  const region = regionOf(replica);
  const epoch = epochOf(replica);
  return rows.map(([sequence, hlc, commitLsn, endLsn, commitTimeUs, vector, ops]) => ({
    replica,
    region,
    epoch,
    sequence,
    hlc: hlc as Hlc,
    deps: vectors[vector] as VersionVector,
    commitLsn: commitLsn as Lsn,
    endLsn: endLsn as Lsn,
    commitTimeUs,
    ops: ops.map((op) => decodeOp(op, relations)),
  }));
}

type EncodedRelation = readonly [string, string, string[], number[], number[]];

const RELATIONS_MAX = 4096;
const known = new Map<string, Relation>();

// One object for a table that many frames describe alike: a hot row's updates then replace one another
// across frames (slot.ts), and what is worked out for a table is worked out once.
function relationOf(encoded: EncodedRelation): Relation {
  const id = JSON.stringify(encoded);
  let relation = known.get(id);
  if (relation === undefined) {
    const [schema, name, names, oids, keyColumns] = encoded;
    const columns = names.map((column, at) => ({ name: column, typeOid: oids[at] ?? 0 }));
    relation = { schema, name, columns, keyColumns };
    if (known.size >= RELATIONS_MAX) known.clear();
    known.set(id, relation);
  }
  return relation;
}

function encodeOp(op: RowOp, relation: number): readonly unknown[] {
  switch (op.kind) {
    case 'insert':
      return [INSERT, relation, op.values];
    case 'delete':
      // Readers that know nothing of verdicts leave the fourth field alone.
      return op.cause === undefined
        ? [DELETE, relation, op.values]
        : [DELETE, relation, op.values, JSON.stringify(op.cause)];
    case 'truncate':
      return [TRUNCATE, relation];
    default:
      return [UPDATE, relation, op.key, op.columns, op.cells.map(encodeCell)];
  }
}

function decodeOp(fields: readonly unknown[], relations: readonly Relation[]): RowOp {
  const relation = relations[Number(fields[1])] as Relation;
  if (fields[0] === UPDATE) {
    const columns = shared(fields[3] as readonly number[]);
    const cells = decodeCells(fields[4] as readonly unknown[]);
    return { kind: 'update', relation, key: fields[2] as RowKey, columns, cells };
  }
  if (fields[0] === TRUNCATE) return { kind: 'truncate', relation };
  const values = fields[2] as readonly PgText[];
  const key = rowKey(relation, values);
  if (fields[0] === INSERT) return { kind: 'insert', relation, key, values };
  const cause = fields[3];
  if (typeof cause !== 'string') return { kind: 'delete', relation, key, values };
  return { kind: 'delete', relation, key, values, cause: JSON.parse(cause) as UniqueVerdict };
}

// An assignment is the text itself; a delta is an array, so that new kinds need no new version.
function encodeCell(cell: Cell): unknown {
  return typeof cell === 'object' && cell !== null ? [cell.kind, cell.amount] : cell;
}

// Most updates only assign: then the array that came off the wire serves as it is.
function decodeCells(cells: readonly unknown[]): readonly Cell[] {
  return cells.some(Array.isArray) ? cells.map(decodeCell) : (cells as readonly PgText[]);
}

let lastColumns: readonly number[] = [];

// Updates of one statement name the same columns; hundreds of thousands of them may stay in the index.
function shared(columns: readonly number[]): readonly number[] {
  const same =
    columns.length === lastColumns.length && columns.every((at, i) => at === lastColumns[i]);
  if (!same) lastColumns = columns;
  return lastColumns;
}

function decodeCell(cell: unknown): Cell {
  if (Array.isArray(cell)) return { kind: 'add', amount: String(cell[1]) };
  return cell as PgText;
}

function indexOf<T>(known: Map<T, number>, item: T): number {
  const at = known.get(item);
  if (at !== undefined) return at;
  known.set(item, known.size);
  return known.size - 1;
}
