import { openAdminClient } from '#replicator/pg/admin-client.ts';

/** How far a database server's clock is ahead of this machine's. */
export interface ClockReading {
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
}

const SAMPLES = 3;

/** The best of a few readings; null when the database cannot be reached from here. */
export async function measureClock(
  url: string,
  connectTimeoutMs: number,
  signal?: AbortSignal,
): Promise<ClockReading | null> {
  try {
    const client = await openAdminClient({ url, connectTimeoutMs, signal });
    try {
      let best: ClockReading | null = null;
      for (let sample = 0; sample < SAMPLES; sample += 1) {
        const before = wallMs();
        const [row] = await client.select<{ readonly at: number }>(
          'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS at',
        );
        const after = wallMs();
        const uncertaintyMs = (after - before) / 2;
        const offsetMs = (row?.at ?? 0) - (before + after) / 2;
        if (best === null || uncertaintyMs < best.uncertaintyMs) best = { offsetMs, uncertaintyMs };
      }
      return best;
    } finally {
      await client.close();
    }
  } catch {
    // Unreachable, or not allowed from here: there is nothing to compare with, which is no finding.
    return null;
  }
}

function wallMs(): number {
  return performance.timeOrigin + performance.now();
}
