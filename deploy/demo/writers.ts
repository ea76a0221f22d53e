import { setTimeout as sleep } from 'node:timers/promises';
import type { Ledger } from '#deploy/demo/ledger.ts';
import { anyAction } from '#deploy/demo/shop-actions.ts';
import { GAVE_WAY, inTransaction, openShopSession } from '#deploy/demo/shop-session.ts';
import type { ShopSession } from '#deploy/demo/shop-session.ts';

/** Writers that are stopped between two transactions. */
export interface Writers {
  /** Resolves when every writer has finished its last transaction; rejects if one failed. */
  stop(): Promise<void>;
}

export interface WriterOptions {
  readonly perRegion: number;
  /** Transactions per second that one writer aims at. */
  readonly rate: number;
}

/** Applications in every region, each with its own connection, entering what is acknowledged. */
export async function startWriters(
  urls: ReadonlyMap<string, string>,
  ledger: Ledger,
  options: WriterOptions,
): Promise<Writers> {
  const stop = new AbortController();
  const opened = [...urls].flatMap(([region, url]) =>
    Array.from({ length: options.perRegion }, () => openShopSession(region, url)),
  );
  const sessions = await Promise.all(opened);
  const running = Promise.all(
    sessions.map((session) => write(session, ledger, 1_000 / options.rate, stop.signal)),
  );
  // Whoever stops them hears of a failure; until then it must not pass for unhandled.
  running.catch(() => stop.abort());
  return {
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

async function write(
  session: ShopSession,
  ledger: Ledger,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  let due = performance.now() + Math.random() * intervalMs;
  while (!signal.aborted) {
    const wait = due - performance.now();
    if (wait > 1) await sleep(wait, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    // Who is late does not catch up in a burst: this is an application, not a benchmark.
    due = Math.max(due, performance.now() - intervalMs) + intervalMs * (0.5 + Math.random());
    const facts = await inTransaction(session, () => anyAction().act(session));
    if (facts === GAVE_WAY) ledger.refused += 1;
    else ledger.committed(session.region, facts);
  }
}
