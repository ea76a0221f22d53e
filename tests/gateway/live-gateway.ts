import { readFile } from 'node:fs/promises';
import { Client } from 'pg';
import type { EngineOptions } from '#gateway/execution/engine.ts';
import type { Executed, Principal } from '#gateway/execution/request.ts';
import { LiveSchema } from '#gateway/live-schema.ts';
import type { ModelOptions } from '#gateway/model/build-model.ts';
import { Pool } from '#gateway/pg/pool.ts';

export const ENGINE: Omit<EngineOptions, 'onStale'> = {
  documents: {
    limits: {
      maxTokens: 5_000,
      maxDepth: 20,
      maxAliases: 100,
      maxDirectives: 50,
      maxRootFields: 50,
    },
    introspection: true,
    maxDocuments: 1_000,
  },
  rows: { defaultRows: 100, maxRows: 1_000 },
  maxCost: 1_000_000_000_000,
};

export const NOBODY: Principal = { role: null, claims: '', key: '' };

export interface LiveGateway {
  readonly pool: Pool;
  readonly schema: LiveSchema;
  readonly problems: readonly string[];
  readonly url: string;
  /** Plain SQL, as the database's owner. */
  sql(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  ask(query: string, variables?: Record<string, unknown>, as?: Principal): Promise<Answer>;
  execute(query: string, variables?: Record<string, unknown>, as?: Principal): Promise<Executed>;
  close(): Promise<void>;
}

export interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly unknown[];
    readonly extensions: { readonly code: string } & Readonly<Record<string, unknown>>;
  }[];
}

/** The gateway's engine over a database, without HTTP around it. */
export async function liveGateway(
  url: string,
  model: Partial<ModelOptions> = {},
): Promise<LiveGateway> {
  const pool = new Pool({
    url,
    applicationName: 'gateway test',
    connectTimeoutMs: 5_000,
    statementTimeoutMs: 20_000,
    maxConnections: 4,
    maxWaiting: 100,
    waitTimeoutMs: 10_000,
  });
  const problems: string[] = [];
  const schema = new LiveSchema(pool, {
    model: { schemas: ['public'], mergeOf: () => undefined, ...model },
    engine: ENGINE,
    pollMs: 100,
    onProblem: (problem) => problems.push(problem),
    onError: (error) => {
      throw error;
    },
  });
  await schema.load();
  const client = new Client(url);
  await client.connect();
  const execute: LiveGateway['execute'] = (query, variables, as = NOBODY) => {
    return schema.engine.execute({ query, ...(variables === undefined ? {} : { variables }) }, as, {
      operations: 'all',
    });
  };
  return {
    pool,
    schema,
    problems,
    url,
    sql: async (text, values = []) => {
      const result = await client.query<Record<string, unknown>>(text, [...values]);
      return result.rows;
    },
    execute,
    ask: async (query, variables, as) => {
      const executed = await execute(query, variables, as);
      if (executed.unexpected.length > 0) throw executed.unexpected[0];
      return JSON.parse(`{${executed.members('token')}}`) as Answer;
    },
    close: async () => {
      await client.end();
      await pool.close();
    },
  };
}

/** Runs a file of SQL in a database. */
export async function loadSql(url: string, text: string): Promise<void> {
  const client = new Client(url);
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

export async function loadFile(url: string, path: string): Promise<void> {
  await loadSql(url, await readFile(path, 'utf8'));
}
