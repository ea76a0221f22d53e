import { Socket } from 'node:net';
import type { SocketConstructorOpts } from 'node:net';

/** More socket reads than this within so long, and reading rests: some 500 small transactions a second. */
const BUSY_READS = 24;
const BUSY_WINDOW_MS = 10;
const REST_MS = 2;
/** So many reads in a row that brought less than so much, between rests: the flood is over. */
const POOR_READS_MAX = 3;
const POOR_READ_BYTES = 256;
/** Node's read size: a read that fills it left more in the kernel, so there is no point in a rest. */
const FULL_READ_BYTES = 65_536;

/** What the gate needs of a socket. */
export interface Pausable {
  pause(): unknown;
  resume(): unknown;
}

/**
 * A socket whose pause() stops reading after at most one more chunk. With Node's default mark it would
 * go on reading tiny chunks up to 64 kB: exactly the work that a rest is meant to save.
 */
export function promptlyPausingSocket(): Socket {
  const options: SocketConstructorOpts & { readonly readableHighWaterMark: number } = {
    readableHighWaterMark: 1,
  };
  return new Socket(options);
}

/**
 * Decides when to read. The walsender writes one tiny chunk per message: while messages pour in, a
 * rest of two milliseconds turns a hundred reads into one and takes a tenth of the CPU. Under light load it
 * reads at once, because then the rest would be all of the lag.
 */
export class ReadGate {
  readonly #socket: Pausable;
  #windowStartMs = 0;
  #windowReads = 0;
  #poorReads = 0;
  #flood = false;
  #rest: NodeJS.Timeout | null = null;
  #full = false;
  #closed = false;

  constructor(socket: Pausable) {
    this.#socket = socket;
  }

  /** We do not read because our own consumer is behind: silence then says nothing about the server. */
  get isFull(): boolean {
    return this.#full;
  }

  setFull(full: boolean): void {
    if (full === this.#full) return;
    this.#full = full;
    this.#settle();
  }

  afterRead(bytes: number): void {
    if (this.#flood) this.#flood = this.#isStillFlood(bytes);
    else this.#flood = this.#isFlood();
    if (!this.#flood || bytes >= FULL_READ_BYTES || this.#rest !== null || this.#closed) return;
    this.#rest = setTimeout(() => {
      this.#rest = null;
      this.#settle();
    }, REST_MS);
    this.#settle();
  }

  close(): void {
    if (this.#rest !== null) clearTimeout(this.#rest);
    this.#rest = null;
    this.#closed = true;
  }

  #isFlood(): boolean {
    const now = performance.now();
    if (now - this.#windowStartMs > BUSY_WINDOW_MS) {
      this.#windowStartMs = now;
      this.#windowReads = 0;
    }
    this.#windowReads += 1;
    this.#poorReads = 0;
    return this.#windowReads > BUSY_READS;
  }

  // The first read after pause() is the one chunk that was still on its way, so one poor read says nothing.
  #isStillFlood(bytes: number): boolean {
    this.#poorReads = bytes < POOR_READ_BYTES ? this.#poorReads + 1 : 0;
    return this.#poorReads < POOR_READS_MAX;
  }

  #settle(): void {
    if (this.#closed) return;
    if (this.#full || this.#rest !== null) this.#socket.pause();
    else this.#socket.resume();
  }
}
