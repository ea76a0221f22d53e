import { EverywriteError } from '#core/errors.ts';
import type { Lsn } from '#core/lsn.ts';
import { lsnFromHalves } from '#core/lsn.ts';
import { decodeText } from '#replicator/engine/pgoutput/text.ts';
import { POSTGRES_EPOCH_US, TAG } from '#replicator/engine/pgoutput/wire.ts';

/** Reads the fields of one message after the other; used again for every message. */
export class MessageReader {
  #bytes: Uint8Array = new Uint8Array();
  #view = new DataView(this.#bytes.buffer);
  /** Bounds of the message in the view, which spans the whole buffer behind it. */
  #start = 0;
  #end = 0;
  #at = 0;

  /** Starts with the first byte of `bytes`. */
  open(bytes: Uint8Array): void {
    // Messages arrive in a few large buffers: a view per message would cost more than reading it.
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#bytes = bytes;
    this.#start = bytes.byteOffset;
    this.#end = bytes.byteOffset + bytes.byteLength;
    this.#at = bytes.byteOffset;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  lsn(): Lsn {
    const at = this.#take(8);
    return lsnFromHalves(this.#view.getUint32(at), this.#view.getUint32(at + 4));
  }

  timeUs(): number {
    const at = this.#take(8);
    const sinceEpoch = this.#view.getInt32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
    return sinceEpoch + POSTGRES_EPOCH_US;
  }

  /** A string ended by a zero byte. */
  cString(): string {
    const from = this.#at - this.#start;
    const zero = this.#bytes.indexOf(0, from);
    if (zero < 0) this.fail('a string without its end');
    const text = this.text(zero - from);
    this.#at += 1;
    return text;
  }

  text(length: number): string {
    const from = this.#take(length) - this.#start;
    try {
      return decodeText(this.#bytes, from, from + length);
    } catch (cause) {
      return this.fail('a text that is not UTF-8 (is the database SQL_ASCII?)', cause);
    }
  }

  copy(length: number): Uint8Array {
    const from = this.#take(length) - this.#start;
    // A Buffer's own slice would be a view.
    return new Uint8Array(this.#bytes.subarray(from, from + length));
  }

  /** A length or a field this message cannot have means that everything after it would be misread. */
  finish(): void {
    if (this.#at !== this.#end) this.fail(`${this.remaining} bytes too many`);
  }

  fail(reason: string, cause?: unknown): never {
    const offset = this.#at - this.#start;
    throw new EverywriteError({
      code: 'DECODE_FAILED',
      recovery: 'operator',
      message: `pgoutput ${messageName(this.#bytes[0])}, byte ${offset}: ${reason}.`,
      cause,
    });
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) this.fail(`it ends early, ${length} bytes expected`);
    this.#at = at + length;
    return at;
  }
}

function messageName(tag: number | undefined): string {
  if (tag === undefined) return 'message without a byte';
  const known = Object.entries(TAG).find(([, value]) => value === tag);
  return known === undefined ? `message of unknown type ${tag}` : `${known[0]} message`;
}
