/** The server speaks up after half of wal_sender_timeout, so a whole one is two missed keepalives. */
const BEATS_PER_TIMEOUT = 4;
const BEAT_MS_WITHOUT_TIMEOUT = 10_000;
const PATIENCE_MAX = 16;
const PATIENCE_MEMORY_MS = 3_600_000;

/**
 * How many timeouts of silence we bear, remembered over connections. A walsender that assembles or
 * filters a huge transaction says nothing for minutes: giving up at the same point every time would
 * make it begin again for ever.
 */
export class Patience {
  #timeouts = 1;
  #lostAtMs = Number.NEGATIVE_INFINITY;

  get timeouts(): number {
    return performance.now() - this.#lostAtMs < PATIENCE_MEMORY_MS ? this.#timeouts : 1;
  }

  lost(): void {
    this.#timeouts = Math.min(this.timeouts * 2, PATIENCE_MAX);
    this.#lostAtMs = performance.now();
  }
}

/** How often we speak, and every time ask the server to answer. */
export function beatIntervalMs(walSenderTimeoutMs: number): number {
  if (walSenderTimeoutMs === 0) return BEAT_MS_WITHOUT_TIMEOUT;
  return Math.max(1, Math.floor(walSenderTimeoutMs / BEATS_PER_TIMEOUT));
}

/**
 * Tells a dead connection from a quiet one: every beat asks for an answer. It counts beats, not time,
 * so that a process that was itself suspended does not blame the server.
 */
export class InboundWatchdog {
  readonly #patience: Patience;
  readonly #enabled: boolean;
  #heard = true;
  #silentBeats = 0;

  constructor(patience: Patience, walSenderTimeoutMs: number) {
    this.#patience = patience;
    this.#enabled = walSenderTimeoutMs > 0;
  }

  heard(): void {
    this.#heard = true;
  }

  /** At every beat; true when the connection is to be given up. `listening`: we do read. */
  isDead(listening: boolean): boolean {
    this.#silentBeats = this.#heard || !listening ? 0 : this.#silentBeats + 1;
    this.#heard = false;
    const dead = this.#silentBeats >= BEATS_PER_TIMEOUT * this.#patience.timeouts;
    if (!this.#enabled || !dead) return false;
    this.#patience.lost();
    return true;
  }
}
