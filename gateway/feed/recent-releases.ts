import type { Release } from '#gateway/feed/release-order.ts';
import { covers } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';

/** What was released last, bounded: where a resumed subscription meets the present. */
export class RecentReleases {
  readonly #bytesMax: number;
  readonly #countMax: number;
  #releases: Release[] = [];
  #bytes = 0;
  /** Everything before the first one that is kept. */
  #base: VersionVector;

  constructor(base: VersionVector, bytesMax: number, countMax: number) {
    this.#base = base;
    this.#bytesMax = bytesMax;
    this.#countMax = countMax;
  }

  push(release: Release): void {
    this.#releases.push(release);
    this.#bytes += release.transaction.bytes;
    if (this.#releases.length <= this.#countMax && this.#bytes <= this.#bytesMax) return;
    // Down to half at once: dropping them one by one would move the whole array each time.
    let drop = 0;
    while (
      drop < this.#releases.length &&
      (this.#releases.length - drop > this.#countMax / 2 || this.#bytes > this.#bytesMax / 2)
    ) {
      const oldest = this.#releases[drop];
      if (oldest === undefined) break;
      this.#bytes -= oldest.transaction.bytes;
      this.#base = oldest.cursor;
      drop++;
    }
    this.#releases = this.#releases.slice(drop);
  }

  /** What follows `cursor`; null when some of it is no longer kept. */
  after(cursor: VersionVector): readonly Release[] | null {
    if (!covers(cursor, this.#base)) return null;
    return this.#releases.filter(({ transaction: { header } }) => {
      return header.sequence > (cursor.get(header.replica) ?? 0);
    });
  }
}
