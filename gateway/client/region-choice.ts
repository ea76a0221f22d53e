/** One region's gateway, as a client reaches it. */
export interface RegionAddress {
  readonly name: string;
  /** `https://eu.example.com/graphql` */
  readonly url: string;
  /** Where its sockets are; `url` with `ws` instead of `http` when left out. */
  readonly socketUrl?: string;
}

interface Known {
  readonly address: RegionAddress;
  failures: number;
  /** Not to be chosen before, unless all are down. */
  downUntilMs: number;
  roundTripMs: number;
}

const DOWN_MIN_MS = 1000;
const DOWN_MAX_MS = 30_000;
/** A region this much nearer is worth moving to. */
const NEARER_BY = 0.5;

/** Which region to talk to: the nearest that answers; stays there until it fails. */
export class RegionChoice {
  readonly #regions: readonly Known[];
  readonly #now: () => number;
  #current: Known;
  /** Called when another region is chosen. */
  onChange: (from: string, to: string) => void = () => undefined;

  constructor(regions: readonly RegionAddress[], now: () => number) {
    const known = regions.map((address): Known => {
      return { address, failures: 0, downUntilMs: 0, roundTripMs: Number.POSITIVE_INFINITY };
    });
    const [first] = known;
    if (first === undefined) throw new RangeError('a client needs at least one region');
    this.#regions = known;
    this.#current = first;
    this.#now = now;
  }

  get current(): RegionAddress {
    return this.#current.address;
  }

  get all(): readonly RegionAddress[] {
    return this.#regions.map(({ address }) => address);
  }

  /** Another region than those, the nearest that is not known to be down; null when there is none. */
  another(than: readonly string[]): RegionAddress | null {
    return (
      this.#best(this.#regions.filter(({ address }) => !than.includes(address.name)))?.address ??
      null
    );
  }

  answered(name: string, roundTripMs: number): void {
    const region = this.#named(name);
    if (region === undefined) return;
    region.failures = 0;
    region.downUntilMs = 0;
    // The least of late: what is slow now and then is not far away.
    region.roundTripMs = Math.min(region.roundTripMs * 1.1, roundTripMs);
  }

  /** It does not answer: if it is the current one, the next is chosen. */
  failed(name: string): void {
    const region = this.#named(name);
    if (region === undefined) return;
    const wait = Math.min(DOWN_MAX_MS, DOWN_MIN_MS * 2 ** Math.min(region.failures, 10));
    region.failures++;
    region.downUntilMs = this.#now() + wait;
    if (region === this.#current)
      this.#choose(this.#best(this.#regions.filter((r) => r !== region)));
  }

  /** Moves to a region that is up and much nearer; to be called after a probe. */
  reconsider(): void {
    const best = this.#best(this.#regions);
    const down = this.#current.downUntilMs > this.#now();
    if (best === undefined || best === this.#current) return;
    if (down || best.roundTripMs < this.#current.roundTripMs * NEARER_BY) this.#choose(best);
  }

  #choose(region: Known | undefined): void {
    if (region === undefined || region === this.#current) return;
    const from = this.#current.address.name;
    this.#current = region;
    this.onChange(from, region.address.name);
  }

  #best(among: readonly Known[]): Known | undefined {
    const now = this.#now();
    const up = among.filter(({ downUntilMs }) => downUntilMs <= now);
    // All are down: the one that is to be tried again first.
    if (up.length === 0) return least(among, ({ downUntilMs }) => downUntilMs);
    return least(up, ({ roundTripMs }) => roundTripMs);
  }

  #named(name: string): Known | undefined {
    return this.#regions.find(({ address }) => address.name === name);
  }
}

function least<Item>(items: readonly Item[], of: (item: Item) => number): Item | undefined {
  let best: Item | undefined;
  for (const item of items) if (best === undefined || of(item) < of(best)) best = item;
  return best;
}
