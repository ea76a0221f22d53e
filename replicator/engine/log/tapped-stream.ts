import type { LogBounds, LogEntry, LogStream } from '#replicator/engine/log-port.ts';
import { Signal } from '#replicator/engine/signal.ts';

/** What may wait in memory; what does not fit is read from the store. */
const HELD_BYTES_MAX = 4 * 1024 * 1024;
const ENTRY_BYTES = 200;

/**
 * A stream whose only writer here is also its reader's source: an entry that the store has acknowledged
 * goes to the reader from memory, under the position that the acknowledgement named. Positions have no
 * gaps, so the reader knows which entry is next, and takes from the store whatever it cannot get here:
 * what was stored before, what did not fit, what somebody else appended, and anything from a failed append
 * on, until one succeeds that follows what it has read. Nothing is handed over before it is stored (T8).
 */
export class TappedStream implements LogStream {
  readonly #stream: LogStream;
  readonly #heldBytesMax: number;
  readonly #changed = new Signal();
  /** Consecutive entries, ending just before `#end`. */
  #held: LogEntry[] = [];
  #heldBytes = 0;
  /** The position that the next acknowledged append has, if nobody else appends; null when that is in doubt. */
  #end: number | null = null;

  constructor(stream: LogStream, heldBytesMax = HELD_BYTES_MAX) {
    this.#stream = stream;
    this.#heldBytesMax = heldBytesMax;
  }

  bounds(): Promise<LogBounds> {
    return this.#stream.bounds();
  }

  async lastEntry(): Promise<LogEntry | null> {
    const last = await this.#stream.lastEntry();
    if (this.#end !== null && (last?.position ?? 0) !== this.#end - 1) this.#doubt();
    return last;
  }

  entryAt(position: number): Promise<LogEntry | null> {
    return this.#stream.entryAt(position);
  }

  async append(frame: Uint8Array, expectedLast: number): Promise<number> {
    try {
      const position = await this.#stream.append(frame, expectedLast);
      this.#hold({ position, frame });
      return position;
    } catch (error) {
      this.#doubt();
      throw error;
    }
  }

  /** One reader at a time is served from memory; what it has passed is let go of. */
  async *read(position: number, signal: AbortSignal): AsyncGenerator<readonly LogEntry[]> {
    let next = position;
    while (!signal.aborted) {
      if (this.#serves(next)) {
        const entries = this.#take(next);
        next += entries.length;
        if (entries.length > 0) yield entries;
        else await this.#changed.wait(signal);
        continue;
      }
      for await (const entries of this.#stream.read(next, signal)) {
        yield entries;
        next = (entries.at(-1)?.position ?? next - 1) + 1;
        if (this.#serves(next)) break;
      }
    }
  }

  trim(position: number): Promise<void> {
    return this.#stream.trim(position);
  }

  /** Whether the entry at `next` is here, or will be the next to come. */
  #serves(next: number): boolean {
    if (next === this.#end) return true;
    const first = this.#held[0];
    return (
      first !== undefined && next >= first.position && next < first.position + this.#held.length
    );
  }

  #take(next: number): readonly LogEntry[] {
    const first = this.#held[0]?.position ?? next;
    const entries = this.#held.slice(next - first);
    this.#held = [];
    this.#heldBytes = 0;
    return entries;
  }

  #hold(entry: LogEntry): void {
    const bytes = entry.frame.length + ENTRY_BYTES;
    const follows = this.#held.length === 0 || this.#end === entry.position;
    if (!follows || this.#heldBytes + bytes > this.#heldBytesMax) {
      this.#doubt();
      return;
    }
    this.#held.push(entry);
    this.#heldBytes += bytes;
    this.#end = entry.position + 1;
    this.#changed.raise();
  }

  /** What is held stays good; what comes after it is to be read from the store. */
  #doubt(): void {
    this.#end = null;
    this.#changed.raise();
  }
}
