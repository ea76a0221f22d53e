import { assert } from '#core/assert.ts';
import { EscapeDetector } from '#sim/kernel/escape-detector.ts';
import { EventQueue } from '#sim/kernel/event-queue.ts';
import type { Scheduler } from '#sim/kernel/ports.ts';
import { SeededStreams } from '#sim/kernel/random-streams.ts';
import { RunTrace } from '#sim/kernel/run-trace.ts';
import { SimProcess } from '#sim/kernel/sim-process.ts';
import type { PortCall, ProcessHost } from '#sim/kernel/sim-process.ts';

export interface KernelOptions {
  readonly seed: number;
  /** Keep every traced point: for stories, reports and comparing two runs. */
  readonly keepTrace?: boolean;
}

/** Something about the run itself that no run may show; the run ends at the first. */
export interface Finding {
  readonly kind: 'escape' | 'livelock' | 'crash' | 'harness';
  readonly atUs: number;
  /** The simulated process that it happened in; null: the world. */
  readonly process: string | null;
  readonly message: string;
}

/** How a run ended. */
export interface RunEnd {
  /** True time at the end, microseconds. */
  readonly timeUs: number;
  readonly events: number;
  readonly points: number;
  /** The same for the same seed, commit and scenario, on every machine. */
  readonly hash: string;
  readonly findings: readonly Finding[];
}

interface KernelEvent {
  readonly dueUs: number;
  readonly order: number;
  /** Null: the world's own, which nothing kills. */
  readonly owner: SimProcess | null;
  readonly run: () => void;
  cancelled: boolean;
}

export type PortListener = (process: SimProcess, call: PortCall) => void;

/** The real one: within a run it is guarded. */
const nextMacrotask = setImmediate;

/** Events at one instant before the run is given up: somebody works without time passing. */
const INSTANT_EVENTS_MAX = 100_000;

/**
 * Virtual time. One event at a time, and after each a macrotask boundary, so that every promise that
 * follows from it has been acted upon before the next: ordinary async code is deterministic then.
 */
export class Kernel implements Scheduler {
  readonly seed: number;
  readonly streams: SeededStreams;
  readonly trace: RunTrace;
  readonly #queue = new EventQueue<KernelEvent>();
  readonly #host: ProcessHost;
  readonly #incarnations = new Map<string, { count: number; readonly calls: { count: number } }>();
  readonly #held = new Map<SimProcess, KernelEvent[]>();
  readonly #portListeners = new Set<PortListener>();
  readonly #findings: Finding[] = [];
  #nowUs = 0;
  #order = 0;
  #events = 0;
  #instantEvents = 0;
  #running: SimProcess | null = null;
  #stopped = false;

  constructor({ seed, keepTrace = false }: KernelOptions) {
    this.seed = seed;
    this.streams = new SeededStreams(seed);
    this.trace = new RunTrace(() => this.#nowUs, keepTrace);
    this.#host = {
      nowUs: () => this.#nowUs,
      schedule: (delayUs, owner, run) => this.#schedule(delayUs, owner, run),
      portCall: (process, call) => {
        for (const listener of this.#portListeners) listener(process, call);
      },
      isWatched: () => this.#portListeners.size > 0,
      thawed: (process) => this.#thawed(process),
    };
  }

  nowUs(): number {
    return this.#nowUs;
  }

  get events(): number {
    return this.#events;
  }

  after(delayUs: number, run: () => void): () => void {
    return this.#schedule(delayUs, null, run);
  }

  /** A new incarnation; the one before of the same name is not touched (two replicators of one region). */
  spawn(name: string): SimProcess {
    const known = this.#incarnations.get(name) ?? { count: 0, calls: { count: 0 } };
    this.#incarnations.set(name, known);
    known.count++;
    this.trace.point('process.start', { name, incarnation: known.count });
    return new SimProcess(this.#host, name, known.count, known.calls);
  }

  /** Told of every port call at its three stages. Returns how to take it back. */
  onPortCall(listener: PortListener): () => void {
    this.#portListeners.add(listener);
    return () => this.#portListeners.delete(listener);
  }

  /** The run ends behind the running event. */
  stop(): void {
    this.#stopped = true;
  }

  /** Reports what makes the run invalid, and ends it. */
  found(kind: Finding['kind'], message: string): void {
    const process = this.#running?.name ?? null;
    this.#findings.push({ kind, atUs: this.#nowUs, process, message });
    this.#stopped = true;
  }

  /**
   * Runs until nothing is left, true time passes `untilUs`, or `stop`. May be called again, to go on. A
   * simulated process whose promise rejects with nobody to catch it dies, as Node would end it.
   */
  async run(untilUs: number): Promise<RunEnd> {
    this.#stopped = false;
    const detector = new EscapeDetector({
      process: () => this.#running !== null,
      escaped: (message) => this.found('escape', message),
      rejected: (reason) => this.#rejected(reason),
    });
    detector.start();
    try {
      await new Promise<void>((done) => {
        const step = (): void => {
          if (this.#step(untilUs)) nextMacrotask(step);
          else done();
        };
        nextMacrotask(step);
      });
    } finally {
      detector.stop();
      this.#running = null;
    }
    if (!this.#stopped) this.#nowUs = Math.max(this.#nowUs, untilUs);
    return this.end();
  }

  end(): RunEnd {
    return {
      timeUs: this.#nowUs,
      events: this.#events,
      points: this.trace.points,
      hash: this.trace.digest(),
      findings: [...this.#findings],
    };
  }

  #schedule(delayUs: number, owner: SimProcess | null, run: () => void): () => void {
    assert(delayUs >= 0 && Number.isFinite(delayUs), () => `a delay of ${delayUs} µs`);
    const dueUs = this.#nowUs + Math.round(delayUs);
    const event = { dueUs, order: ++this.#order, owner, run, cancelled: false };
    this.#queue.push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** One event; false when the run is over. */
  #step(untilUs: number): boolean {
    for (;;) {
      const next = this.#queue.peek();
      if (this.#stopped || next === undefined || next.dueUs > untilUs) return false;
      this.#queue.pop();
      const { owner } = next;
      if (next.cancelled || owner?.alive === false) continue;
      if (owner?.frozen === true) {
        this.#hold(owner, next);
        continue;
      }
      this.#advance(next);
      this.#running = owner;
      try {
        next.run();
      } catch (error) {
        this.#thrown(error);
      }
      return true;
    }
  }

  #advance(event: KernelEvent): void {
    if (event.dueUs > this.#nowUs) this.#instantEvents = 0;
    this.#nowUs = event.dueUs;
    this.#events++;
    this.trace.step(event.dueUs, event.order);
    this.#instantEvents++;
    if (this.#instantEvents !== INSTANT_EVENTS_MAX) return;
    const owner = event.owner?.name ?? 'the world';
    const times = `${INSTANT_EVENTS_MAX} events at one instant`;
    this.found('livelock', `${times}, the last of ${owner}: somebody works without time passing.`);
  }

  #hold(process: SimProcess, event: KernelEvent): void {
    const held = this.#held.get(process);
    if (held === undefined) this.#held.set(process, [event]);
    else held.push(event);
  }

  #thawed(process: SimProcess): void {
    const held = this.#held.get(process) ?? [];
    this.#held.delete(process);
    for (const event of held) {
      // The same object: who took it back meanwhile has taken it back.
      this.#queue.push(Object.assign(event, { dueUs: this.#nowUs, order: ++this.#order }));
    }
  }

  /** An event of a process that throws ends that process; one of the world is our own mistake. */
  #thrown(error: unknown): void {
    if (this.#running === null) this.found('harness', describe(error));
    else this.#crashed(this.#running, error);
  }

  #rejected(reason: unknown): void {
    if (this.#running === null) this.found('harness', `unhandled rejection: ${describe(reason)}`);
    else if (this.#running.alive) this.#crashed(this.#running, reason);
  }

  #crashed(process: SimProcess, error: unknown): void {
    this.found('crash', `uncaught in ${process.name}: ${describe(error)}`);
    process.kill();
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
