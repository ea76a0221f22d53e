import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseLsn } from '#core/lsn.ts';
import type { PostgresServer } from '#deploy/local/postgres-server.ts';
import { PgDatabase } from '#replicator/pg/database.ts';
import { prepareRegion } from '#replicator/pg/prepare.ts';
import { PgReplicationSource } from '#replicator/pg/replication-stream.ts';
import type { ClientResult, ClientStatement, ColumnValues } from '#sim/pg/client-statement.ts';
import type {
  CheckDefinition,
  ColumnDefinition,
  TableDefinition,
} from '#sim/pg/table-definition.ts';
import { configOf } from '#tests/replicator/pg/scratch-database.ts';
import { CONTRACT_TABLES, TABLE_NAMES } from '#tests/sim/pg/contract-subject.ts';
import type { ContractClient, PgSubject } from '#tests/sim/pg/contract-subject.ts';

const CONNECT_TIMEOUT_MS = 5_000;

export interface RealContract {
  /** Empty tables and new connections on the same database. */
  subject(): Promise<PgSubject & AsyncDisposable>;
}

/** The contract's tables in one database of a real server, prepared as a region. */
export async function realContract(server: PostgresServer): Promise<RealContract> {
  const url = server.url('contract');
  const admin = await connected(server.url());
  await admin.query('CREATE DATABASE contract');
  await admin.end();
  const client = await connected(url);
  for (const table of CONTRACT_TABLES) await client.query(createTable(table));
  const { rows } = await client.query<{ v: string }>('SHOW server_version_num');
  await client.end();
  const version = Number(Object.values(rows[0] ?? {})[0]);
  const { config, region } = configOf({ name: 'contract', url });
  await prepareRegion(config, region);
  // Preparing makes all of them FULL.
  const owner = await connected(url);
  for (const { schema, name, replicaIdentity = 'default' } of CONTRACT_TABLES) {
    await owner.query(`ALTER TABLE ${schema}.${name} REPLICA IDENTITY ${replicaIdentity}`);
  }
  await owner.end();
  let slots = 0;
  return {
    subject: () => realSubject(server, url, version, () => `contract_${slots++}`),
  };
}

async function realSubject(
  server: PostgresServer,
  url: string,
  version: number,
  nextSlot: () => string,
): Promise<PgSubject & AsyncDisposable> {
  const clients: pg.Client[] = [];
  const open = async (): Promise<pg.Client> => {
    const client = await connected(url);
    clients.push(client);
    return client;
  };
  const cleaner = await open();
  await cleaner.query(`TRUNCATE ${TABLE_NAMES.join(', ')}`);
  const options = { url, cluster: 'contract', connectTimeoutMs: CONNECT_TIMEOUT_MS };
  const database = await PgDatabase.connect(options);
  return {
    version,
    database,
    replication: new PgReplicationSource({ url, applicationName: 'contract' }),
    client: async () => realClient(await open()),
    async slot() {
      const name = nextSlot();
      const client = await open();
      await client.query('SELECT pg_create_logical_replication_slot($1, $2)', [name, 'pgoutput']);
      return name;
    },
    async confirmedLsn(slot) {
      const found = await (
        await open()
      ).query<{ at: string }>(
        'SELECT confirmed_flush_lsn::text AS at FROM pg_replication_slots WHERE slot_name = $1',
        [slot],
      );
      return parseLsn(found.rows[0]?.at ?? '');
    },
    sleep: (ms) => sleep(ms),
    async restart() {
      await server.kill();
      await server.start();
    },
    async [Symbol.asyncDispose]() {
      await database.close().catch(() => {});
      for (const client of clients) await client.end().catch(() => {});
    },
  };
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    types: { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig,
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

function realClient(client: pg.Client): ContractClient {
  return {
    async execute(statement): Promise<ClientResult> {
      try {
        const { rows, rowCount, command } = await client.query<Record<string, string | null>>(
          sqlOf(statement),
        );
        const found = rows.map(({ xmin, ...values }) => ({ values, xmin: Number(xmin) }));
        const rolledBack = statement.kind === 'commit' && command === 'ROLLBACK';
        const counts = ['INSERT', 'UPDATE', 'DELETE'].includes(command);
        const count = statement.kind === 'select' ? rows.length : counts ? (rowCount ?? 0) : 0;
        const read = statement.kind === 'select' ? found : [];
        return { count, rows: read, commitLsn: null, rolledBack };
      } catch (error) {
        if (error instanceof pg.DatabaseError) throw new Refused(error.code ?? '', error.message);
        throw error;
      }
    },
  };
}

class Refused extends Error {
  readonly sqlState: string;

  constructor(sqlState: string, message: string) {
    super(message);
    this.sqlState = sqlState;
  }
}

function sqlOf(statement: ClientStatement): string {
  switch (statement.kind) {
    case 'begin':
      return `BEGIN ISOLATION LEVEL ${statement.isolation ?? 'read committed'}`;
    case 'commit':
      return 'COMMIT';
    case 'rollback':
      return 'ROLLBACK';
    case 'savepoint':
      return `SAVEPOINT ${statement.name}`;
    case 'release':
      return `RELEASE SAVEPOINT ${statement.name}`;
    case 'rollbackTo':
      return `ROLLBACK TO SAVEPOINT ${statement.name}`;
    case 'insert': {
      const { table, row, onConflict } = statement;
      const values = Object.values(row).map(literal);
      const conflict = onConflict === undefined ? '' : ' ON CONFLICT DO NOTHING';
      return `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${values.join(', ')})${conflict}`;
    }
    case 'update': {
      const { table, key, set = {}, add = {} } = statement;
      const changes = [
        ...Object.entries(set).map(([column, value]) => `${column} = ${literal(value)}`),
        ...Object.entries(add).map(([column, amount]) => `${column} = ${column} + ${amount}`),
      ];
      return `UPDATE ${table} SET ${changes.join(', ')} WHERE ${matching(key)}`;
    }
    case 'delete':
      return `DELETE FROM ${statement.table} WHERE ${matching(statement.key)}`;
    case 'select': {
      const { table, key, lock } = statement;
      const where = key === undefined ? '' : ` WHERE ${matching(key)}`;
      const locking = lock === undefined ? '' : ` FOR ${lock}`;
      return `SELECT *, xmin::text FROM ${table}${where}${locking}`;
    }
    default:
      return settingSql(statement);
  }
}

function settingSql(
  statement: Exclude<
    ClientStatement,
    {
      readonly kind:
        | 'begin'
        | 'commit'
        | 'rollback'
        | 'savepoint'
        | 'release'
        | 'rollbackTo'
        | 'insert'
        | 'update'
        | 'delete'
        | 'select';
    }
  >,
): string {
  switch (statement.kind) {
    case 'truncate':
      return `TRUNCATE ${statement.table}`;
    case 'lockTable':
      return `LOCK TABLE ${statement.table} IN ${statement.mode} MODE`;
    case 'setLockTimeout':
      return `SET lock_timeout = ${statement.ms}`;
    case 'setOrigin':
      return statement.origin === null
        ? 'SELECT pg_replication_origin_session_reset()'
        : `SELECT pg_replication_origin_session_setup(${literal(statement.origin)})`;
    case 'setSynchronousCommit':
      return `SET synchronous_commit = ${statement.on ? 'on' : 'off'}`;
    default: {
      const { transactional, prefix, content } = statement;
      return `SELECT pg_logical_emit_message(${transactional}, ${literal(prefix)}, ${literal(content)})`;
    }
  }
}

function matching(key: ColumnValues): string {
  return Object.entries(key)
    .map(([column, value]) => `${column} = ${literal(value)}`)
    .join(' AND ');
}

function literal(value: string | null): string {
  return value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`;
}

function createTable(table: TableDefinition): string {
  const { schema, name, columns, key, unique = [], foreignKeys = [], checks = [] } = table;
  const parts = [
    ...columns.map(columnSql),
    `PRIMARY KEY (${key.join(', ')})`,
    ...unique.map((names) => `UNIQUE (${names.join(', ')})`),
    ...checks.map(checkSql),
    ...foreignKeys.map(
      (foreign) =>
        `CONSTRAINT ${foreign.name} FOREIGN KEY (${foreign.columns.join(', ')}) ` +
        `REFERENCES ${foreign.references.schema}.${foreign.references.name} ON DELETE ${foreign.onDelete}`,
    ),
  ];
  return `CREATE TABLE ${schema}.${name} (${parts.join(', ')})`;
}

function columnSql({ name, type, notNull, default: value, generated }: ColumnDefinition): string {
  const computed =
    generated === undefined
      ? ''
      : ` GENERATED ALWAYS AS (${generated.column} * ${generated.factor}) STORED`;
  const initial = value === undefined ? '' : ` DEFAULT ${literal(value)}`;
  return `${name} ${type}${notNull === true ? ' NOT NULL' : ''}${initial}${computed}`;
}

function checkSql({ name, column, operator, value }: CheckDefinition): string {
  return `CONSTRAINT ${name} CHECK (${column} ${operator} ${value})`;
}
