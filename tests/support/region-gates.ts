import { EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import type { Relation } from '#core/relation.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type {
  AttemptResult,
  Database,
  DatabaseSession,
  LocalTable,
  SessionKind,
} from '#replicator/engine/database-port.ts';
import type { LogBounds, LogEntry, LogStore, LogStores } from '#replicator/engine/log-port.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import type {
  ReplicationFrame,
  ReplicationOptions,
  ReplicationSource,
  ReplicationStream,
} from '#replicator/engine/replication-port.ts';
import type { Statement, StatementResult } from '#replicator/engine/statement.ts';

/** Something that can be held and let go: what makes a race stand still while a test looks at it. */
export class Gate {
  #held: Promise<void> | null = null;
  #open: () => void = () => undefined;
  #limit = Infinity;
  #raised = Promise.withResolvers<void>();

  /** Some transactions pass and others do not. */
  get isLimited(): boolean {
    return this.#limit !== Infinity;
  }

  hold(): void {
    this.#held ??= new Promise((resolve) => (this.#open = resolve));
  }

  /** Passes an origin's transactions up to this one, and holds the next. */
  upTo(sequence: number): void {
    this.#limit = sequence;
    this.#raised.resolve();
    this.#raised = Promise.withResolvers<void>();
  }

  release(): void {
    this.upTo(Infinity);
    this.#held = null;
    this.#open();
  }

  async passUpTo(sequence: number, ended: Promise<void>): Promise<void> {
    let over = false;
    void ended.then(() => (over = true));
    while (sequence > this.#limit && !over) await Promise.race([this.#raised.promise, ended]);
  }

  /** Resolves once nothing holds the gate, or when `ended` does. */
  async pass(ended: Promise<void>): Promise<void> {
    let over = false;
    void ended.then(() => (over = true));
    while (this.#held !== null && !over) await Promise.race([this.#held, ended]);
  }
}

/** Who else looks at what the slot sends. */
export interface SlotWitness {
  started(): void;
  /** The frames' bytes are gone when this returns. */
  frames(frames: readonly ReplicationFrame[]): void;
}

/** Real decoding whose frames can be withheld: a commit that is there and not captured. */
export class GatedReplication implements ReplicationSource {
  readonly #inner: ReplicationSource;
  readonly #gate: Gate;
  readonly #witness: () => SlotWitness;

  constructor(inner: ReplicationSource, gate: Gate, witness: () => SlotWitness) {
    this.#inner = inner;
    this.#gate = gate;
    this.#witness = witness;
  }

  async start(options: ReplicationOptions): Promise<ReplicationStream> {
    const stream = await this.#inner.start(options);
    const gate = this.#gate;
    const witness = this.#witness;
    witness().started();
    const closed = Promise.withResolvers<void>();
    return {
      confirm: (endLsn) => stream.confirm(endLsn),
      close: () => {
        closed.resolve();
        return stream.close();
      },
      async *[Symbol.asyncIterator]() {
        for await (const frames of stream) {
          await gate.pass(closed.promise);
          witness().frames(frames);
          yield frames;
        }
      },
    };
  }
}

/** The region's own store as it is; of the peers' stores, reading one origin can be withheld. */
export class GatedLogs implements LogStores {
  readonly #inner: LogStores;
  readonly #gates: ReadonlyMap<RegionId, Gate>;

  constructor(inner: LogStores, gates: ReadonlyMap<RegionId, Gate>) {
    this.#inner = inner;
    this.#gates = gates;
  }

  local(): Promise<LogStore> {
    return this.#inner.local();
  }

  async peer(region: RegionId): Promise<LogStore> {
    const store = await this.#inner.peer(region);
    return {
      stream: async (origin, create) => {
        const stream = await store.stream(origin, create);
        const gate = this.#gates.get(origin);
        return stream === null || gate === undefined ? stream : new GatedStream(stream, gate);
      },
      connected: () => store.connected(),
      close: () => store.close(),
    };
  }
}

class GatedStream implements LogStream {
  readonly #inner: LogStream;
  readonly #gate: Gate;

  constructor(inner: LogStream, gate: Gate) {
    this.#inner = inner;
    this.#gate = gate;
  }

  bounds(): Promise<LogBounds> {
    return this.#inner.bounds();
  }

  lastEntry(): Promise<LogEntry | null> {
    return this.#inner.lastEntry();
  }

  entryAt(position: number): Promise<LogEntry | null> {
    return this.#inner.entryAt(position);
  }

  append(frame: Uint8Array, expectedLast: number): Promise<number> {
    return this.#inner.append(frame, expectedLast);
  }

  async *read(position: number, signal: AbortSignal): AsyncGenerator<readonly LogEntry[]> {
    const ended = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    for await (const entries of this.#inner.read(position, signal)) {
      await this.#gate.pass(ended);
      if (signal.aborted) return;
      if (!this.#gate.isLimited) yield entries;
      else {
        for (const entry of entries) {
          await this.#gate.passUpTo(decodeFrame(entry.frame).header.lastSequence, ended);
          if (signal.aborted) return;
          yield [entry];
        }
      }
    }
  }

  trim(position: number): Promise<void> {
    return this.#inner.trim(position);
  }
}

/** Apply, stopped in front of a statement. */
export interface Pause {
  readonly reached: Promise<void>;
  resume(): void;
}

interface Stop {
  readonly reached: () => void;
  readonly resumed: Promise<void>;
}

type Kind = Statement['kind'];

/** Where a test gets between apply and its database. */
export class ApplyProbe {
  readonly #before = new Map<Kind, Stop>();
  readonly #after = new Map<Kind, Stop>();
  readonly #resumes = new Set<() => void>();
  #sent: ((kinds: readonly Kind[]) => void) | null = null;
  #lostReplies = 0;

  /** Apply stops in front of the next flight that has such a statement, once. */
  pauseBefore(kind: Kind): Pause {
    return this.#pause(this.#before, kind);
  }

  /** The server has answered the next such flight, and apply does not get the answer yet. */
  pauseAfter(kind: Kind): Pause {
    return this.#pause(this.#after, kind);
  }

  /** The next `count` commits happen, and nobody hears of it. */
  loseCommitReply(count = 1): void {
    this.#lostReplies = count;
  }

  /** Calls `run` right after apply has sent a COMMIT, before its answer; null: no more. */
  whenCommitIsSent(run: (() => void) | null): void {
    this.#sent = run === null ? null : (kinds) => kinds.includes('commit') && run();
  }

  /** Nothing is stopped or lost any more. */
  letGo(): void {
    for (const resume of this.#resumes) resume();
    this.#resumes.clear();
    this.#before.clear();
    this.#after.clear();
    this.#lostReplies = 0;
    this.#sent = null;
  }

  async around(
    statements: readonly Statement[],
    send: () => Promise<readonly StatementResult[]>,
  ): Promise<readonly StatementResult[]> {
    const kinds = statements.map(({ kind }) => kind);
    await this.#stopAt(this.#before, kinds);
    const sending = send();
    this.#sent?.(kinds);
    const results = await sending;
    await this.#stopAt(this.#after, kinds);
    if (kinds.includes('commit') && this.#lostReplies > 0) {
      this.#lostReplies--;
      const message = 'The reply to COMMIT was lost (by the test).';
      throw new EverywriteError({ code: 'DATABASE_UNREACHABLE', recovery: 'retry', message });
    }
    return results;
  }

  #pause(stops: Map<Kind, Stop>, kind: Kind): Pause {
    const reached = Promise.withResolvers<void>();
    const resumed = Promise.withResolvers<void>();
    stops.set(kind, { reached: reached.resolve, resumed: resumed.promise });
    this.#resumes.add(resumed.resolve);
    return { reached: reached.promise, resume: resumed.resolve };
  }

  async #stopAt(stops: Map<Kind, Stop>, kinds: readonly Kind[]): Promise<void> {
    for (const kind of kinds) {
      const stop = stops.get(kind);
      if (stop === undefined) continue;
      stops.delete(kind);
      stop.reached();
      await stop.resumed;
    }
  }
}

/** A real database whose apply sessions can be stopped and broken. */
export class ProbedDatabase implements Database {
  readonly #inner: Database;
  readonly #probe: ApplyProbe;

  constructor(inner: Database, probe: ApplyProbe) {
    this.#inner = inner;
    this.#probe = probe;
  }

  get originSupported(): boolean {
    return this.#inner.originSupported;
  }

  async open(kind: SessionKind): Promise<DatabaseSession> {
    const session = await this.#inner.open(kind);
    return kind === 'apply' ? probed(session, this.#probe) : session;
  }

  localTable(relation: Relation): Promise<LocalTable | null> {
    return this.#inner.localTable(relation);
  }

  forget(): void {
    this.#inner.forget();
  }
}

function probed(session: DatabaseSession, probe: ApplyProbe): DatabaseSession {
  return {
    flight: (statements) => probe.around(statements, () => session.flight(statements)),
    attempt: (statements): Promise<AttemptResult> => session.attempt(statements),
    close: () => session.close(),
  };
}
