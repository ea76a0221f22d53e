import type { Client } from 'pg';
import { counterName } from '#deploy/demo/ledger.ts';
import type { Counter, Ledger } from '#deploy/demo/ledger.ts';

/** The shop's checkable content in one region. */
export interface ShopContent {
  /** Counter → value. */
  readonly counters: ReadonlyMap<string, number>;
  /** Order id → how many lines it has. */
  readonly orders: ReadonlyMap<string, number>;
  readonly notes: ReadonlySet<string>;
}

/** What the ledger says should be in a region and is not; all empty when nothing is lost. */
export interface Audit {
  readonly region: string;
  readonly wrongCounters: readonly WrongCounter[];
  readonly lostOrders: readonly string[];
  /** Orders without all of their lines: half a transaction. */
  readonly tornOrders: readonly string[];
  readonly lostNotes: readonly string[];
}

export interface WrongCounter {
  readonly counter: string;
  readonly expected: number;
  readonly found: number | null;
}

export async function readShop(client: Client): Promise<ShopContent> {
  const products = await client.query<{ id: number; stock: number; sold: string }>(
    'SELECT id, stock, sold FROM products',
  );
  const customers = await client.query<{ id: string; points: string }>(
    'SELECT id, points FROM customers',
  );
  const orders = await client.query<{ id: string; lines: number }>(
    `SELECT o.id, count(l.order_id)::int AS lines
     FROM orders o LEFT JOIN order_lines l ON l.order_id = o.id GROUP BY o.id`,
  );
  const notes = await client.query<{ id: string }>('SELECT id FROM notes');
  const counter = (column: Counter['column'], key: string, value: number | string) =>
    [counterName({ column, key }), Number(value)] as const;
  return {
    counters: new Map([
      ...products.rows.map(({ id, stock }) => counter('products.stock', String(id), stock)),
      ...products.rows.map(({ id, sold }) => counter('products.sold', String(id), sold)),
      ...customers.rows.map(({ id, points }) => counter('customers.points', id, points)),
    ]),
    orders: new Map(orders.rows.map(({ id, lines }) => [id, lines])),
    notes: new Set(notes.rows.map(({ id }) => id)),
  };
}

/** Holds one region against what was acknowledged since `before`. */
export function audit(
  region: string,
  before: ShopContent,
  ledger: Ledger,
  now: ShopContent,
): Audit {
  const wrongCounters = [...before.counters].flatMap(
    ([counter, start]): readonly WrongCounter[] => {
      const expected = start + (ledger.counters.get(counter) ?? 0);
      const found = now.counters.get(counter) ?? null;
      return found === expected ? [] : [{ counter, expected, found }];
    },
  );
  const orders = [...ledger.orders.keys()];
  return {
    region,
    wrongCounters,
    lostOrders: orders.filter((id) => !now.orders.has(id)),
    tornOrders: orders.filter((id) => {
      const lines = now.orders.get(id);
      return lines !== undefined && lines !== ledger.orders.get(id);
    }),
    // A note that somebody deleted may be gone or, where a concurrent update came later, be back.
    lostNotes: [...ledger.notes].filter((id) => !now.notes.has(id) && !ledger.deletedNotes.has(id)),
  };
}

export function isClean(found: Audit): boolean {
  const { wrongCounters, lostOrders, tornOrders, lostNotes } = found;
  return wrongCounters.length + lostOrders.length + tornOrders.length + lostNotes.length === 0;
}
