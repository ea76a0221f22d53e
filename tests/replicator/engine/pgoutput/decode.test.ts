import { expect, test } from 'vitest';
import { parseLsn } from '#core/lsn.ts';
import { PgoutputDecoder } from '#replicator/engine/pgoutput/decode.ts';
import { UNCHANGED } from '#replicator/engine/pgoutput/message.ts';

// Bytes laid out by hand from the protocol description; the encoder has no part in these tests.
function decodeHex(hex: string): unknown {
  return new PgoutputDecoder().decode(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

test('Begin: positions and transaction ids are unsigned, times are Unix microseconds', () => {
  expect(decodeHex('42 0000000A F0B374D8 0002F3F4 5E1C1B07 FFFFFFFE')).toStrictEqual({
    kind: 'begin',
    commitLsn: parseLsn('A/F0B374D8'),
    commitTimeUs: 946_684_800_000_000 + 0x2f3f4 * 0x1_0000_0000 + 0x5e1c1b07,
    xid: 4_294_967_294,
  });
});

test('Relation: the empty schema is pg_catalog, and OIDs above 2^31 stay positive', () => {
  expect(decodeHex('52 F0000001 00 7400 66 0001 01 696400 00000017 FFFFFFFF')).toStrictEqual({
    kind: 'relation',
    xid: null,
    relationOid: 0xf0000001,
    schema: 'pg_catalog',
    name: 't',
    replicaIdentity: 'full',
    columns: [{ name: 'id', typeOid: 23, typeModifier: -1, partOfKey: true }],
  });
});

test('Update: null, unchanged and empty text are three different things', () => {
  expect(
    decodeHex('55 00004000 4F 0003 7400000001 31 6E 7400000000 4E 0003 740000000132 75 6E'),
  ).toStrictEqual({
    kind: 'update',
    xid: null,
    relationOid: 16384,
    oldKey: null,
    oldValues: ['1', null, ''],
    values: ['2', UNCHANGED, null],
  });
});

test('a binary column is refused by name of message, column and offset', () => {
  expect(() => decodeHex('49 00004000 4E 0001 62 00000001 31')).toThrowError(
    expect.objectContaining({
      code: 'DECODE_FAILED',
      message: expect.stringMatching(/^pgoutput insert message, byte 9: column 1 is in binary/),
    }),
  );
});

test('text that is not UTF-8 is refused instead of replaced, short or long', () => {
  for (const text of ['00000001 E9', '00000006 6361666520E9']) {
    expect(() => decodeHex(`49 00004000 4E 0001 74 ${text}`)).toThrowError(/not UTF-8/);
  }
});

test('a U+FFFD and a BOM that are really in the text are kept', () => {
  expect(
    decodeHex('49 00004000 4E 0002 74 00000003 EFBFBD 74 00000006 EFBBBF EFBFBD'),
  ).toHaveProperty('values', ['\uFFFD', '\uFEFF\uFFFD']);
});

test('an unknown message is refused with its byte', () => {
  expect(() => decodeHex('5A 00')).toThrowError(/message of unknown type 90/);
  expect(() => decodeHex('')).toThrowError(/message without a byte/);
});
