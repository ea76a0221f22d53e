import type {
  RelationColumn,
  RelationMessage,
  ReplicaIdentity,
  TypeMessage,
} from '#replicator/engine/pgoutput/message.ts';
import type { MessageReader } from '#replicator/engine/pgoutput/reader.ts';
import { COLUMN_PART_OF_KEY, IDENTITY } from '#replicator/engine/pgoutput/wire.ts';

export function decodeRelation(reader: MessageReader, xid: number | null): RelationMessage {
  const relationOid = reader.u32();
  const schema = readSchema(reader);
  const name = reader.cString();
  const replicaIdentity = readIdentity(reader);
  const count = reader.u16();
  const columns: RelationColumn[] = [];
  for (let position = 0; position < count; position += 1) columns.push(readColumn(reader));
  return { kind: 'relation', xid, relationOid, schema, name, replicaIdentity, columns };
}

export function decodeType(reader: MessageReader, xid: number | null): TypeMessage {
  const typeOid = reader.u32();
  const schema = readSchema(reader);
  return { kind: 'type', xid, typeOid, schema, name: reader.cString() };
}

// The server writes pg_catalog as the empty string.
function readSchema(reader: MessageReader): string {
  const schema = reader.cString();
  return schema === '' ? 'pg_catalog' : schema;
}

function readColumn(reader: MessageReader): RelationColumn {
  const partOfKey = (reader.u8() & COLUMN_PART_OF_KEY) !== 0;
  const name = reader.cString();
  const typeOid = reader.u32();
  return { name, typeOid, typeModifier: reader.i32(), partOfKey };
}

function readIdentity(reader: MessageReader): ReplicaIdentity {
  const byte = reader.u8();
  switch (byte) {
    case IDENTITY.default:
      return 'default';
    case IDENTITY.nothing:
      return 'nothing';
    case IDENTITY.full:
      return 'full';
    case IDENTITY.index:
      return 'index';
    default:
      return reader.fail(`replica identity ${byte} is unknown`);
  }
}
