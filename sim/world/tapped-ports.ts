import type { Relation } from '#core/relation.ts';
import type {
  AttemptResult,
  Database,
  DatabaseSession,
  LocalTable,
  SessionKind,
} from '#replicator/engine/database-port.ts';
import type {
  ReplicationOptions,
  ReplicationSource,
  ReplicationStream,
} from '#replicator/engine/replication-port.ts';
import type { Statement, StatementResult } from '#replicator/engine/statement.ts';
import type { SimProcess } from '#sim/kernel/sim-process.ts';

/** A database whose calls are numbered, so that a crash can fall at each of them. */
export class TappedDatabase implements Database {
  readonly #inner: Database;
  readonly #process: SimProcess;

  constructor(inner: Database, process: SimProcess) {
    this.#inner = inner;
    this.#process = process;
  }

  get originSupported(): boolean {
    return this.#inner.originSupported;
  }

  open(kind: SessionKind): Promise<DatabaseSession> {
    return this.#process.call(`pg.open.${kind}`, async () =>
      tapped(await this.#inner.open(kind), this.#process),
    );
  }

  localTable(relation: Relation): Promise<LocalTable | null> {
    return this.#process.call('pg.table', () => this.#inner.localTable(relation));
  }

  forget(): void {
    this.#inner.forget();
  }
}

/** Starting is a call; what the stream brings comes by itself. */
export class TappedReplication implements ReplicationSource {
  readonly #inner: ReplicationSource;
  readonly #process: SimProcess;

  constructor(inner: ReplicationSource, process: SimProcess) {
    this.#inner = inner;
    this.#process = process;
  }

  start(options: ReplicationOptions): Promise<ReplicationStream> {
    return this.#process.call('pg.replicate', async () => {
      const stream = await this.#inner.start(options);
      return {
        confirm: (endLsn) => stream.confirm(endLsn),
        close: () => stream.close(),
        [Symbol.asyncIterator]: () => unlessDead(stream[Symbol.asyncIterator](), this.#process),
      };
    });
  }
}

function tapped(session: DatabaseSession, process: SimProcess): DatabaseSession {
  return {
    flight: (statements): Promise<readonly StatementResult[]> =>
      process.call(labelOf(statements), () => session.flight(statements)),
    attempt: (statements): Promise<AttemptResult> =>
      process.call('pg.attempt', () => session.attempt(statements)),
    close: () => session.close(),
  };
}

/** The dead do not learn that their sockets were closed. */
function unlessDead<Item>(inner: AsyncIterator<Item>, process: SimProcess): AsyncIterator<Item> {
  const next = async (): Promise<IteratorResult<Item>> => {
    const [step] = await Promise.allSettled([inner.next()]);
    if (!process.alive) return never();
    if (step.status === 'rejected') throw step.reason;
    return step.value;
  };
  return { next };
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}

/** The last statement says what a flight is for: a commit, a mark, a look. */
function labelOf(statements: readonly Statement[]): string {
  return `pg.${statements.at(-1)?.kind ?? 'nothing'}`;
}
