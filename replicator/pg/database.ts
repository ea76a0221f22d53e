import { FlightSession } from '#replicator/engine/flight-session.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { EverywriteError } from '#core/errors.ts';
import type { Relation } from '#core/relation.ts';
import type {
  Database,
  DatabaseSession,
  LocalTable,
  SessionKind,
} from '#replicator/engine/database-port.ts';
import { Catalogue, localTable } from './table-catalogue.ts';
import { DatabaseClient, applicationName } from './database-client.ts';
import { databaseError } from './database-error.ts';
import { readFacts } from './database-facts.ts';
import type { DatabaseFacts } from './database-facts.ts';
import { PgSession } from './session.ts';
import { plain, prepared } from './sql-query.ts';
import type { Answer, Query } from './sql-query.ts';

// The backend of a session that died holds its origin until the server notices.
const ORIGIN_ATTEMPTS_MAX = 50;
const ORIGIN_RETRY_MS = 100;
// Whoever opens a session to apply holds the slot, which admits one. A backend that holds the origin for longer
// than this belongs to a replicator that is frozen or cut off, in the middle of a batch.
const STALE_AFTER_ATTEMPTS = 10;
const OBJECT_IN_USE = '55006';

export interface DatabaseOptions {
  readonly url: string;
  /** Names the replication origin, `everywrite_<cluster>`. */
  readonly cluster: string;
  readonly connectTimeoutMs: number;
}

/** A region's PostgreSQL, reached over ordinary connections. */
export class PgDatabase implements Database {
  readonly facts: DatabaseFacts;
  readonly #options: DatabaseOptions;
  readonly #catalogue: Catalogue;
  #catalogueClient: Promise<DatabaseClient>;

  private constructor(options: DatabaseOptions, client: DatabaseClient, facts: DatabaseFacts) {
    this.#options = options;
    this.#catalogueClient = Promise.resolve(client);
    this.facts = facts;
    this.#catalogue = new Catalogue((query) => this.#askCatalogue(query), facts.serverVersion);
  }

  static async connect(options: DatabaseOptions): Promise<PgDatabase> {
    const { url, connectTimeoutMs } = options;
    const client = await DatabaseClient.connect({ url, connectTimeoutMs, kind: 'control' });
    try {
      const facts = await readFacts(client, originName(options.cluster));
      return new PgDatabase(options, client, facts);
    } catch (error) {
      client.destroy();
      throw error;
    }
  }

  get originSupported(): boolean {
    return this.facts.originSupported;
  }

  async open(kind: SessionKind): Promise<DatabaseSession> {
    const client = await this.#connect(kind);
    try {
      if (kind === 'apply') await this.#prepareApply(client);
    } catch (error) {
      client.destroy();
      throw error;
    }
    return new FlightSession(
      new PgSession({
        client,
        catalogue: this.#catalogue,
        serverVersion: this.facts.serverVersion,
        origin: originName(this.#options.cluster),
        cancelLockWait: kind === 'apply' ? () => this.#cancelLockWait(client.processId) : null,
      }),
    );
  }

  async localTable(relation: Relation): Promise<LocalTable | null> {
    const shape = await this.#catalogue.shape(relation);
    return shape === null ? null : localTable(relation, shape);
  }

  forget(): void {
    this.#catalogue.forget();
  }

  /** Closes the catalogue's connection; sessions close themselves. */
  async close(): Promise<void> {
    const client = await this.#catalogueClient.catch(() => undefined);
    await client?.end();
  }

  async #prepareApply(client: DatabaseClient): Promise<void> {
    // Triggers and foreign keys have fired where the change was made (T11).
    if (this.facts.replicaRole) await client.ask(plain('SET session_replication_role = replica'));
    // Rows that a policy hides would look like missing ones; now such a table says so instead.
    await client.ask(plain('SET row_security = off'));
    if (this.facts.originSupported) await this.#probeOrigin(client);
  }

  /** One session at a time may hold an origin, so the first flight would fail on a busy one. */
  async #probeOrigin(client: DatabaseClient): Promise<void> {
    const origin = originName(this.#options.cluster);
    for (let attempt = 1; ; attempt += 1) {
      const busy = await takeOrigin(client, origin);
      if (busy === undefined) return;
      if (attempt >= ORIGIN_ATTEMPTS_MAX) throw busy;
      if (attempt === STALE_AFTER_ATTEMPTS) await endStaleAppliers(client);
      await sleep(ORIGIN_RETRY_MS);
    }
  }

  async #cancelLockWait(processId: number): Promise<void> {
    await this.#askCatalogue(
      prepared(
        'SELECT pg_cancel_backend(pid) FROM pg_stat_activity ' +
          "WHERE pid = $1::int AND wait_event_type = 'Lock'",
        [`${processId}`],
      ),
    );
  }

  /** Asks once more on a new connection: an idle one shows only when it is used that it broke. */
  async #askCatalogue(query: Query): Promise<Answer> {
    const current = this.#catalogueClient;
    try {
      return await (await current).ask(query);
    } catch (error) {
      const broken = error instanceof EverywriteError && error.code === 'DATABASE_UNREACHABLE';
      if (!broken) throw error;
    }
    // Several questions may find it broken; the first one replaces it.
    if (this.#catalogueClient === current) this.#catalogueClient = this.#connect('control');
    return (await this.#catalogueClient).ask(query);
  }

  #connect(kind: SessionKind): Promise<DatabaseClient> {
    const { url, connectTimeoutMs } = this.#options;
    return DatabaseClient.connect({ url, kind, connectTimeoutMs });
  }
}

/** Origins belong to the server, not to the database. */
function originName(cluster: string): string {
  return `everywrite_${cluster}`;
}

/** Sets the origin up and lets go of it; the error if somebody else has it. */
async function takeOrigin(
  client: DatabaseClient,
  origin: string,
): Promise<EverywriteError | undefined> {
  const [setUp] = await client.send([
    prepared('SELECT pg_replication_origin_session_setup($1)', [origin]),
  ]);
  if (setUp?.status === 'rejected') {
    const error = databaseError(setUp.reason);
    if (error.sqlState !== OBJECT_IN_USE) throw error;
    return new EverywriteError({
      code: 'DATABASE_UNREACHABLE',
      recovery: 'retry',
      sqlState: OBJECT_IN_USE,
      message: `Another session holds the replication origin "${origin}"; is a second replicator running?`,
      cause: error,
    });
  }
  await client.ask(prepared('SELECT pg_replication_origin_session_reset()', []));
  return undefined;
}

/** Its transaction is rolled back; had it committed, the marker would have told (T12). */
async function endStaleAppliers(client: DatabaseClient): Promise<void> {
  await client.ask(
    prepared(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 ' +
        'AND datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()',
      [applicationName('apply')],
    ),
  );
}
