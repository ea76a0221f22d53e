import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { ChaosCluster } from './chaos-cluster.ts';
import type { Ledger } from './chaos-load.ts';

const WATCH_EVERY_MS = 150;
const SHOWN = 10;

/** Compares what the clients were told with what the tables say, in every region. */
export async function expectLedgerKept(cluster: ChaosCluster, ledger: Ledger): Promise<void> {
  for (const region of cluster.names) {
    const receipts = await cluster.query(
      region,
      `SELECT id FROM receipts WHERE id LIKE '${ledger.name}-%'`,
    );
    const there = new Set(receipts.map(({ id }) => id ?? ''));
    const lost = [...ledger.acknowledged].filter((id) => !there.has(id));
    expect(lost.slice(0, SHOWN), `acknowledged in some region and lost in ${region}`).toEqual([]);
    const invented = [...there].filter(
      (id) => !ledger.acknowledged.has(id) && !ledger.unknown.has(id),
    );
    expect(invented.slice(0, SHOWN), `never committed but in ${region}`).toEqual([]);
    const wrong = await cluster.query(
      region,
      `SELECT c.id, c.n, r.n AS expected FROM counters c
       JOIN (SELECT counter, sum(amount) AS n FROM receipts GROUP BY 1) r ON r.counter = c.id
       WHERE c.n <> r.n`,
    );
    expect(
      wrong.slice(0, SHOWN),
      `counters of ${region} that are not the sum of what was added`,
    ).toEqual([]);
    const [total] = await cluster.query(
      region,
      'SELECT sum(balance)::float8::text AS n FROM accounts',
    );
    expect(total?.['n'], `sum of all transfers in ${region}`).toBe('0');
  }
}

export interface Watch {
  /** Snapshots in which the accounts did not add up: transactions seen by half. */
  readonly torn: readonly string[];
  readonly looks: number;
  stop(): Promise<void>;
}

/** Looks at every region all along: a transfer is seen whole or not at all, whatever is being killed. */
export function watchAtomicity(cluster: ChaosCluster): Watch {
  const torn: string[] = [];
  const state = { running: true, looks: 0 };
  const look = async (region: string): Promise<void> => {
    while (state.running) {
      try {
        const [row] = await cluster.query(
          region,
          'SELECT sum(balance)::float8::text AS n FROM accounts',
        );
        state.looks++;
        if (row?.['n'] !== '0') torn.push(`${region}: ${row?.['n'] ?? 'nothing'}`);
      } catch {
        // The server is down just now.
      }
      await sleep(WATCH_EVERY_MS);
    }
  };
  const watchers = cluster.names.map(look);
  return {
    torn,
    get looks() {
      return state.looks;
    },
    stop: async () => {
      state.running = false;
      await Promise.all(watchers);
    },
  };
}
