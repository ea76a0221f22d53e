import { parseLsn } from '#core/lsn.ts';
import type { Clock } from '#core/ports.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { regionOf } from '#core/region.ts';
import { covers, parseVector } from '#core/version-vector.ts';
import { GatewayError } from '#gateway/errors.ts';
import type { Executed, FlightHook } from '#gateway/execution/request.ts';
import type { ChangeFeed } from '#gateway/feed/change-feed.ts';
import type { Sql } from '#gateway/pg/sql-text.ts';
import {
  decodeToken,
  EMPTY_TOKEN,
  encodeToken,
  joinTokens,
  tokenOf,
} from '#gateway/session/causal-token.ts';
import type { CausalToken } from '#gateway/session/causal-token.ts';
import { parseConsistency } from '#gateway/session/consistency.ts';
import type { Consistency } from '#gateway/session/consistency.ts';

/** One request's part in its client's session. */
export interface OpenSession {
  readonly flight: FlightHook;
  /** What the answer says of itself; throws CAUSAL_TIMEOUT when the database showed less than was asked for. */
  finish(executed: Executed): SessionAnswer;
}

export interface SessionAnswer {
  readonly token: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON of the response's `extensions`. */
  readonly extensions: string;
}

/** Read after COMMIT, so it covers what was read and written, and the login role is back. */
const WHERE_WE_ARE: Sql = {
  text: `SELECT a.vector, pg_current_wal_insert_lsn()::text, r.region || '.' || r.epoch FROM everywrite.applied a, everywrite.region r`,
  values: [],
};
const FLIGHT: FlightHook = { afterCommit: [WHERE_WE_ARE] };

/** Causal sessions over the gateway's feed. */
export class Sessions {
  readonly #feed: ChangeFeed;
  readonly #own: RegionId;
  readonly #regions: readonly RegionId[];
  readonly #clock: Clock;

  constructor(feed: ChangeFeed, own: RegionId, regions: readonly RegionId[], clock: Clock) {
    this.#feed = feed;
    this.#own = own;
    this.#regions = regions;
    this.#clock = clock;
  }

  /** Waits until this region shows what the request's token names. */
  async open(
    headers: Readonly<Record<string, string | readonly string[] | undefined>>,
    extensions: Readonly<Record<string, unknown>> | undefined,
    _principal: unknown,
    signal: AbortSignal,
  ): Promise<OpenSession> {
    const token = this.#tokenIn(headers, extensions);
    const consistency = consistencyIn(headers);
    const stale = await this.#satisfy(token, consistency, signal);
    return {
      flight: FLIGHT,
      finish: (executed) => this.#finish(token, consistency, stale, executed),
    };
  }

  #tokenIn(
    headers: Readonly<Record<string, string | readonly string[] | undefined>>,
    extensions: Readonly<Record<string, unknown>> | undefined,
  ): CausalToken {
    const causal = extensions?.['causal'];
    const inBody =
      typeof causal === 'object' && causal !== null && 'token' in causal ? causal.token : undefined;
    const text = headers['x-causal-token'] ?? inBody;
    if (text === undefined || text === null || text === '') return EMPTY_TOKEN;
    if (typeof text !== 'string') throw invalidToken('it is not one text');
    return this.read(text);
  }

  /** The token of this text; throws CAUSAL_TOKEN_INVALID. */
  read(text: string): CausalToken {
    const decoded = decodeToken(text, this.#regions);
    if (decoded.kind === 'refused') throw invalidToken(decoded.why);
    const absurd = this.#feed.frontier.absurd(decoded.token);
    if (absurd !== null) throw invalidToken(`${absurd} has not come anywhere near that position`);
    return decoded.token;
  }

  /** True when the answer may lack what was asked for. */
  async #satisfy(
    token: CausalToken,
    consistency: Consistency,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (consistency.kind === 'eventual') return !this.#feed.frontier.covers(token);
    const { timeoutMs } = consistency;
    const outcome = await this.#feed.waits.until(token, timeoutMs, signal);
    if (outcome === 'crowded') {
      throw new GatewayError({
        code: 'OVERLOADED',
        message: 'Too many requests wait for other regions; try again, or elsewhere.',
        status: 503,
        retryable: true,
      });
    }
    if (consistency.kind === 'bounded') this.#refuseStale(consistency.maxStalenessMs);
    if (outcome === 'covered' || outcome === 'aborted') return false;
    if (consistency.kind === 'causal' && consistency.stale === 'allow') return true;
    const missing = this.#feed.frontier.missing(token);
    throw causalTimeout(missing, timeoutMs);
  }

  #refuseStale(maxStalenessMs: number): void {
    for (const region of this.#regions) {
      if (region === this.#own) continue;
      const staleness = this.#feed.frontier.stalenessMs(region, this.#clock.wallUs());
      if (staleness !== null && staleness <= maxStalenessMs) continue;
      const known = staleness === null ? 'not known' : `${Math.round(staleness)} ms`;
      throw new GatewayError({
        code: 'TOO_STALE',
        message: `How far this region is behind ${region} is ${known}; at most ${maxStalenessMs} ms was asked for.`,
        status: 503,
        retryable: true,
        more: { region },
      });
    }
  }

  #finish(
    asked: CausalToken,
    consistency: Consistency,
    stale: boolean,
    executed: Executed,
  ): SessionAnswer {
    const { frontier } = this.#feed;
    const [row] = executed.answers?.afterCommit[0] ?? [];
    let reached = tokenOf(frontier.vector);
    if (row !== undefined) {
      const [vector, lsn, replica] = row;
      const seen = parseVector(vector ?? '');
      // A database that was killed may show less than it did; then the feed does not know it yet.
      if (executed.operation === 'query' && consistency.kind === 'causal' && !stale) {
        this.#requireShown(asked, seen);
      }
      const written = new Map([[(replica ?? '') as ReplicaId, parseLsn(lsn ?? '0/0')]]);
      reached = { seen, written };
    }
    const token = encodeToken(frontier.settle(joinTokens(asked, reached)));
    const causal = { token, region: this.#own, ...(stale ? { stale } : {}) };
    return {
      token,
      headers: { 'x-causal-token': token, 'x-region': this.#own },
      extensions: `{"causal":${JSON.stringify(causal)}}`,
    };
  }

  #requireShown({ seen }: CausalToken, shown: ReadonlyMap<ReplicaId, number>): void {
    const remote = new Map([...seen].filter(([replica]) => regionOf(replica) !== this.#own));
    if (covers(shown, remote)) return;
    throw causalTimeout(
      [...remote.keys()].find((r) => (shown.get(r) ?? 0) < (remote.get(r) ?? 0)) ?? null,
      0,
    );
  }
}

function consistencyIn(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): Consistency {
  const text = headers['x-consistency'];
  const parsed = parseConsistency(typeof text === 'string' ? text : undefined);
  if (parsed.kind === 'parsed') return parsed.consistency;
  throw new GatewayError({ code: 'BAD_REQUEST', message: `X-Consistency: ${parsed.why}.` });
}

function causalTimeout(missing: ReplicaId | null, waitedMs: number): GatewayError {
  const region = missing === null ? null : regionOf(missing);
  const whose = region === null ? 'what the token names' : `what the token names of ${region}`;
  return new GatewayError({
    code: 'CAUSAL_TIMEOUT',
    message: `After ${waitedMs} ms this region does not show ${whose} yet; try again, or in another region.`,
    status: 503,
    retryable: true,
    more: region === null ? {} : { missing: region },
  });
}

function invalidToken(why: string): GatewayError {
  return new GatewayError({
    code: 'CAUSAL_TOKEN_INVALID',
    message: `The causal token is not one of this cluster: ${why}. Begin a new session without it.`,
  });
}
