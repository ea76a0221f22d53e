/** What the parts of a simulated world may ask of the kernel. */

/** Virtual time and what happens in it. */
export interface Scheduler {
  /** True time in microseconds since the run began; an integer. Simulated clocks are derived from it. */
  nowUs(): number;
  /** Calls `run` at `nowUs() + delayUs`; what is due at one instant runs in the order it was asked for. Returns how to take it back. */
  after(delayUs: number, run: () => void): () => void;
}

/** One named stream of randomness: a draw in one never shifts another. */
export interface RandomStream {
  u32(): number;
  /** In [0, 1). */
  uniform(): number;
  /** An integer in [low, high]. */
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  /** Throws when `items` is empty. */
  pick<Item>(items: readonly Item[]): Item;
  /** Exponentially distributed, never negative. */
  exponential(mean: number): number;
}

export interface RandomStreams {
  /** The stream of this name: always the same object for the same name within a run. */
  stream(name: string): RandomStream;
}

export type TraceValue = string | number | boolean | null;

/** A named point of a run: hashed in order, triggers semantic faults, and tells the story of a failure. */
export interface Trace {
  /** `name` is dotted, `eu.pg.commit`; everything in `fields` is hashed. */
  point(name: string, fields?: Readonly<Record<string, TraceValue>>): void;
}

/** What answers one port call; the first word counts, later ones are ignored. */
export interface Answer<Reply> {
  /** The reply travels `backUs` and is heard only by the incarnation that called. */
  resolve(reply: Reply, backUs: number): void;
  reject(error: Error, backUs: number): void;
}

/**
 * One incarnation of a simulated process. When it is killed, no call of it ever settles again, its
 * timers die, and what it still asks for within the running event is not done.
 */
export interface Caller extends Scheduler {
  readonly name: string;
  readonly alive: boolean;
  /**
   * One port call: the request travels `thereUs`, `effect` happens at the resource (also when the caller
   * has died meanwhile), and answers now or later.
   */
  ask<Reply>(
    label: string,
    thereUs: number,
    effect: (answer: Answer<Reply>) => void,
  ): Promise<Reply>;
  /** Called once, when it is killed: its connections break. Returns how to take it back. */
  onDeath(run: () => void): () => void;
}
