import { randomInt } from 'node:crypto';
import { must } from '#core/assert.ts';
import type { Fact } from '#deploy/demo/ledger.ts';
import { firstRow } from '#deploy/demo/shop-session.ts';
import type { ShopSession } from '#deploy/demo/shop-session.ts';

const PRODUCTS = 40;
const CUSTOMERS = 100;
const STATES = ['paid', 'packed', 'shipped', 'cancelled'] as const;
const COLOURS = ['red', 'green', 'blue', 'brass', 'ivory'] as const;
const OPINIONS = ['Lovely', 'Sturdy', 'Too small', 'As described', 'Would buy again'] as const;

/** What an application of the shop does: each action is one transaction of plain SQL. */
export interface Action {
  /** How often, relative to the others. */
  readonly weight: number;
  act(session: ShopSession): Promise<readonly Fact[]>;
}

export const ACTIONS: readonly Action[] = [
  { weight: 28, act: placeOrder },
  { weight: 14, act: restock },
  { weight: 16, act: changePrice },
  { weight: 10, act: describeProduct },
  { weight: 8, act: advanceOrder },
  { weight: 10, act: writeNote },
  { weight: 10, act: editNote },
  { weight: 4, act: deleteNote },
];

export function anyAction(): Action {
  const total = ACTIONS.reduce((sum, { weight }) => sum + weight, 0);
  let left = randomInt(total);
  for (const action of ACTIONS) {
    left -= action.weight;
    if (left < 0) return action;
  }
  return must(ACTIONS[0], 'an action');
}

/** An order with its lines, the stock, what was sold and the customer's points: all or nothing. */
async function placeOrder(session: ShopSession): Promise<readonly Fact[]> {
  const { client } = session;
  const wanted = new Set(Array.from({ length: 1 + randomInt(3) }, anyProduct));
  // In one order everywhere, so that two orders never wait for each other in a circle.
  const products = [...wanted].toSorted((left, right) => left - right);
  const placed = await firstRow<{ id: string }>(
    session,
    `INSERT INTO orders (customer, lines, delivery, placed_from)
     VALUES (md5('customer ' || $1::int)::uuid, $2, $3::int * interval '1 hour', $4) RETURNING id`,
    [1 + randomInt(CUSTOMERS), products.length, 12 + randomInt(72), `10.${randomInt(200)}.0.1`],
  );
  const order = must(placed, 'the order just inserted').id;
  const facts: Fact[] = [{ kind: 'ordered', order, lines: products.length }];
  for (const [at, product] of products.entries()) {
    const quantity = 1 + randomInt(4);
    await client.query(
      `INSERT INTO order_lines (order_id, line, product, quantity, price)
       SELECT $1, $2, id, $4, price FROM products WHERE id = $3`,
      [order, at + 1, product, quantity],
    );
    await client.query('UPDATE products SET stock = stock - $2, sold = sold + $2 WHERE id = $1', [
      product,
      quantity,
    ]);
    const key = String(product);
    facts.push({ kind: 'added', column: 'products.stock', key, delta: -quantity });
    facts.push({ kind: 'added', column: 'products.sold', key, delta: quantity });
  }
  const points = 5 + randomInt(20);
  const earner = await firstRow<{ id: string }>(
    session,
    `UPDATE customers SET points = points + $2
     WHERE id = (SELECT customer FROM orders WHERE id = $1) RETURNING id`,
    [order, points],
  );
  if (earner !== undefined) {
    facts.push({ kind: 'added', column: 'customers.points', key: earner.id, delta: points });
  }
  return facts;
}

async function restock({ client }: ShopSession): Promise<readonly Fact[]> {
  const product = anyProduct();
  const delta = 5 + randomInt(50);
  await client.query('UPDATE products SET stock = stock + $2 WHERE id = $1', [product, delta]);
  return [{ kind: 'added', column: 'products.stock', key: String(product), delta }];
}

async function changePrice({ client }: ShopSession): Promise<readonly Fact[]> {
  const price = (5 + randomInt(9_000) / 100).toFixed(2);
  await client.query('UPDATE products SET price = $2 WHERE id = $1', [anyProduct(), price]);
  return [];
}

async function describeProduct({ client, region }: ShopSession): Promise<readonly Fact[]> {
  const product = anyProduct();
  await client.query(
    `UPDATE products SET attributes = attributes || $2::jsonb, tags = $3, changed_at = clock_timestamp()
     WHERE id = $1`,
    [
      product,
      JSON.stringify({ colour: oneOf(COLOURS), size: randomInt(6) }),
      ['shop', `by ${region}`, `shelf ${randomInt(5)}`],
    ],
  );
  return [];
}

async function advanceOrder({ client }: ShopSession): Promise<readonly Fact[]> {
  // One of the newest, wherever it was placed: another region may be at it too.
  await client.query(
    `UPDATE orders SET state = $1
     WHERE id = (SELECT id FROM orders ORDER BY id DESC OFFSET $2 LIMIT 1)`,
    [oneOf(STATES), randomInt(10)],
  );
  return [];
}

async function writeNote(session: ShopSession): Promise<readonly Fact[]> {
  const note = await firstRow<{ id: string }>(
    session,
    `INSERT INTO notes (product, body, stars, labels, meta, signature)
     VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
    [
      anyProduct(),
      `${oneOf(OPINIONS)}, says "${session.region}" – 100 % ✓`,
      1 + randomInt(5),
      ['new', session.region],
      JSON.stringify({ likes: 0, from: session.region }),
      Buffer.from([randomInt(256), 0, 255, randomInt(256)]),
    ],
  );
  return note === undefined ? [] : [{ kind: 'noted', note: note.id }];
}

async function editNote({ client, region }: ShopSession): Promise<readonly Fact[]> {
  await client.query(`UPDATE notes SET body = $1, stars = $2 WHERE id = ${SOME_NOTE}`, [
    `${oneOf(OPINIONS)} (${region} ${randomInt(1_000)})`,
    1 + randomInt(5),
    randomInt(30),
  ]);
  return [];
}

async function deleteNote(session: ShopSession): Promise<readonly Fact[]> {
  const note = await firstRow<{ id: string }>(
    session,
    `DELETE FROM notes WHERE id = ${SOME_NOTE.replace('$3', '$1')} RETURNING id`,
    [randomInt(30)],
  );
  return note === undefined ? [] : [{ kind: 'deleted', note: note.id }];
}

// Among the oldest, so that all regions are at the same few rows.
const SOME_NOTE = '(SELECT id FROM notes ORDER BY id OFFSET $3 LIMIT 1)';

function anyProduct(): number {
  return 1 + randomInt(PRODUCTS);
}

function oneOf(words: readonly string[]): string {
  return words[randomInt(words.length)] ?? '';
}
