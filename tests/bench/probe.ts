import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { PROBE_ROWS } from './workload.ts';

const VISIBLE_TIMEOUT_MS = 240_000;
const MARK_POLL_MS = 3;
const UPDATE = { name: 'probe-update', text: 'UPDATE probe SET v = $2 WHERE id = $1' };
const SELECT = { name: 'probe-select', text: 'SELECT v FROM probe WHERE id = $1' };

let lastMark = 0;

/** A value that no row of `probe` has had yet. */
export function nextMark(): number {
  lastMark += 1;
  return lastMark;
}

export async function writeProbe(client: pg.Client, id: number, mark: number): Promise<void> {
  await client.query({ ...UPDATE, values: [id, mark] });
}

/** When the row came to hold the mark, on the clock of `performance.now()`. */
export async function untilVisible(client: pg.Client, id: number, mark: number): Promise<number> {
  const deadline = performance.now() + VISIBLE_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if ((await readProbe(client, id)) >= mark) return performance.now();
    await sleep(MARK_POLL_MS);
  }
  throw new Error(`a row was not visible on the other node after ${VISIBLE_TIMEOUT_MS / 1000} s`);
}

/**
 * Commit-to-visible lag under an open loop of single-row updates, in ms. The writer commits on one node
 * at its own pace; one connection to the other node asks for the oldest missing row by key, again and again
 * while one is missing and not at all otherwise, so that watching costs both methods the same and little.
 */
export async function measureLag(
  origin: pg.Client,
  target: pg.Client,
  perSecond: number,
  seconds: number,
): Promise<readonly number[]> {
  const total = Math.round(perSecond * seconds);
  const first = nextMark();
  lastMark = first + total;
  const sent: Promise<void>[] = [];
  const committedMs: number[] = [];
  const visibleMs: number[] = [];
  let wake = (): void => {};
  let previous = Promise.resolve();
  const send = async (n: number): Promise<void> => {
    // One connection takes one statement at a time; the schedule goes on, so a late answer is made up for.
    await previous;
    await writeProbe(origin, rowOf(n), first + n);
    committedMs[n] = performance.now();
  };
  const writing = (async () => {
    const startedMs = performance.now();
    for (let n = 0; n < total; n += 1) {
      const dueMs = startedMs + (n * 1000) / perSecond;
      while (performance.now() < dueMs) await sleep(Math.max(1, dueMs - performance.now() - 1));
      previous = send(n);
      sent.push(previous);
      wake();
    }
  })();
  for (let n = 0; n < total; n += 1) {
    if (sent.length <= n) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    visibleMs.push(await untilSeen(target, rowOf(n), first + n));
  }
  await writing;
  await Promise.all(sent);
  // The row can be seen before the writer has the answer to its COMMIT.
  return visibleMs.map((seen, n) => Math.max(0, seen - (committedMs[n] ?? seen)));
}

function rowOf(n: number): number {
  return 1 + (n % PROBE_ROWS);
}

async function untilSeen(client: pg.Client, id: number, mark: number): Promise<number> {
  const deadline = performance.now() + VISIBLE_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if ((await readProbe(client, id)) >= mark) return performance.now();
  }
  throw new Error(`a row was not visible on the other node after ${VISIBLE_TIMEOUT_MS / 1000} s`);
}

async function readProbe(client: pg.Client, id: number): Promise<number> {
  const { rows } = await client.query<{ readonly v: string }>({ ...SELECT, values: [id] });
  return Number(rows[0]?.v ?? 0);
}
