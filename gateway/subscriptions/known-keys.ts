import type { RowKey } from '#core/row-key.ts';

/**
 * Which rows a subscription was shown: only then may it be told that one is gone. Bounded; of what was
 * forgotten under row-level security, nothing more is said than when it is seen again.
 */
export class KnownKeys {
  readonly #max: number;
  readonly #keys = new Set<RowKey>();

  constructor(max: number) {
    this.#max = max;
  }

  has(key: RowKey): boolean {
    return this.#keys.has(key);
  }

  add(key: RowKey): void {
    // Again at the end: the longest unmentioned is forgotten first.
    this.#keys.delete(key);
    this.#keys.add(key);
    if (this.#keys.size <= this.#max) return;
    const [oldest] = this.#keys;
    if (oldest !== undefined) this.#keys.delete(oldest);
  }

  remove(key: RowKey): void {
    this.#keys.delete(key);
  }

  clear(): readonly RowKey[] {
    const keys = [...this.#keys];
    this.#keys.clear();
    return keys;
  }
}
