import { must } from '#core/assert.ts';
import type { PgText } from '#core/relation.ts';
import type { DataType } from '#sim/pg/data-type.ts';
import type { RowVersion } from '#sim/pg/row-version.ts';

const SEPARATOR = '\u0000';

/** Row versions by the value of some columns; dead ones stay until they are pruned. */
export class KeyIndex {
  readonly name: string;
  readonly columns: readonly number[];
  readonly unique: boolean;
  readonly #types: readonly DataType[];
  readonly #buckets = new Map<string, RowVersion[]>();

  constructor(
    name: string,
    columns: readonly number[],
    types: readonly DataType[],
    unique: boolean,
  ) {
    this.name = name;
    this.columns = columns;
    this.#types = types;
    this.unique = unique;
  }

  /** Null when a part is null: such rows are in no unique index's way and no foreign key's. */
  keyOf(values: readonly PgText[]): string | null {
    const [only] = this.columns;
    if (this.columns.length === 1 && only !== undefined) {
      const value = values[only] ?? null;
      return value === null ? null : must(this.#types[0], 'type').canonical(value);
    }
    const parts: string[] = [];
    for (const [at, column] of this.columns.entries()) {
      const value = values[column] ?? null;
      if (value === null) return null;
      parts.push(must(this.#types[at], 'type').canonical(value));
    }
    return parts.join(SEPARATOR);
  }

  /** From texts as somebody wrote them. */
  keyOfParts(parts: readonly string[]): string {
    return parts
      .map((part, at) => {
        const type = must(this.#types[at], 'type');
        return type.canonical(type.input(part));
      })
      .join(SEPARATOR);
  }

  versions(key: string): readonly RowVersion[] {
    return this.#buckets.get(key) ?? NONE;
  }

  add(version: RowVersion, isDead: (version: RowVersion) => boolean): void {
    const key = this.keyOf(version.values);
    if (key === null) return;
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, [version]);
    else {
      if (bucket.length >= PRUNE_AT) prune(bucket, isDead);
      bucket.push(version);
    }
  }

  buckets(): IterableIterator<readonly RowVersion[]> {
    return this.#buckets.values();
  }

  vacuum(isDead: (version: RowVersion) => boolean): void {
    for (const [key, bucket] of this.#buckets) {
      prune(bucket, isDead);
      if (bucket.length === 0) this.#buckets.delete(key);
    }
  }
}

const NONE: readonly RowVersion[] = [];
const PRUNE_AT = 4;

function prune(bucket: RowVersion[], isDead: (version: RowVersion) => boolean): void {
  let kept = 0;
  for (const version of bucket) {
    if (isDead(version)) continue;
    bucket[kept] = version;
    kept++;
  }
  bucket.length = kept;
}
