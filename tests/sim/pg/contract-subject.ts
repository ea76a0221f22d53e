import type { Lsn } from '#core/lsn.ts';
import type { Database, DatabaseSession } from '#replicator/engine/database-port.ts';
import type { ReplicationSource } from '#replicator/engine/replication-port.ts';
import type { Statement, StatementResult } from '#replicator/engine/statement.ts';
import type { ClientResult, ClientRow, ClientStatement } from '#sim/pg/client-statement.ts';
import type { TableDefinition } from '#sim/pg/table-definition.ts';

/** A server that the contract is tried on: a real one, or the simulated one in virtual time. */
export interface PgSubject {
  readonly version: number;
  readonly database: Database;
  readonly replication: ReplicationSource;
  client(): Promise<ContractClient>;
  /** A slot that begins here. */
  slot(): Promise<string>;
  confirmedLsn(slot: string): Promise<Lsn>;
  sleep(ms: number): Promise<void>;
  /** kill -9 of the whole server, and started again. */
  restart(): Promise<void>;
}

/** An application's connection. Rejects with what has `sqlState`, or with a lost connection. */
export interface ContractClient {
  execute(statement: ClientStatement): Promise<ClientResult>;
}

/** One fact about PostgreSQL, as both must show it: `run` gives it as data. */
export interface PgCase {
  readonly name: string;
  readonly run: (subject: PgSubject) => Promise<unknown>;
  readonly outcome: unknown;
}

/** Short, so that the cases are; everything that waits for a lock here waits longer than this. */
export const DEADLOCK_TIMEOUT_MS = 200;
const LOOK_MS = 120;

const FULL = { schema: 'public', replicaIdentity: 'full' } as const;

export const CONTRACT_TABLES: readonly TableDefinition[] = [
  {
    ...FULL,
    name: 'item',
    columns: [
      { name: 'id', type: 'int' },
      { name: 'v', type: 'text' },
      { name: 'n', type: 'int' },
    ],
    key: ['id'],
    unique: [['v']],
  },
  {
    ...FULL,
    name: 'note',
    columns: [
      { name: 'id', type: 'int' },
      { name: 'body', type: 'varchar(5)' },
      { name: 'rate', type: 'numeric(6,2)' },
      { name: 'small', type: 'int2' },
      { name: 'must', type: 'text', notNull: true, default: 'x' },
      { name: 'twice', type: 'int', generated: { column: 'small', factor: 2 } },
    ],
    key: ['id'],
    checks: [{ name: 'small_positive', column: 'small', operator: '>=', value: 0 }],
  },
  {
    ...FULL,
    name: 'keyed',
    columns: [
      { name: 'id', type: 'int' },
      { name: 'v', type: 'text' },
    ],
    key: ['id'],
    replicaIdentity: 'default',
  },
  {
    ...FULL,
    name: 'parent',
    columns: [
      { name: 'id', type: 'int' },
      { name: 'v', type: 'text' },
    ],
    key: ['id'],
  },
  {
    ...FULL,
    name: 'child',
    columns: [
      { name: 'id', type: 'int' },
      { name: 'parent', type: 'int' },
      { name: 'owner', type: 'int' },
    ],
    key: ['id'],
    foreignKeys: [
      {
        name: 'child_parent_fkey',
        columns: ['parent'],
        references: { schema: 'public', name: 'parent' },
        onDelete: 'no action',
      },
      {
        name: 'child_owner_fkey',
        columns: ['owner'],
        references: { schema: 'public', name: 'parent' },
        onDelete: 'cascade',
      },
    ],
  },
];

export const TABLE_NAMES = CONTRACT_TABLES.map(({ schema, name }) => `${schema}.${name}`);

/** `3` for rows, `rolled back`, an SQLSTATE, or an error code. */
export async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    const value = await work;
    if (value === undefined || value === null || typeof value !== 'object') return 'ok';
    if (!('rows' in value)) return value;
    const { count, rolledBack } = value as ClientResult;
    return rolledBack ? 'rolled back' : count;
  } catch (error) {
    if (!(error instanceof Error)) return 'thrown';
    if ('sqlState' in error && typeof error.sqlState === 'string') return error.sqlState;
    return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
  }
}

/** What came within a moment, or `blocked`. */
export async function soon(subject: PgSubject, work: Promise<unknown>): Promise<unknown> {
  return Promise.race([outcomeOf(work), subject.sleep(LOOK_MS).then(() => 'blocked')]);
}

/** Statements one after the other; the outcomes. */
export async function each(
  client: ContractClient,
  ...statements: readonly ClientStatement[]
): Promise<readonly unknown[]> {
  const outcomes: unknown[] = [];
  for (const statement of statements) outcomes.push(await outcomeOf(client.execute(statement)));
  return outcomes;
}

export async function rowsOf(client: ContractClient, table: string): Promise<readonly string[]> {
  const { rows } = await client.execute({ kind: 'select', table: `public.${table}` });
  return rows.map(textOf).toSorted();
}

export function textOf({ values }: ClientRow): string {
  return Object.values(values)
    .map((value) => value ?? '-')
    .join(' ');
}

export function countsOf(results: readonly StatementResult[]): readonly number[] {
  return results.flatMap((result) => (result.kind === 'count' ? [result.count] : []));
}

/** A flight's outcome: counts, or code and SQLSTATE. */
export async function flown(
  session: DatabaseSession,
  statements: readonly Statement[],
): Promise<unknown> {
  try {
    return countsOf(await session.flight(statements));
  } catch (error) {
    const { code, sqlState } = error as { readonly code: string; readonly sqlState?: string };
    return sqlState === undefined ? code : `${code} ${sqlState}`;
  }
}

export const BEGIN: ClientStatement = { kind: 'begin' };
export const COMMIT: ClientStatement = { kind: 'commit' };
export const ROLLBACK: ClientStatement = { kind: 'rollback' };

export function insertItem(id: number, v: string | null = `v${id}`, n = 0): ClientStatement {
  return { kind: 'insert', table: 'public.item', row: { id: `${id}`, v, n: `${n}` } };
}

export function addTo(id: number, n = 1): ClientStatement {
  return { kind: 'update', table: 'public.item', key: { id: `${id}` }, add: { n: `${n}` } };
}

export function setItem(id: number, set: Readonly<Record<string, string>>): ClientStatement {
  return { kind: 'update', table: 'public.item', key: { id: `${id}` }, set };
}

export function deleteFrom(table: string, id: number): ClientStatement {
  return { kind: 'delete', table: `public.${table}`, key: { id: `${id}` } };
}
