import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EverywriteError } from '#core/errors.ts';
import { PgoutputDecoder } from '#replicator/engine/pgoutput/decode.ts';
import { encodeMessage } from '#replicator/engine/pgoutput/encode.ts';
import { plainMessage, streamBlock } from '#tests/replicator/engine/pgoutput/messages.ts';

const RUNS = { numRuns: 1000 };

// As messages arrive: somewhere inside a larger buffer, which Node makes a Buffer.
function embedded(bytes: Uint8Array, before: number): Buffer {
  const larger = Buffer.alloc(before + bytes.byteLength + 7, 0x41);
  larger.set(bytes, before);
  return larger.subarray(before, before + bytes.byteLength);
}

test('decoding gives back what was encoded, in any sequence of messages and stream blocks', () => {
  const parts = fc.oneof(
    plainMessage.map((message) => [message]),
    streamBlock,
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 6 }), fc.nat({ max: 9 }), (session, before) => {
      const decoder = new PgoutputDecoder();
      const messages = session.flat();
      const decoded = messages.map((m) => decoder.decode(embedded(encodeMessage(m), before)));
      expect(decoded).toEqual(messages);
    }),
    RUNS,
  );
});

test('a plain Uint8Array decodes like a Buffer', () => {
  fc.assert(
    fc.property(plainMessage, (message) => {
      expect(new PgoutputDecoder().decode(encodeMessage(message))).toEqual(message);
    }),
    RUNS,
  );
});

test('nothing decoded refers to the buffer it came from', () => {
  fc.assert(
    fc.property(plainMessage, (message) => {
      const bytes = embedded(encodeMessage(message), 3);
      const decoded = new PgoutputDecoder().decode(bytes);
      bytes.fill(0xff);
      expect(decoded).toEqual(message);
    }),
    RUNS,
  );
});

test('a message that is cut short or too long is refused, never misread', () => {
  fc.assert(
    fc.property(plainMessage, fc.double({ min: 0, max: 1, noNaN: true }), (message, where) => {
      // Its last two fields are optional on the wire.
      fc.pre(message.kind !== 'streamAbort');
      const bytes = encodeMessage(message);
      const length = Math.floor(where * (bytes.byteLength - 1));
      expect(() => new PgoutputDecoder().decode(bytes.subarray(0, length))).toThrow(
        EverywriteError,
      );
      const longer = new Uint8Array([...bytes, 0]);
      expect(() => new PgoutputDecoder().decode(longer)).toThrow(EverywriteError);
    }),
    RUNS,
  );
});

test('random bytes are decoded or refused, without any other error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        new PgoutputDecoder().decode(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(EverywriteError);
      }
    }),
    RUNS,
  );
});
