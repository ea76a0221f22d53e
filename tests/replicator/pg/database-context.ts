import { openAdminClient } from '#replicator/pg/admin-client.ts';
import { migrate } from '#replicator/pg/migrations.ts';
import { PgDatabase } from '#replicator/pg/database.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { Guard, Statement, StatementResult } from '#replicator/engine/statement.ts';
import { scratchDatabase } from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchDatabase, ScratchServer } from '#tests/replicator/pg/scratch-database.ts';

export const CONNECT_TIMEOUT_MS = 5_000;
/** No arm but the key's own transaction id. */
export const NOTHING_KNOWN: Guard = { horizonXid: null, ownXids: [] };

/** A fresh database with Everywrite's tables, the adapter on it, and one session that applies. */
export interface DatabaseContext extends AsyncDisposable {
  readonly scratch: ScratchDatabase;
  readonly database: PgDatabase;
  readonly apply: DatabaseSession;
  /** The first column of the first row, as text. */
  value(sql: string): Promise<string | null>;
  /** Runs statements in a transaction of their own and commits. */
  transact(...statements: readonly Statement[]): Promise<readonly StatementResult[]>;
}

export async function databaseContext(
  server: ScratchServer,
  name: string,
  setUp = '',
): Promise<DatabaseContext> {
  const scratch = await scratchDatabase(server, name, setUp);
  const admin = await openAdminClient({ url: scratch.url, connectTimeoutMs: CONNECT_TIMEOUT_MS });
  await admin.execute('BEGIN');
  await migrate(admin);
  await admin.execute('COMMIT');
  await admin.close();
  const options = { url: scratch.url, cluster: name, connectTimeoutMs: CONNECT_TIMEOUT_MS };
  const database = await PgDatabase.connect(options);
  const apply = await database.open('apply');
  return {
    scratch,
    database,
    apply,
    async value(sql) {
      const [row] = await scratch.rows(`SELECT (${sql})::text AS value`);
      return (row?.['value'] ?? null) as string | null;
    },
    async transact(...statements) {
      const results = await apply.flight([BEGIN, ...statements, { kind: 'commit' }]);
      return results.slice(1, -1);
    },
    async [Symbol.asyncDispose]() {
      await apply.close();
      await database.close();
      await scratch[Symbol.asyncDispose]();
    },
  };
}

export const BEGIN: Statement = { kind: 'begin', lockTimeoutMs: 2_000 };

/** A relation in `public`, or in the schema before a dot, whose first columns are the key. */
export function relationOf(name: string, columns: readonly string[], keyLength = 1): Relation {
  const [schema, table] = name.includes('.') ? name.split('.', 2) : ['public', name];
  return {
    schema: schema ?? '',
    name: table ?? '',
    columns: columns.map((column) => ({ name: column, typeOid: 25 })),
    keyColumns: Array.from({ length: keyLength }, (_, position) => position),
  };
}

export function keyOf(...parts: readonly string[]): RowKey {
  return parts.join('\u0000') as RowKey;
}

export function counts(results: readonly StatementResult[]): readonly number[] {
  return results.flatMap((result) => (result.kind === 'count' ? [result.count] : []));
}
