import type { RandomStreams, Scheduler } from '#sim/kernel/ports.ts';
import { Path } from '#sim/network/path.ts';
import type { PathProfile } from '#sim/network/path.ts';

/** Between machines of one site. */
const WITHIN_SITE: PathProfile = { latencyUs: 60, jitterUs: 40, bytesPerSecond: null };

export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly streams: RandomStreams;
  /** By directed pair of sites, `eu>us`. */
  readonly profiles: ReadonlyMap<string, PathProfile>;
}

/** All directed paths between sites, made when they are first used. */
export class Network {
  readonly #options: NetworkOptions;
  readonly #paths = new Map<string, Path>();

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  path(from: string, to: string): Path {
    const name = `${from}>${to}`;
    const known = this.#paths.get(name);
    if (known !== undefined) return known;
    const { scheduler, streams, profiles } = this.#options;
    const profile = profiles.get(name) ?? WITHIN_SITE;
    const path = new Path(scheduler, streams.stream(`net/${name}`), profile);
    this.#paths.set(name, path);
    return path;
  }
}
