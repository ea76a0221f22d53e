import { EverywriteError } from '#core/errors.ts';
import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import { epochOf, regionOf } from '#core/region.ts';
import type { ReplicaId } from '#core/region.ts';
import type { Column, PgText, Relation, RowPolicy } from '#core/relation.ts';
import { rowKey } from '#core/row-key.ts';
import type { RowKey } from '#core/row-key.ts';
import type {
  Cell,
  ChangeTransaction,
  PatchCell,
  RowOp,
  UniqueVerdict,
} from '#core/transaction.ts';
import { formatVector, parseVector } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';

// Rows travel as arrays, tables and vectors once per frame: with zstd that is a twentieth of the bytes
// of self-describing JSON. Positions are specified in replicator/PROTOCOL.md.
const INSERT = 0;
const UPDATE = 1;
const DELETE = 2;
const TRUNCATE = 3;
// Where a column's position stands, the policy of the rows themselves.
const WHOLE_ROW = -1;

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
    ...typesOf(relation),
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

type EncodedRelation = readonly [
  string,
  string,
  string[],
  number[],
  number[],
  (readonly [number, string])[]?,
];

const RELATIONS_MAX = 4096;
const known = new Map<string, Relation>();

// One object for a table that many frames describe alike: a hot row's updates then replace one another
// across frames (slot.ts), and what is worked out for a table is worked out once.
function relationOf(encoded: EncodedRelation): Relation {
  const id = JSON.stringify(encoded);
  let relation = known.get(id);
  if (relation === undefined) {
    const [schema, name, names, oids, keyColumns, typed] = encoded;
    const types = new Map(typed);
    const columns = names.map((column, at): Column => {
      const type = types.get(at);
      const plain = { name: column, typeOid: oids[at] ?? 0 };
      return type === undefined ? plain : { ...plain, type };
    });
    const rows = types.get(WHOLE_ROW) as RowPolicy | undefined;
    const plain = { schema, name, columns, keyColumns };
    relation = rows === undefined ? plain : { ...plain, rows };
    if (known.size >= RELATIONS_MAX) known.clear();
    known.set(id, relation);
  }
  return relation;
}

function encodeOp(op: RowOp, relation: number): readonly unknown[] {
  switch (op.kind) {
    case 'insert':
      return op.askew === true ? [INSERT, relation, op.values, 1] : [INSERT, relation, op.values];
    case 'delete':
      // Readers that know nothing of verdicts leave the fourth field alone.
      return op.cause === undefined
        ? [DELETE, relation, op.values]
        : [DELETE, relation, op.values, JSON.stringify(op.cause)];
    case 'truncate':
      return [TRUNCATE, relation];
    default: {
      const fields = [UPDATE, relation, op.key, op.columns, op.cells.map(encodeCell)];
      return op.askew === true ? [...fields, 1] : fields;
    }
  }
}

function decodeOp(fields: readonly unknown[], relations: readonly Relation[]): RowOp {
  const relation = relations[Number(fields[1])] as Relation;
  if (fields[0] === UPDATE) {
    const columns = shared(fields[3] as readonly number[]);
    const cells = decodeCells(fields[4] as readonly unknown[]);
    const op = { kind: 'update', relation, key: fields[2] as RowKey, columns, cells } as const;
    return fields[5] === 1 ? { ...op, askew: true } : op;
  }
  if (fields[0] === TRUNCATE) return { kind: 'truncate', relation };
  const values = fields[2] as readonly PgText[];
  const key = rowKey(relation, values);
  if (fields[0] === INSERT) {
    const op = { kind: 'insert', relation, key, values } as const;
    return fields[3] === 1 ? { ...op, askew: true } : op;
  }
  const cause = fields[3];
  if (typeof cause !== 'string') return { kind: 'delete', relation, key, values };
  return { kind: 'delete', relation, key, values, cause: JSON.parse(cause) as UniqueVerdict };
}

/** Nothing for a table of registers, so that the common table costs nothing. */
function typesOf({ columns, rows }: Relation): readonly unknown[] {
  const typed: (readonly [number, string])[] = rows === undefined ? [] : [[WHOLE_ROW, rows]];
  for (const [at, { type }] of columns.entries()) if (type !== undefined) typed.push([at, type]);
  return typed.length === 0 ? [] : [typed];
}

// An assignment is the text itself; a delta is an array, so that new kinds need no new version.
function encodeCell(cell: Cell): unknown {
  if (typeof cell !== 'object' || cell === null) return cell;
  switch (cell.kind) {
    case 'add':
      return [cell.kind, cell.amount];
    case 'join':
      return [cell.kind, cell.value];
    default:
      return [cell.kind, cell.writes, cell.edits];
  }
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
  if (!Array.isArray(cell)) return cell as PgText;
  const [kind, first, edits] = cell as readonly unknown[];
  switch (kind) {
    case 'add':
      return { kind, amount: String(first) };
    case 'join':
      return { kind, value: String(first) };
    case 'patch':
      return { kind, writes: first as PatchCell['writes'], edits: edits as PatchCell['edits'] };
    default:
      throw unknownCell(String(kind));
  }
}

// Read as something else it would be merged into another value than in the regions that know it.
function unknownCell(kind: string): EverywriteError {
  return new EverywriteError({
    code: 'LOG_CORRUPT',
    recovery: 'operator',
    message: `The log holds a change of kind "${kind}", which this version does not know; update this region.`,
  });
}

function indexOf<T>(known: Map<T, number>, item: T): number {
  const at = known.get(item);
  if (at !== undefined) return at;
  known.set(item, known.size);
  return known.size - 1;
}
