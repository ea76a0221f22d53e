import { setTimeout as sleep } from 'node:timers/promises';
import { regionOf, replicaId } from '#core/region.ts';
import type { RegionId } from '#core/region.ts';
import { covers, parseVector, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { readStatusPage } from '#deploy/inspect/admin-page.ts';
import type { Settled } from '#deploy/verify/verify-report.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { openAdminClient } from '#replicator/pg/admin-client.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { readRegionRow } from '#replicator/pg/region-row.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

const POLL_MS = 100;
const PAGE_TIMEOUT_MS = 1_000;
/** A commit needs a moment until capture has seen it; what stood still so long had none pending. */
const STILL_MS = 400;

/** How far one region is. */
export interface Position {
  readonly region: RegionId;
  /** The last own transaction that is known, by its replicator or by its database. */
  readonly captured: number;
  /** Of the tables: everywrite.applied. */
  readonly applied: VersionVector;
  readonly unpublishedBytes: number;
  readonly epoch: number;
}

interface Watched {
  readonly config: RegionConfig;
  readonly client: AdminClient;
  readonly epoch: number;
}

/** Watches how far the regions are, until they stand still or the bound is reached. */
export class Quiescence {
  readonly #watched: readonly Watched[];
  readonly #unprepared: readonly string[];
  readonly #signal: AbortSignal;

  private constructor(
    watched: readonly Watched[],
    unprepared: readonly string[],
    signal: AbortSignal,
  ) {
    this.#watched = watched;
    this.#unprepared = unprepared;
    this.#signal = signal;
  }

  static async open(
    config: ClusterConfig,
    regions: readonly RegionConfig[],
    signal: AbortSignal,
  ): Promise<Quiescence> {
    const { connectTimeoutMs } = config.replication;
    const watched: Watched[] = [];
    const unprepared: string[] = [];
    try {
      for (const region of regions) {
        const client = await openAdminClient({ url: region.database, connectTimeoutMs, signal });
        watched.push({ config: region, client, epoch: 0 });
        const row = await readRegionRow(client);
        if (row === null) unprepared.push(region.region);
        else watched.splice(-1, 1, { config: region, client, epoch: row.epoch });
      }
      return new Quiescence(watched, unprepared, signal);
    } catch (error) {
      await Promise.all(watched.map(({ client }) => client.close()));
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#watched.map(({ client }) => client.close()));
  }

  /** Waits until all have applied everything and nothing moves any more. */
  async settle(timeoutMs: number): Promise<Settled> {
    if (this.#unprepared.length > 0) return { kind: 'unprepared', regions: this.#unprepared };
    const start = performance.now();
    let since = start;
    let before = '';
    for (;;) {
      const positions = await this.positions();
      const now = performance.now();
      const behind = laggards(positions);
      const picture = JSON.stringify(positions.map(({ captured }) => captured));
      if (picture !== before || behind.length > 0) since = now;
      before = picture;
      const waitedMs = Math.round(now - start);
      if (now - since >= STILL_MS) return { kind: 'settled', waitedMs };
      if (waitedMs > timeoutMs) return { kind: 'timeout', waitedMs, behind };
      await sleep(POLL_MS, undefined, { signal: this.#signal });
    }
  }

  /** Own transactions known in every region: what rises while somebody writes. */
  async captured(): Promise<number> {
    if (this.#unprepared.length > 0) return 0;
    return (await this.positions()).reduce((sum, { captured }) => sum + captured, 0);
  }

  async positions(): Promise<readonly Position[]> {
    return Promise.all(this.#watched.map((watched) => this.#position(watched)));
  }

  async #position({ config, client, epoch }: Watched): Promise<Position> {
    const [page, rows] = await Promise.all([
      // Without it the databases still say what each has applied, only not what is still coming.
      readStatusPage(config, PAGE_TIMEOUT_MS, this.#signal).catch((): RegionStatus | null => null),
      client.select<{ readonly vector: string }>('SELECT vector FROM everywrite.applied'),
    ]);
    const applied = parseVector(rows[0]?.vector ?? '');
    const own = sequenceOf(applied, replicaId(config.region, epoch));
    return {
      region: config.region,
      captured: Math.max(own, page?.captured ?? 0),
      applied,
      unpublishedBytes: page?.unpublishedBytes ?? 0,
      epoch,
    };
  }
}

/**
 * Who has not applied what, pair by pair. Not what a region wrote itself: its tables hold that from the
 * commit on, though its vector may say so only with the next change from elsewhere.
 */
export function laggards(
  positions: readonly Position[],
): readonly { readonly region: string; readonly peer: string; readonly transactions: number }[] {
  return positions.flatMap(({ region, applied }) =>
    positions.flatMap((peer) => {
      const known = new Map(peer.applied).set(replicaId(peer.region, peer.epoch), peer.captured);
      const ofPeer = new Map([...known].filter(([replica]) => regionOf(replica) === peer.region));
      if (peer.region === region || covers(applied, ofPeer)) return [];
      const transactions = [...ofPeer].reduce(
        (sum, [replica, sequence]) => sum + Math.max(0, sequence - sequenceOf(applied, replica)),
        0,
      );
      return [{ region, peer: peer.region, transactions }];
    }),
  );
}
