import { EverywriteError } from '#core/errors.ts';
import type { ErrorCode } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import type { LogBounds, LogEntry, LogStore, LogStream } from '#replicator/engine/log-port.ts';

/** What becomes of one append: stored and said so, refused, or the answer lost on the way. */
export type Fate = 'stored' | 'full' | 'lost' | 'unanswered';

/** JetStream's stream as the engine sees it: expected-sequence, unknown outcomes, lost tails. */
export class MemoryStream implements LogStream {
  readonly entries: LogEntry[] = [];
  /** Decides each append's fate; called before it is stored. */
  fate: (frame: Uint8Array) => Fate = () => 'stored';
  #last = 0;
  #wake = new Set<() => void>();

  bounds(): Promise<LogBounds> {
    const first = this.entries[0]?.position ?? this.#last + 1;
    return Promise.resolve({ first, last: this.#last, bytes: 0 });
  }

  lastEntry(): Promise<LogEntry | null> {
    return Promise.resolve(this.entries.at(-1) ?? null);
  }

  entryAt(position: number): Promise<LogEntry | null> {
    return Promise.resolve(this.entries.find((entry) => entry.position === position) ?? null);
  }

  append(frame: Uint8Array, expectedLast: number): Promise<number> {
    const fate = this.fate(frame);
    if (fate === 'full') return refuse('LOG_FULL');
    if (fate === 'lost') return refuse('LOG_UNREACHABLE');
    if (expectedLast !== this.#last) return refuse('LOG_FENCED');
    this.store(frame);
    return fate === 'stored' ? Promise.resolve(this.#last) : refuse('LOG_UNREACHABLE');
  }

  /** As another replicator, or the server itself, would. */
  store(frame: Uint8Array): void {
    this.#last++;
    this.entries.push({ position: this.#last, frame: Uint8Array.from(frame) });
    for (const wake of this.#wake) wake();
  }

  /** A power cut took the newest entries, which had been acknowledged. */
  loseTail(count: number): void {
    this.entries.splice(Math.max(0, this.entries.length - count));
    this.#last = this.entries.at(-1)?.position ?? 0;
  }

  async *read(position: number, signal: AbortSignal): AsyncGenerator<readonly LogEntry[]> {
    let next = position;
    while (!signal.aborted) {
      const ready = this.entries.filter((entry) => entry.position >= next).slice(0, 3);
      if (ready.length === 0) {
        await this.#arrival(signal);
        continue;
      }
      yield ready;
      next = (ready.at(-1)?.position ?? next) + 1;
    }
  }

  trim(position: number): Promise<void> {
    const kept = this.entries.filter((entry) => entry.position >= position);
    this.entries.splice(0, this.entries.length, ...kept);
    return Promise.resolve();
  }

  #arrival(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wake.delete(done);
        resolve();
      };
      this.#wake.add(done);
      signal.addEventListener('abort', done);
    });
  }
}

/** One region's JetStream. */
export class MemoryStore implements LogStore {
  readonly streams = new Map<RegionId, MemoryStream>();
  isUp = true;

  stream(origin: RegionId): Promise<LogStream | null> {
    return Promise.resolve(this.streams.get(origin) ?? null);
  }

  connected(): boolean {
    return this.isUp;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function refuse(code: ErrorCode): Promise<never> {
  return Promise.reject(new EverywriteError({ code, recovery: 'retry', message: code }));
}
