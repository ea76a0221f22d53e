import type pg from 'pg';
import type { ChaosRandom } from '#tests/support/chaos-random.ts';
import { pause } from '#tests/support/regions.ts';

export const SOAK_SCHEMA = `
  CREATE TABLE items (
    id int PRIMARY KEY, a text, b text, n bigint NOT NULL DEFAULT 0, amount numeric(20, 2));
  CREATE TABLE tallies (id int PRIMARY KEY, n bigint NOT NULL, amount numeric(20, 2) NOT NULL);
  INSERT INTO tallies SELECT g, 0, 0 FROM generate_series(1, 40) g;`;

export const SOAK_COLUMNS = {
  'public.items.n': 'counter',
  'public.items.amount': 'counter',
  'public.tallies.n': 'counter',
  'public.tallies.amount': 'counter',
} as const;

const TALLIES = 40;
const HOT_KEYS = 12;
// Divergence hides while a row stays hot: later writes heal it.
const ROTATE_MS = 2000;
const LONG_TRANSACTION_MS = 300;

/** What acknowledged commits have added to the tallies, in hundredths. */
export interface Ledger {
  readonly n: Map<number, bigint>;
  readonly cents: Map<number, bigint>;
  commits: number;
  /** SQLSTATEs that the application got. */
  readonly errors: Map<string, number>;
}

export function emptyLedger(): Ledger {
  return { n: new Map(), cents: new Map(), commits: 0, errors: new Map() };
}

interface Writer {
  readonly sql: pg.Client;
  readonly name: string;
  readonly random: ChaosRandom;
  readonly key: () => number;
  readonly keys: (count: number) => readonly number[];
}

/** One session of plain SQL: whatever the dice say, until `until`. */
export async function write(
  sql: pg.Client,
  name: string,
  random: ChaosRandom,
  ledger: Ledger,
  until: { readonly startMs: number; readonly endMs: number },
): Promise<void> {
  const key = (): number => {
    const window = Math.floor((performance.now() - until.startMs) / ROTATE_MS);
    // Now and then somebody comes back to the rows of a while ago.
    const back = random.next() < 0.1 ? random.integer(3) : 0;
    return Math.max(0, window - back) * HOT_KEYS + random.integer(HOT_KEYS) + 1;
  };
  // In key order, so that writers rarely deadlock with each other.
  const keys = (count: number): readonly number[] =>
    [...new Set(Array.from({ length: count }, key))].toSorted((left, right) => left - right);
  const writer: Writer = { sql, name, random, key, keys };
  while (performance.now() < until.endMs) {
    try {
      await transaction(writer, ledger);
      ledger.commits++;
    } catch (error) {
      const code = (error as { code?: string }).code ?? String(error);
      ledger.errors.set(code, (ledger.errors.get(code) ?? 0) + 1);
      await sql.query('ROLLBACK');
    }
    if (random.next() < 0.5) await pause(random.integer(8));
  }
}

async function transaction(writer: Writer, ledger: Ledger): Promise<void> {
  const { sql, random } = writer;
  const dice = random.next();
  if (dice < 0.25) return tally(writer, ledger);
  if (dice < 0.75) return single(writer);
  await sql.query(random.next() < 0.1 ? 'BEGIN ISOLATION LEVEL SERIALIZABLE' : 'BEGIN');
  if (dice < 0.85) await withSavepoints(writer);
  else if (dice < 0.93) await reinsert(writer);
  else await manyRows(writer);
  if (random.next() < 0.05) await pause(LONG_TRANSACTION_MS);
  await sql.query('COMMIT');
}

async function tally({ sql, random }: Writer, ledger: Ledger): Promise<void> {
  const id = random.integer(TALLIES) + 1;
  const n = random.integer(9) - 3;
  const cents = random.integer(2000) - 500;
  const text = 'UPDATE tallies SET n = n + $2, amount = amount + $3::numeric / 100 WHERE id = $1';
  await sql.query(text, [id, n, cents]);
  ledger.n.set(id, (ledger.n.get(id) ?? 0n) + BigInt(n));
  ledger.cents.set(id, (ledger.cents.get(id) ?? 0n) + BigInt(cents));
}

async function single({ sql, random, key, name }: Writer): Promise<void> {
  const id = key();
  const value = `${name} ${random.integer(1_000_000)}`;
  const insert = 'INSERT INTO items VALUES ($1, $2, $2, $3, 1.50) ON CONFLICT DO NOTHING';
  const statements: readonly (readonly [string, readonly unknown[]])[] = [
    ['UPDATE items SET a = $2 WHERE id = $1', [id, value]],
    ['UPDATE items SET b = $2, n = n + 1 WHERE id = $1', [id, value]],
    ['UPDATE items SET n = n + 2, amount = amount + 0.25 WHERE id = $1', [id]],
    ['UPDATE items SET amount = NULL WHERE id = $1', [id]],
    ['UPDATE items SET amount = coalesce(amount, 7) + 0.5 WHERE id = $1', [id]],
    ['DELETE FROM items WHERE id = $1', [id]],
    [insert, [id, value, random.integer(5)]],
    [insert, [id, value, random.integer(5)]],
  ];
  const [text, values] = statements[random.integer(statements.length)] ?? [insert, [id, value, 0]];
  await sql.query(text, [...values]);
}

async function withSavepoints({ sql, random, keys, name }: Writer): Promise<void> {
  for (const id of keys(3)) {
    await sql.query('SAVEPOINT s');
    await sql.query('UPDATE items SET a = $2, n = n + 3 WHERE id = $1', [id, `${name} s`]);
    if (random.next() < 0.3) await sql.query('ROLLBACK TO s');
    else await sql.query('RELEASE s');
  }
}

async function reinsert({ sql, random, key, name }: Writer): Promise<void> {
  const id = key();
  await sql.query('DELETE FROM items WHERE id = $1', [id]);
  if (random.next() < 0.5) await sql.query('SAVEPOINT s');
  const insert = 'INSERT INTO items VALUES ($1, $2, NULL, 10, 2) ON CONFLICT DO NOTHING';
  await sql.query(insert, [id, `${name} again`]);
  if (random.next() < 0.3) await sql.query('UPDATE items SET n = n + 1 WHERE id = $1', [id]);
}

async function manyRows({ sql, keys, name }: Writer): Promise<void> {
  for (const id of keys(6)) {
    const upsert = `INSERT INTO items VALUES ($1, $2, 'many', 1, 1)
      ON CONFLICT (id) DO UPDATE SET b = excluded.a, n = items.n + 1`;
    await sql.query(upsert, [id, `${name} many`]);
  }
}
