import type { RandomStream, Scheduler } from '#sim/kernel/ports.ts';

/** How one direction between two sites behaves when nothing is wrong. */
export interface PathProfile {
  readonly latencyUs: number;
  /** Mean of an exponential addition. */
  readonly jitterUs: number;
  /** Null: as much as is sent. */
  readonly bytesPerSecond: number | null;
}

/** `stopped`: nothing passes, TCP goes on trying. `jammed`: held in the way, released at once. */
export type PathState = 'open' | 'stopped' | 'jammed';

interface Held {
  readonly bytes: number;
  readonly pass: (delayUs: number) => void;
}

const RETRANSMIT_MIN_US = 200_000;
const RETRANSMIT_MAX_US = 2_000_000;
const LOSSES_MAX = 8;

/**
 * One direction between two sites, as a TCP connection experiences it: what is lost comes later, in
 * order. Each fault counts its causes, so that overlapping ones end independently.
 */
export class Path {
  readonly #scheduler: Scheduler;
  readonly #random: RandomStream;
  readonly #profile: PathProfile;
  readonly #slowdowns = new Set<{ readonly addUs: number; readonly jitterUs: number }>();
  readonly #losses = new Set<{ readonly probability: number }>();
  #stops = 0;
  #jams = 0;
  #busyUntilUs = 0;
  #held: Held[] = [];
  #stoppedAtUs = 0;

  constructor(scheduler: Scheduler, random: RandomStream, profile: PathProfile) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#profile = profile;
  }

  get state(): PathState {
    if (this.#stops > 0) return 'stopped';
    return this.#jams > 0 ? 'jammed' : 'open';
  }

  /** Calls `pass` with how long the bytes take from now; when nothing passes, later. */
  send(bytes: number, pass: (delayUs: number) => void): void {
    if (this.state === 'open') pass(this.#delayUs(bytes));
    else this.#held.push({ bytes, pass });
  }

  stop(): () => void {
    this.#stops++;
    this.#stoppedAtUs = this.#scheduler.nowUs();
    return once(() => {
      this.#stops--;
      this.#release();
    });
  }

  jam(): () => void {
    this.#jams++;
    return once(() => {
      this.#jams--;
      this.#release();
    });
  }

  slow(addUs: number, jitterUs: number): () => void {
    const slowdown = { addUs, jitterUs };
    this.#slowdowns.add(slowdown);
    return () => void this.#slowdowns.delete(slowdown);
  }

  lose(probability: number): () => void {
    const loss = { probability };
    this.#losses.add(loss);
    return () => void this.#losses.delete(loss);
  }

  #delayUs(bytes: number): number {
    const { latencyUs, jitterUs, bytesPerSecond } = this.#profile;
    let delay = latencyUs + this.#jitterUs(jitterUs);
    for (const { addUs, jitterUs: more } of this.#slowdowns) delay += addUs + this.#jitterUs(more);
    for (const { probability } of this.#losses) delay += this.#retransmitUs(probability);
    if (bytesPerSecond === null) return delay;
    const now = this.#scheduler.nowUs();
    const begin = Math.max(now, this.#busyUntilUs);
    this.#busyUntilUs = begin + Math.ceil((bytes / bytesPerSecond) * 1_000_000);
    return delay + this.#busyUntilUs - now;
  }

  #jitterUs(mean: number): number {
    return mean === 0 ? 0 : Math.round(this.#random.exponential(mean));
  }

  /** A lost segment is sent again after a time that doubles; what is behind it waits. */
  #retransmitUs(probability: number): number {
    let delay = 0;
    for (let losses = 0; losses < LOSSES_MAX && this.#random.chance(probability); losses++) {
      delay += Math.min(RETRANSMIT_MAX_US, RETRANSMIT_MIN_US * 2 ** losses);
    }
    return delay;
  }

  #release(): void {
    if (this.state !== 'open') return;
    // TCP's next try after an outage comes the later the longer it was.
    const outage = this.#scheduler.nowUs() - this.#stoppedAtUs;
    const wait = Math.min(RETRANSMIT_MAX_US, outage);
    const until = this.#stoppedAtUs === 0 ? 0 : this.#random.between(0, wait);
    this.#stoppedAtUs = 0;
    const held = this.#held;
    this.#held = [];
    for (const { bytes, pass } of held) pass(until + this.#delayUs(bytes));
  }
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    run();
  };
}
