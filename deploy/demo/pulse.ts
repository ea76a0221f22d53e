import { setTimeout as sleep } from 'node:timers/promises';
import type { LagRecorder } from '#deploy/demo/lag-recorder.ts';
import { openShopSession } from '#deploy/demo/shop-session.ts';
import type { ShopSession } from '#deploy/demo/shop-session.ts';

const BEAT_MS = 50;
/** How often each region looks: a lag is measured a little too long by half of it. */
export const LOOK_MS = 4;

export interface Pulse {
  stop(): Promise<void>;
}

/**
 * Measures lag as an application would see it: every region counts up a row of its own, and every
 * other region's database is asked again and again until it shows that. One process, one clock.
 * `counts` says whether a look at `from` in `to` counts now: not while they are cut off.
 */
export async function startPulse(
  urls: ReadonlyMap<string, string>,
  lag: LagRecorder,
  counts: (from: string, to: string) => boolean,
): Promise<Pulse> {
  const stop = new AbortController();
  const { signal } = stop;
  const sessions: ShopSession[] = [];
  const loops: Promise<void>[] = [];
  for (const [region, url] of urls) {
    const beating = await openShopSession(region, url);
    const looking = await openShopSession(region, url);
    sessions.push(beating, looking);
    loops.push(beat(beating, lag, signal), look(looking, lag, counts, signal));
  }
  const running = Promise.all(loops);
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

async function beat(
  { region, client }: ShopSession,
  lag: LagRecorder,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await client.query('UPDATE pulse SET beat = beat + 1 WHERE region = $1', [region]);
    lag.committed(region, performance.now());
    await pause(BEAT_MS, signal);
  }
}

async function look(
  { region, client }: ShopSession,
  lag: LagRecorder,
  counts: (from: string, to: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const query = { name: 'pulse', text: 'SELECT region, beat FROM pulse' };
  while (!signal.aborted) {
    const { rows } = await client.query<{ region: string; beat: string }>(query);
    const now = performance.now();
    for (const { region: from, beat: number } of rows) {
      if (from !== region) lag.visible(from, region, Number(number), now, counts(from, region));
    }
    await pause(LOOK_MS, signal);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
