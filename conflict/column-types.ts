import { parseColumnType } from '#core/column-type-text.ts';
import type { ColumnTypeText } from '#core/column-type-text.ts';
import type { Relation } from '#core/relation.ts';
import type { ColumnType } from '#conflict/column-type.ts';
import { counterType } from '#conflict/families/counter.ts';
import { jsonType, listType, mapType, textType } from '#conflict/families/document.ts';
import { flagType } from '#conflict/families/flag.ts';
import { registerType } from '#conflict/families/register.ts';
import { highestType, lowestType, rankType } from '#conflict/families/semilattice.ts';
import { setType } from '#conflict/families/set.ts';

// Bounded by the number of types that anybody has declared.
const known = new Map<string, ColumnType>([
  ['lww', registerType],
  ['counter', counterType],
]);

/** The type that this text declares. A text that this version does not know merges as a register. */
export function columnType(text: string | undefined): ColumnType {
  if (text === undefined) return registerType;
  let type = known.get(text);
  if (type === undefined) {
    const parsed = parseColumnType(text);
    type = parsed.kind === 'ok' ? made(parsed.type) : registerType;
    known.set(text, type);
  }
  return type;
}

/** The type of a relation's column, by position. */
export function columnTypeAt(relation: Relation, position: number): ColumnType {
  return columnType(relation.columns[position]?.type);
}

function made({ name, parameters }: ColumnTypeText): ColumnType {
  switch (name) {
    case 'lww':
      return registerType;
    case 'counter':
      return counterType;
    case 'max':
      return highestType;
    case 'min':
      return lowestType;
    case 'rank':
      return rankType(parameters);
    case 'flag':
      return flagType(parameters[0] === 'disable-wins' ? 'f' : 't');
    case 'set':
      return setType;
    case 'map':
      return mapType;
    case 'text':
      return textType;
    case 'list':
      return listType;
    case 'json':
      return jsonType;
    default:
      return name satisfies never;
  }
}
