import type { Clock } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';

/** What is known of one origin's stream here, for status and metrics. */
export interface OriginProgress {
  /** Newest frame read from the local copy. */
  received: FrameHeader | null;
  /** When it was read, by the monotonic clock. */
  receivedMs: number | null;
  /** Smallest (local clock − origin's clock) seen lately: transit time plus clock difference. */
  offsetUs: number | null;
}

const OFFSET_DECAY = 0.98;

/** Follows every origin's newest frame and how its clock compares with ours. */
export class Progress {
  readonly #origins = new Map<RegionId, OriginProgress>();

  origin(region: RegionId): OriginProgress {
    let progress = this.#origins.get(region);
    if (progress === undefined) {
      progress = { received: null, receivedMs: null, offsetUs: null };
      this.#origins.set(region, progress);
    }
    return progress;
  }

  saw(region: RegionId, header: FrameHeader, clock: Clock): void {
    const progress = this.origin(region);
    progress.received = header;
    progress.receivedMs = clock.monotonicMs();
    const offset = clock.wallUs() - header.wallUs;
    // The least delay is nearest the truth; it drifts up slowly so that a corrected clock shows.
    const known = progress.offsetUs;
    progress.offsetUs =
      known === null || offset < known ? offset : known + (offset - known) * (1 - OFFSET_DECAY);
  }
}
