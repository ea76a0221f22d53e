import pg from 'pg';
import { DATABASE } from '#deploy/local/cluster.ts';
import type { PostgresServer } from '#deploy/local/postgres-server.ts';
import type { NamedProcess } from './cpu.ts';
import { PUBLIC_TABLES, createWorkload } from './workload.ts';
import type { WorkloadSizes } from './workload.ts';

/**
 * The same for every server of a run. No checkpoint comes between, because the full page images after one
 * would drown every other figure of WAL; no autovacuum, because each run vacuums before it.
 */
export const POSTGRES_SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: '512MB',
  max_wal_size: '32GB',
  checkpoint_timeout: '1d',
  autovacuum: 'off',
  max_connections: '100',
  wal_retrieve_retry_interval: '100ms',
};

const APPLICATION = 'everywrite bench';

/** One PostgreSQL server of the benchmark and the connection over which it is told what to do. */
export class Node {
  readonly server: PostgresServer;
  readonly control: pg.Client;

  private constructor(server: PostgresServer, control: pg.Client) {
    this.server = server;
    this.control = control;
  }

  /** Creates the database with its tables. */
  static async create(server: PostgresServer, sizes: WorkloadSizes): Promise<Node> {
    const admin = await connect(server.url('postgres'));
    await admin.query(`CREATE DATABASE ${DATABASE}`);
    await admin.end();
    const control = await connect(server.url(DATABASE));
    await createWorkload(control, sizes);
    return new Node(server, control);
  }

  connect(): Promise<pg.Client> {
    return connect(this.server.url(DATABASE));
  }

  async close(): Promise<void> {
    await this.control.end();
  }

  async walBytes(): Promise<number> {
    const { rows } = await this.control.query<{ readonly bytes: string }>(
      `SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes`,
    );
    return Number(rows[0]?.bytes);
  }

  /** Equal for two nodes exactly when their rows are equal. */
  async digest(): Promise<string> {
    const parts: string[] = [];
    for (const table of PUBLIC_TABLES) {
      const { rows } = await this.control.query<{ readonly text: string }>(
        `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) AS text
           FROM ${table} t`,
      );
      parts.push(`${table} ${rows[0]?.text}`);
    }
    return parts.join(', ');
  }

  /** Every server process that works for a client or a peer, named after what it does. */
  async processes(site: string): Promise<readonly NamedProcess[]> {
    const { rows } = await this.control.query<{ readonly pid: number; readonly name: string }>(
      `SELECT pid, CASE WHEN backend_type = 'client backend' THEN
           CASE WHEN application_name = '${APPLICATION}' THEN 'load backends'
                ELSE application_name || ' backend' END
         ELSE replace(backend_type, 'logical replication ', '') END AS name
       FROM pg_stat_activity`,
    );
    return rows.map(({ pid, name }) => ({ pid, name: `${site} ${name}` }));
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: APPLICATION });
  await client.connect();
  return client;
}
