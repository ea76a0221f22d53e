import { setTimeout as sleep } from 'node:timers/promises';
import { openShopSession } from '#deploy/demo/shop-session.ts';
import type { ShopSession } from '#deploy/demo/shop-session.ts';

const LOOK_EVERY_MS = 400;

/** Looks into every region while the writers are at it. */
export interface Observer {
  /** As the first region has recorded them so far. */
  readonly conflicts: number;
  readonly looks: number;
  /** Looks that saw an order without all of its lines: half a transaction. */
  readonly torn: number;
  stop(): Promise<void>;
}

export async function startObserver(urls: ReadonlyMap<string, string>): Promise<Observer> {
  const stop = new AbortController();
  const { signal } = stop;
  const sessions = await Promise.all(
    [...urls].map(([region, url]) => openShopSession(region, url)),
  );
  const seen = { conflicts: 0, looks: 0, torn: 0 };
  const running = Promise.all(
    sessions.map(async (session, at) => {
      while (!signal.aborted) {
        seen.torn += await tornOrders(session);
        seen.looks += 1;
        if (at === 0) seen.conflicts = await conflictCount(session);
        await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
      }
    }),
  );
  running.catch(() => stop.abort());
  return {
    get conflicts() {
      return seen.conflicts;
    },
    get looks() {
      return seen.looks;
    },
    get torn() {
      return seen.torn;
    },
    async stop() {
      stop.abort();
      try {
        await running;
      } finally {
        await Promise.allSettled(sessions.map(({ client }) => client.end()));
      }
    },
  };
}

// The newest, because half a transaction would be seen only for a moment.
const TORN = `
  SELECT count(*)::int AS torn
  FROM (SELECT id, lines FROM orders ORDER BY placed_at DESC LIMIT 100) o
  WHERE o.lines <> (SELECT count(*) FROM order_lines l WHERE l.order_id = o.id)`;

async function tornOrders({ client }: ShopSession): Promise<number> {
  const { rows } = await client.query<{ torn: number }>(TORN);
  return (rows[0]?.torn ?? 0) > 0 ? 1 : 0;
}

export async function conflictCount({ client }: ShopSession): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM everywrite.conflicts',
  );
  return rows[0]?.count ?? 0;
}
