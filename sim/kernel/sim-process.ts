import type { Answer, Caller } from '#sim/kernel/ports.ts';

/** What a process needs of the kernel that runs it. */
export interface ProcessHost {
  nowUs(): number;
  /** Like Scheduler.after; the event belongs to `owner` (null: to the world). */
  schedule(delayUs: number, owner: SimProcess | null, run: () => void): () => void;
  /** Told of every port call at its three stages; may kill the caller. */
  portCall(process: SimProcess, call: PortCall): void;
  /** Whether anybody is told of port calls. */
  isWatched(): boolean;
  /** What became due while the process was frozen is due now. */
  thawed(process: SimProcess): void;
}

export type PortStage = 'before' | 'effect' | 'reply';

/** One stage of one port call: where a crash can fall. */
export interface PortCall {
  /** Counted per process name over all its incarnations, from 1. */
  readonly number: number;
  readonly label: string;
  /** Before the effect; after it and before the reply; after the reply was heard and acted upon. */
  readonly stage: PortStage;
}

/** One incarnation of a simulated process (see Caller). A restart is another object. */
export class SimProcess implements Caller {
  readonly name: string;
  readonly incarnation: number;
  readonly #host: ProcessHost;
  readonly #calls: { count: number };
  readonly #mourners = new Set<() => void>();
  #alive = true;
  #frozen = false;

  constructor(host: ProcessHost, name: string, incarnation: number, calls: { count: number }) {
    this.#host = host;
    this.name = name;
    this.incarnation = incarnation;
    this.#calls = calls;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  nowUs(): number {
    return this.#host.nowUs();
  }

  after(delayUs: number, run: () => void): () => void {
    if (!this.#alive) return () => undefined;
    return this.#host.schedule(delayUs, this, run);
  }

  ask<Reply>(
    label: string,
    thereUs: number,
    effect: (answer: Answer<Reply>) => void,
  ): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    if (!this.#alive) return promise;
    const number = ++this.#calls.count;
    const stage = (at: PortStage): void => this.#host.portCall(this, { number, label, stage: at });
    stage('before');
    // Killed right here, before the request left: nothing happens.
    if (!this.#alive) return promise;
    let answered = false;
    const reply = (backUs: number, settle: () => void): void => {
      if (answered) return;
      answered = true;
      this.after(backUs, () => {
        settle();
        this.#afterwards(() => stage('reply'));
      });
    };
    const answer: Answer<Reply> = {
      resolve: (value, backUs) => reply(backUs, () => resolve(value)),
      reject: (error, backUs) => reply(backUs, () => reject(error)),
    };
    this.#host.schedule(thereUs, null, () => {
      effect(answer);
      stage('effect');
    });
    return promise;
  }

  /**
   * A call whose transport is somebody else's, who already keeps the dead from hearing anything: this only
   * numbers it and tells of its stages. Killed at one of them, it never settles.
   */
  async call<Reply>(label: string, run: () => Promise<Reply>): Promise<Reply> {
    if (!this.#alive) return never();
    const number = ++this.#calls.count;
    const stage = (at: PortStage): void => this.#host.portCall(this, { number, label, stage: at });
    stage('before');
    if (!this.#alive) return never();
    const [outcome] = await Promise.allSettled([run()]);
    stage('effect');
    if (!this.#alive) return never();
    this.#afterwards(() => stage('reply'));
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  /** Behind everything that follows from a reply; nobody listens in most runs. */
  #afterwards(run: () => void): void {
    if (this.#host.isWatched()) this.#host.schedule(0, null, run);
  }

  onDeath(run: () => void): () => void {
    this.#mourners.add(run);
    return () => this.#mourners.delete(run);
  }

  /** kill -9: no cleanup runs, whatever it awaits never comes. */
  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    const mourners = [...this.#mourners];
    this.#mourners.clear();
    for (const mourn of mourners) mourn();
  }

  /** SIGSTOP, or a long garbage collection: time goes on, nothing is heard. */
  freeze(): void {
    this.#frozen = true;
  }

  /** Everything that became due meanwhile happens now, in due order. */
  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    this.#host.thawed(this);
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
