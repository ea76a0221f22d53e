import { must } from '#core/assert.ts';
import type { RegionId } from '#core/region.ts';
import { EMPTY_VECTOR } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { ChangeFeed, FEED_LIMITS } from '#gateway/feed/change-feed.ts';
import { REGIONS } from '#tests/gateway/feed/logged-history.ts';
import { SILENT } from '#tests/replicator/engine/manual-time.ts';
import type { ManualTime } from '#tests/replicator/engine/manual-time.ts';
import { MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';

/** A region's feed over logs in memory, and a database that shows what the test says. */
export class RegionFeed {
  readonly feed: ChangeFeed;
  readonly logs = new Map(REGIONS.map((region) => [region, new MemoryStream()]));
  applied: VersionVector = EMPTY_VECTOR;
  readonly #stop = new AbortController();

  constructor(region: RegionId, time: ManualTime) {
    this.feed = new ChangeFeed(
      {
        streams: (origin) => Promise.resolve(this.logs.get(origin) ?? null),
        readApplied: () => Promise.resolve(this.applied),
        clock: time,
        timers: time,
        logger: SILENT,
      },
      { own: region, regions: REGIONS, ...FEED_LIMITS },
    );
    void this.feed.run(this.#stop.signal);
  }

  log(origin: RegionId): MemoryStream {
    return must(this.logs.get(origin), 'log');
  }

  stop(): void {
    this.#stop.abort();
  }
}
