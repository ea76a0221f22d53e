import type { Socket } from 'node:net';

/** What may wait in a delay line before its source is paused. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

type Item = { readonly due: number; readonly chunk: Buffer | 'end' };

/**
 * One direction of a proxied connection. Bytes leave in the order they came, each after the delay;
 * without a delay they pass straight through. Whoever sends faster than the other end reads, or
 * than the line can hold, is paused.
 */
export class DelayLine {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #delayMs: () => number;
  readonly #delivered: (bytes: number) => void;
  #waiting: Item[] = [];
  #waitingBytes = 0;
  #targetFull = false;
  #timer: NodeJS.Timeout | undefined;
  #state: 'moving' | 'stopped' = 'moving';

  constructor(
    source: Socket,
    target: Socket,
    delayMs: () => number,
    delivered: (bytes: number) => void,
  ) {
    this.#source = source;
    this.#target = target;
    this.#delayMs = delayMs;
    this.#delivered = delivered;
    source.on('data', (chunk: Buffer) => this.#accept(chunk));
    source.on('end', () => this.#accept('end'));
    target.on('drain', () => {
      this.#targetFull = false;
      this.#advance();
    });
  }

  /** Stops for good: what waits is lost, and the source is read no more. */
  stop(): void {
    this.#state = 'stopped';
    this.#source.pause();
    clearTimeout(this.#timer);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #accept(chunk: Buffer | 'end'): void {
    if (this.#state === 'stopped') return;
    const delayMs = this.#delayMs();
    if (delayMs === 0 && this.#waiting.length === 0 && !this.#targetFull) {
      this.#deliver(chunk);
    } else {
      // A delay that has shrunk must not let later bytes overtake earlier ones.
      const previous = this.#waiting.at(-1)?.due ?? 0;
      this.#waiting.push({ due: Math.max(previous, performance.now() + delayMs), chunk });
      if (chunk !== 'end') this.#waitingBytes += chunk.length;
      this.#advance();
    }
    if (this.#mustPause()) this.#source.pause();
  }

  #mustPause(): boolean {
    return this.#targetFull || this.#waitingBytes > WAITING_BYTES_MAX;
  }

  /** Delivers what is due, sets the clock for the next, and lets the source go on. */
  #advance(): void {
    if (this.#state === 'stopped') return;
    const now = performance.now();
    let count = 0;
    while (!this.#targetFull) {
      const item = this.#waiting[count];
      if (item === undefined || item.due > now) break;
      if (item.chunk !== 'end') this.#waitingBytes -= item.chunk.length;
      this.#deliver(item.chunk);
      count += 1;
    }
    this.#waiting.splice(0, count);
    this.#setClock(now);
    if (!this.#mustPause() && this.#source.isPaused()) this.#source.resume();
  }

  #setClock(now: number): void {
    clearTimeout(this.#timer);
    const [next] = this.#waiting;
    if (next === undefined || this.#targetFull) return;
    this.#timer = setTimeout(() => this.#advance(), Math.max(0, next.due - now));
  }

  #deliver(chunk: Buffer | 'end'): void {
    if (chunk === 'end') {
      this.#target.end();
      return;
    }
    this.#delivered(chunk.length);
    this.#targetFull = !this.#target.write(chunk);
  }
}
