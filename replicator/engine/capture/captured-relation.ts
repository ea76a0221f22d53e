import type { ColumnType } from '#conflict/column-type.ts';
import { columnType } from '#conflict/column-types.ts';
import { EverywriteError } from '#core/errors.ts';
import { relationId } from '#core/relation.ts';
import type { Column, Relation } from '#core/relation.ts';
import type { CaptureSettings } from '#core/settings.ts';
import type { RelationMessage } from '#replicator/engine/pgoutput/message.ts';

/** What a relation of the stream is to capture. */
export type CapturedRelation =
  | {
      readonly kind: 'user';
      readonly relation: Relation;
      readonly types: readonly ColumnType[];
      /** Some column is not a plain register. */
      readonly typed: boolean;
      /** Positions in the stream's tuples that `relation` keeps; null when all. */
      readonly kept: readonly number[] | null;
    }
  /** everywrite.applied: where apply's transactions became visible. */
  | { readonly kind: 'marker'; readonly message: RelationMessage }
  | { readonly kind: 'settings'; readonly message: RelationMessage }
  /** Published but not configured: left alone until `everywrite init` takes it in. */
  | { readonly kind: 'ignored' };

/** Decides once per relation message (and settings) what its rows mean. */
export function captureRelation(
  message: RelationMessage,
  settings: CaptureSettings,
): CapturedRelation {
  if (message.schema === 'everywrite') {
    if (message.name === 'applied') return { kind: 'marker', message };
    if (message.name === 'settings') return { kind: 'settings', message };
    return { kind: 'ignored' };
  }
  const id = relationId(message);
  const table = settings.tables[id];
  if (table === undefined) return { kind: 'ignored' };
  // The key comes from the settings: under REPLICA IDENTITY FULL every column claims to be part of it.
  const generated = new Set(table.generated ?? []);
  const kept: number[] = [];
  message.columns.forEach((column, at) => {
    if (!generated.has(column.name)) kept.push(at);
  });
  const columns = message.columns
    .filter(({ name }) => !generated.has(name))
    .map(({ name, typeOid }): Column => {
      const type = table.columns[name];
      return type === undefined ? { name, typeOid } : { name, typeOid, type };
    });
  const keyColumns = table.key.map((name) => {
    const at = columns.findIndex((column) => column.name === name);
    if (at < 0) throw keyGone(id, name);
    return at;
  });
  const types = columns.map(({ type }) => columnType(type));
  const plain = { schema: message.schema, name: message.name, columns, keyColumns };
  const relation = table.rows === undefined ? plain : { ...plain, rows: table.rows };
  const all = kept.length === message.columns.length;
  const typed = columns.some(({ type }) => type !== undefined);
  return { kind: 'user', relation, types, typed, kept: all ? null : kept };
}

function keyGone(id: string, column: string): EverywriteError {
  return new EverywriteError({
    code: 'DATABASE_NOT_PREPARED',
    recovery: 'operator',
    message: `Table ${id} no longer has its key column "${column}"; run "everywrite init" in every region.`,
  });
}
