import type { Trace, TraceValue } from '#sim/kernel/ports.ts';
import { TraceHash } from '#sim/kernel/trace-hash.ts';

export type TraceFields = Readonly<Record<string, TraceValue>>;

/** One named point of a run. */
export interface TraceEntry {
  readonly atUs: number;
  readonly name: string;
  readonly fields: TraceFields;
  /** The hash of the run up to and with this point. */
  readonly low: number;
  readonly high: number;
}

export type TraceListener = (entry: TraceEntry) => void;

const NO_FIELDS: TraceFields = {};

/** The run's trace: hashed always, kept when asked to, and told to who waits for a point. */
export class RunTrace implements Trace {
  readonly #hash = new TraceHash();
  readonly #nowUs: () => number;
  readonly #kept: TraceEntry[] | null;
  readonly #byName = new Map<string, Set<TraceListener>>();
  readonly #everything = new Set<TraceListener>();
  #points = 0;

  constructor(nowUs: () => number, keep: boolean) {
    this.#nowUs = nowUs;
    this.#kept = keep ? [] : null;
  }

  get points(): number {
    return this.#points;
  }

  /** What was kept; empty when the run keeps none. */
  get entries(): readonly TraceEntry[] {
    return this.#kept ?? [];
  }

  digest(): string {
    return this.#hash.digest();
  }

  point(name: string, fields: TraceFields = NO_FIELDS): void {
    const atUs = this.#nowUs();
    this.#points++;
    this.#hash.number(atUs);
    this.#hash.text(name);
    for (const field in fields) {
      this.#hash.text(field);
      this.#value(fields[field] ?? null);
    }
    const listeners = this.#byName.get(name);
    if (this.#kept === null && listeners === undefined && this.#everything.size === 0) return;
    const entry = { atUs, name, fields, low: this.#hash.low, high: this.#hash.high };
    this.#kept?.push(entry);
    // A copy: a listener may take itself back.
    for (const listener of [...(listeners ?? []), ...this.#everything]) listener(entry);
  }

  /** What the kernel does itself: hashed, not a point that anyone waits for. */
  step(atUs: number, order: number): void {
    this.#hash.number(atUs);
    this.#hash.number(order);
  }

  /**
   * Calls `run` at every point of this name, while it is being traced: whoever kills a process here kills
   * it exactly here. Returns how to take it back.
   */
  on(name: string, run: TraceListener): () => void {
    const listeners = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, listeners);
    listeners.add(run);
    return () => {
      listeners.delete(run);
      if (listeners.size === 0) this.#byName.delete(name);
    };
  }

  /** Like `on`, for every point. */
  onAny(run: TraceListener): () => void {
    this.#everything.add(run);
    return () => this.#everything.delete(run);
  }

  #value(value: TraceValue): void {
    if (typeof value === 'number') this.#hash.number(value);
    else if (typeof value === 'string') this.#hash.text(value);
    else this.#hash.number(value === null ? -1 : Number(value));
  }
}
