import { mutant } from '#core/mutant.ts';
import { EverywriteError } from '#core/errors.ts';
import { relationId } from '#core/relation.ts';
import type { PgText } from '#core/relation.ts';
import { rowKey } from '#core/row-key.ts';
import type { Cell, DeleteOp, InsertOp, KeyedOp } from '#core/transaction.ts';
import type { CapturedRelation } from '#replicator/engine/capture/captured-relation.ts';
import { UNCHANGED } from '#replicator/engine/pgoutput/message.ts';
import type {
  DeleteMessage,
  InsertMessage,
  Tuple,
  UpdateMessage,
} from '#replicator/engine/pgoutput/message.ts';

type UserRelation = Extract<CapturedRelation, { kind: 'user' }>;

export function insertOp(target: UserRelation, message: InsertMessage): InsertOp {
  return insertOf(target, complete(target, message.values, null));
}

export function deleteOp(target: UserRelation, message: DeleteMessage): DeleteOp {
  const { relation } = target;
  return deleteOf(target, complete(target, fullRow(relation, message.oldValues), null));
}

/**
 * What an UPDATE meant: nothing, the columns that really changed, or, when the key changed, a delete
 * and a whole insert (hazards T13).
 */
export function updateOps(target: UserRelation, message: UpdateMessage): readonly KeyedOp[] {
  const { relation, types } = target;
  const before = complete(target, fullRow(relation, message.oldValues), null);
  // A large value that was not touched is not sent again; the old row has it.
  const after = complete(target, message.values, before);
  const key = rowKey(relation, after);
  const oldKey = rowKey(relation, before);
  if (key !== oldKey) {
    return [deleteOf(target, before), insertOf(target, after)];
  }
  const columns: number[] = [];
  const cells: Cell[] = [];
  let askew = false;
  for (let at = 0; at < after.length; at++) {
    const was = before[at] ?? null;
    const is = after[at] ?? null;
    if (was === is) continue;
    const type = types[at];
    const cell = mutant('counter-as-value') ? is : type?.diff(was, is);
    if (type === undefined || cell === undefined) continue;
    askew ||= type.askew?.(was, is) === true;
    columns.push(at);
    cells.push(cell);
  }
  if (columns.length === 0) return [];
  const op = { kind: 'update', relation, key, columns, cells } as const;
  return [askew ? { ...op, askew } : op];
}

function insertOf(target: UserRelation, written: readonly PgText[]): InsertOp {
  const { relation } = target;
  const values = normalValues(target, written);
  const op = { kind: 'insert', relation, key: rowKey(relation, values), values } as const;
  return values === written ? op : { ...op, askew: true };
}

function deleteOf(target: UserRelation, written: readonly PgText[]): DeleteOp {
  const { relation } = target;
  const values = normalValues(target, written);
  return { kind: 'delete', relation, key: rowKey(relation, values), values };
}

/** As every region's table is to hold them; the same array when that is how they are. */
function normalValues(
  { types, typed }: UserRelation,
  values: readonly PgText[],
): readonly PgText[] {
  if (!typed) return values;
  const normal = values.map((value, at) => types[at]?.normal(value) ?? value);
  return normal.every((value, at) => value === values[at]) ? values : normal;
}

function complete(
  { relation, kept }: UserRelation,
  sent: Tuple,
  before: readonly PgText[] | null,
): readonly PgText[] {
  const tuple = kept === null ? sent : kept.map((at) => sent[at] ?? null);
  // The common row has no unchanged value: then the decoder's array serves as it is.
  if (isComplete(tuple)) return tuple;
  return tuple.map((cell, at) => {
    if (cell !== UNCHANGED) return cell;
    if (before === null) throw notFull(relation);
    return before[at] ?? null;
  });
}

function isComplete(tuple: Tuple): tuple is readonly PgText[] {
  for (const cell of tuple) if (cell === UNCHANGED) return false;
  return true;
}

function fullRow(relation: UserRelation['relation'], values: Tuple | null): Tuple {
  if (values === null) throw notFull(relation);
  return values;
}

function notFull(relation: UserRelation['relation']): EverywriteError {
  const id = relationId(relation);
  return new EverywriteError({
    code: 'DATABASE_NOT_PREPARED',
    recovery: 'operator',
    message:
      `Table ${id} is not REPLICA IDENTITY FULL, so the old row is unknown; ` +
      `run: ALTER TABLE ${id} REPLICA IDENTITY FULL;`,
  });
}
