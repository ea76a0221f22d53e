import { FlightSession } from '#replicator/engine/flight-session.ts';
import { EverywriteError } from '#core/errors.ts';
import type { Relation } from '#core/relation.ts';
import { UNREACHABLE } from '#replicator/engine/sql-state.ts';
import type {
  Database,
  DatabaseSession,
  LocalTable,
  SessionKind,
} from '#replicator/engine/database-port.ts';
import type { Scheduler } from '#sim/kernel/ports.ts';
import { Backend } from '#sim/pg/backend.ts';
import type { Connection } from '#sim/pg/connection.ts';
import type { ServerCore } from '#sim/pg/server-core.ts';
import { SimCatalogue } from '#sim/pg/sim-catalogue.ts';
import { SimSession } from '#sim/pg/sim-session.ts';

// As the adapter waits for an origin that a dead session still holds.
const ORIGIN_ATTEMPTS_MAX = 50;
const ORIGIN_RETRY_US = 100_000;
const STALE_AFTER_ATTEMPTS = 10;

export interface DatabaseParts {
  readonly core: ServerCore;
  readonly scheduler: Scheduler;
  readonly origin: string;
  readonly originSupported: boolean;
  readonly connect: () => Promise<Connection>;
}

/** A region's PostgreSQL as the engine knows it. */
export class SimDatabase implements Database {
  readonly originSupported: boolean;
  readonly #parts: DatabaseParts;
  readonly #catalogue: SimCatalogue;

  constructor(parts: DatabaseParts) {
    this.#parts = parts;
    this.originSupported = parts.originSupported;
    this.#catalogue = new SimCatalogue(parts.core, parts.connect);
  }

  async open(kind: SessionKind): Promise<DatabaseSession> {
    const { core, origin } = this.#parts;
    const connection = await this.#parts.connect();
    const backend = new Backend(core, kind);
    connection.accepted({ hungUp: () => backend.leave() });
    backend.onTerminated = () => {
      connection.closeFromServer('terminating connection due to administrator command');
    };
    if (kind === 'apply') {
      backend.replica = true;
      backend.synchronousCommit = false;
      if (this.originSupported) await this.#untilOriginIsFree(connection, backend);
    }
    return new FlightSession(
      new SimSession({ connection, backend, catalogue: this.#catalogue, origin }),
    );
  }

  localTable(relation: Relation): Promise<LocalTable | null> {
    return this.#catalogue.localTable(relation);
  }

  forget(): void {
    this.#catalogue.forget();
  }

  close(): void {
    this.#catalogue.close();
  }

  /** One session at a time may hold an origin, so the first flight would fail on a busy one. */
  async #untilOriginIsFree(connection: Connection, backend: Backend): Promise<void> {
    const { core, origin, scheduler } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const holder = await connection.answer<boolean>((answered) => {
        connection.toServer(() => {
          const busy = (core.origins.get(origin) ?? backend) !== backend;
          if (busy && attempt === STALE_AFTER_ATTEMPTS) endStaleAppliers(backend);
          core.time.after(core.pace.statement(0), () => connection.toClient(() => answered(busy)));
        });
      });
      if (!holder) return;
      if (attempt >= ORIGIN_ATTEMPTS_MAX) {
        connection.closeFromClient('the origin is busy');
        const message = `Another session holds the replication origin "${origin}"; is a second replicator running?`;
        throw new EverywriteError({ ...UNREACHABLE, sqlState: '55006', message });
      }
      await new Promise<void>((resolve) => scheduler.after(ORIGIN_RETRY_US, resolve));
    }
  }
}

/** Of a replicator that is frozen or cut off in the middle of a batch. */
function endStaleAppliers(own: Backend): void {
  for (const backend of own.core.backends) {
    if (backend !== own && backend.name === own.name) backend.terminate();
  }
}
