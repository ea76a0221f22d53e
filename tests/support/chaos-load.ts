import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { ChaosCluster } from './chaos-cluster.ts';
import type { ChaosRandom } from './chaos-random.ts';

const COUNTERS = 24;
const ACCOUNTS = 12;
const NOTES = 60;
/** The hot rows move on: divergence hides while a row is written again and again. */
const HOT_MS = 2_000;
const RECONNECT_PATIENCE_MS = 120_000;

/**
 * Counters that everybody adds to, accounts between which everybody transfers, notes that everybody
 * overwrites and deletes. A receipt is written in the same transaction as what it stands for.
 */
export const LOAD_SCHEMA = `
CREATE TABLE counters (id int PRIMARY KEY, n bigint NOT NULL DEFAULT 0, by text);
CREATE TABLE accounts (id int PRIMARY KEY, balance numeric NOT NULL DEFAULT 0);
CREATE TABLE notes (id int PRIMARY KEY, title text, body text, edits int NOT NULL DEFAULT 0);
CREATE TABLE receipts (id text PRIMARY KEY, counter int, amount bigint NOT NULL DEFAULT 0);
INSERT INTO counters SELECT g FROM generate_series(1, ${COUNTERS}) g;
INSERT INTO accounts SELECT g FROM generate_series(1, ${ACCOUNTS}) g;
INSERT INTO notes SELECT g, 'title', 'body' FROM generate_series(1, ${NOTES}) g;
`;

export const LOAD_COLUMNS = {
  'public.counters.n': 'counter',
  'public.accounts.balance': 'counter',
  'public.notes.edits': 'counter',
} as const;

/** What the clients were told: PostgreSQL acknowledged these commits, whatever died afterwards. */
export interface Ledger {
  /** Begins every receipt, so that several loads can use one cluster. */
  readonly name: string;
  readonly acknowledged: Set<string>;
  /** The connection broke between COMMIT and its answer: may or may not have happened. */
  readonly unknown: Set<string>;
  refused: number;
  transactions: number;
}

export interface Load {
  readonly ledger: Ledger;
  readonly running: boolean;
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly writersPerRegion: number;
  /** A pause after each transaction; 0 writes as fast as the server answers. */
  readonly pauseMs: number;
}

let loads = 0;

export function startLoad(
  cluster: ChaosCluster,
  random: ChaosRandom,
  options: LoadOptions = { writersPerRegion: 2, pauseMs: 4 },
): Load {
  loads += 1;
  const ledger: Ledger = {
    name: `load${loads}`,
    acknowledged: new Set(),
    unknown: new Set(),
    refused: 0,
    transactions: 0,
  };
  const state = { running: true };
  const writers = cluster.names.flatMap((region) =>
    Array.from({ length: options.writersPerRegion }, (_, at) =>
      write(
        cluster,
        `${ledger.name}-${region}${at}`,
        region,
        random.fork(),
        ledger,
        options,
        state,
      ),
    ),
  );
  return {
    ledger,
    get running() {
      return state.running;
    },
    stop: async () => {
      state.running = false;
      await Promise.all(writers);
    },
  };
}

async function write(
  cluster: ChaosCluster,
  writer: string,
  region: string,
  random: ChaosRandom,
  ledger: Ledger,
  { pauseMs }: LoadOptions,
  state: { readonly running: boolean },
): Promise<void> {
  let client: Client | null = null;
  for (let count = 0; state.running; count++) {
    client ??= await cluster.connect(region, RECONNECT_PATIENCE_MS);
    const receipt = `${writer}-${count}`;
    try {
      await transact(client, receipt, random);
      ledger.acknowledged.add(receipt);
      ledger.transactions++;
    } catch (error) {
      if (isRefusal(error)) {
        ledger.refused++;
        await client.query('ROLLBACK').catch(() => {});
      } else {
        ledger.unknown.add(receipt);
        await client.end().catch(() => {});
        client = null;
      }
    }
    if (pauseMs > 0) await sleep(pauseMs * 2 * random.next());
  }
  await client?.end();
}

/** PostgreSQL answered: the transaction has not happened. Anything else: who knows. */
function isRefusal(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('57P') && !code.startsWith('08');
}

async function transact(client: Client, receipt: string, random: ChaosRandom): Promise<void> {
  const dice = random.next();
  if (dice < 0.4) await addToCounter(client, receipt, random);
  else if (dice < 0.65) await transfer(client, receipt, random);
  else await editNotes(client, receipt, random);
}

/** One statement, committed by itself. */
async function addToCounter(client: Client, receipt: string, random: ChaosRandom): Promise<void> {
  const amount = 1 + random.integer(9);
  await client.query(
    `WITH added AS (UPDATE counters SET n = n + $2, by = $1 WHERE id = $3)
     INSERT INTO receipts (id, counter, amount) VALUES ($1, $3, $2)`,
    [receipt, amount, 1 + random.integer(COUNTERS)],
  );
}

/** The sum over all accounts is zero in every snapshot of every region, at any time. */
async function transfer(client: Client, receipt: string, random: ChaosRandom): Promise<void> {
  const from = 1 + random.integer(ACCOUNTS);
  const to = 1 + ((from + random.integer(ACCOUNTS - 1)) % ACCOUNTS);
  const add = 'UPDATE accounts SET balance = balance + $2 WHERE id = $1';
  const amount = (1 + random.integer(1_000)) / 100;
  await client.query('BEGIN');
  // In the order of the keys, so that two clients of one region do not deadlock.
  for (const id of [from, to].toSorted((left, right) => left - right)) {
    await client.query(add, [id, id === from ? -amount : amount]);
  }
  await client.query('INSERT INTO receipts (id) VALUES ($1)', [receipt]);
  await client.query('COMMIT');
}

async function editNotes(client: Client, receipt: string, random: ChaosRandom): Promise<void> {
  const hot = Math.floor(performance.now() / HOT_MS) * 7;
  const id = 1 + ((hot + random.integer(8)) % NOTES);
  const dice = random.next();
  await client.query('BEGIN');
  if (dice < 0.3) {
    await client.query('UPDATE notes SET title = $2 WHERE id = $1', [id, receipt]);
  } else if (dice < 0.6) {
    await client.query('UPDATE notes SET body = $2, edits = edits + 1 WHERE id = $1', [
      id,
      receipt.repeat(1 + random.integer(20)),
    ]);
  } else if (dice < 0.75) {
    await client.query('DELETE FROM notes WHERE id = $1', [id]);
  } else if (dice < 0.95) {
    await insertNote(client, id, receipt);
  } else {
    await client.query('DELETE FROM notes WHERE id = $1', [id]);
    await client.query('SAVEPOINT again');
    await insertNote(client, id, receipt);
  }
  await client.query('INSERT INTO receipts (id) VALUES ($1)', [receipt]);
  await client.query('COMMIT');
}

async function insertNote(client: Client, id: number, receipt: string): Promise<void> {
  await client.query(
    'INSERT INTO notes (id, title, body) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING',
    [id, receipt],
  );
}
