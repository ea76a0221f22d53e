import { assert } from '#core/assert.ts';

/**
 * A hash of everything that happened, fed piece by piece. Integers and UTF-16 code units only: nothing
 * is formatted, so it is the same on every machine. Two lanes of 32 bits with different multipliers; it
 * tells runs apart, it does not resist an adversary.
 */
export class TraceHash {
  #low = 0x811c9dc5 | 0;
  #high = 0x9e3779b9 | 0;

  get low(): number {
    return this.#low >>> 0;
  }

  get high(): number {
    return this.#high >>> 0;
  }

  /** A safe integer; anything else would differ between machines or lose bits. */
  number(value: number): void {
    assert(Number.isSafeInteger(value), () => `a trace holds integers only, not ${value}`);
    this.#word(value | 0);
    this.#word(Math.floor(value / 2 ** 32) | 0);
  }

  text(value: string): void {
    for (let at = 0; at < value.length; at++) this.#word(value.charCodeAt(at));
    this.#word(value.length ^ 0x5bd1e995);
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    return hex(this.#high) + hex(this.#low);
  }

  #word(word: number): void {
    const low = Math.imul(this.#low ^ word, 0x01000193);
    this.#low = low ^ (low >>> 15);
    const high = Math.imul(this.#high ^ Math.imul(word, 0xcc9e2d51 | 0), 0x1b873593);
    this.#high = high ^ (high >>> 13) ^ (this.#low >>> 7);
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
