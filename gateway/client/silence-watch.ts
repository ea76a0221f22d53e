/** Never shorter: two pings of a far region on a bad day. */
const SILENCE_MIN_MS = 400;
const SILENCE_MAX_MS = 5000;
/** What has arrived while this process was busy is read before a peer is given up. */
const GRACE_MS = 30;

/**
 * Says when a peer that was pinged has been silent for too long. How long that is follows from how long
 * its answers took lately: a busy peer, or a busy process of our own, is not a dead one.
 */
export class SilenceWatch {
  readonly #giveUp: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #askedMs: number | null = null;
  #worstMs = 0;

  constructor(giveUp: () => void) {
    this.#giveUp = giveUp;
  }

  asked(): void {
    this.stop();
    this.#askedMs = performance.now();
    const patience = Math.min(SILENCE_MAX_MS, Math.max(SILENCE_MIN_MS, this.#worstMs * 3));
    this.#timer = setTimeout(() => {
      this.#timer = setTimeout(this.#giveUp, GRACE_MS);
    }, patience);
  }

  /** Anything at all: the peer lives. */
  heard(): void {
    if (this.#askedMs !== null) {
      this.#worstMs = Math.max(this.#worstMs * 0.9, performance.now() - this.#askedMs);
      this.#askedMs = null;
    }
    clearTimeout(this.#timer);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#askedMs = null;
  }
}
