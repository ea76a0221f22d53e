import type { Lsn } from '#core/lsn.ts';
import { POSTGRES_EPOCH_US } from '#replicator/engine/pgoutput/wire.ts';

const utf8 = new TextEncoder();
const INITIAL_BYTES = 256;

/** Builds one message; the counterpart of MessageReader. */
export class MessageWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  u8(value: number): this {
    this.#room(1).setUint8(this.#at - 1, value);
    return this;
  }

  u16(value: number): this {
    this.#room(2).setUint16(this.#at - 2, value);
    return this;
  }

  u32(value: number): this {
    this.#room(4).setUint32(this.#at - 4, value);
    return this;
  }

  i32(value: number): this {
    this.#room(4).setInt32(this.#at - 4, value);
    return this;
  }

  lsn(value: Lsn): this {
    return this.#i64(value);
  }

  timeUs(value: number): this {
    return this.#i64(value - POSTGRES_EPOCH_US);
  }

  cString(text: string): this {
    return this.raw(utf8.encode(text)).u8(0);
  }

  /** With its length in front. */
  text(text: string): this {
    const encoded = utf8.encode(text);
    return this.u32(encoded.byteLength).raw(encoded);
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.byteLength);
    this.#bytes.set(bytes, this.#at - bytes.byteLength);
    return this;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  #i64(value: number): this {
    const high = Math.floor(value / 0x1_0000_0000);
    return this.i32(high).u32(value - high * 0x1_0000_0000);
  }

  /** Moves on by `length`, and returns the view that then covers it. */
  #room(length: number): DataView {
    this.#at += length;
    if (this.#at > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(this.#bytes.byteLength * 2, this.#at));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return this.#view;
  }
}
