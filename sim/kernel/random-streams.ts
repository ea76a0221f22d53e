import { must } from '#core/assert.ts';
import type { RandomStream, RandomStreams } from '#sim/kernel/ports.ts';
import { TraceHash } from '#sim/kernel/trace-hash.ts';

/** Streams by name: the state of each begins as a hash of (seed, name), so that none can shift another. */
export class SeededStreams implements RandomStreams {
  readonly #seed: number;
  readonly #streams = new Map<string, SeededStream>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  stream(name: string): SeededStream {
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    const stream = new SeededStream(this.#seed, name);
    this.#streams.set(name, stream);
    return stream;
  }
}

const WARM_UP_DRAWS = 12;

/** sfc32: 128 bits of state, 32-bit integer arithmetic only, so the same on every machine. */
export class SeededStream implements RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, name: string) {
    const hash = new TraceHash();
    hash.number(seed);
    hash.text(name);
    this.#a = hash.low;
    this.#b = hash.high;
    hash.text('third');
    this.#c = hash.low;
    for (let draw = 0; draw < WARM_UP_DRAWS; draw++) this.u32();
  }

  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return sum >>> 0;
  }

  uniform(): number {
    const high = this.u32() >>> 6;
    const low = this.u32() >>> 5;
    return (high * 2 ** 27 + low) / 2 ** 53;
  }

  between(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return must(items[this.between(0, items.length - 1)], 'an item to pick');
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.uniform());
  }
}
