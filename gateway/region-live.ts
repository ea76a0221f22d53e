import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Clock, Logger, Timers } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';
import { parseVector } from '#core/version-vector.ts';
import type { RowLimits } from '#gateway/compile/statement.ts';
import type { Engine } from '#gateway/execution/engine.ts';
import type { Principal } from '#gateway/execution/request.ts';
import { ChangeFeed, FEED_LIMITS } from '#gateway/feed/change-feed.ts';
import type { FeedPorts } from '#gateway/feed/change-feed.ts';
import { Sessions } from '#gateway/http/sessions.ts';
import type { Pool } from '#gateway/pg/pool.ts';
import { encodeToken, tokenOf } from '#gateway/session/causal-token.ts';
import { ChangeHub } from '#gateway/subscriptions/change-hub.ts';
import { streamEvents } from '#gateway/subscriptions/event-stream.ts';
import { GatewayRunner } from '#gateway/subscriptions/gateway-runner.ts';
import type { JsonObject, OperationRequest } from '#gateway/subscriptions/message.ts';
import type { Authenticated } from '#gateway/subscriptions/operation.ts';
import { SocketServer } from '#gateway/subscriptions/socket-server.ts';
import type { SocketLimits } from '#gateway/subscriptions/socket-server.ts';

export interface RegionLiveOptions {
  readonly region: RegionId;
  readonly regions: readonly RegionId[];
  readonly pool: Pool;
  /** For the feed's looks at the applied vector: requests that wait for it may hold all of `pool`. */
  readonly feedPool: Pool;
  readonly engine: () => Engine;
  readonly streams: FeedPorts['streams'];
  readonly rows: RowLimits;
  /** `Authorization`, of the request or of `connection_init`; null when it proves nobody. */
  readonly authenticate: (
    authorization: string | undefined,
  ) => Promise<Authenticated<Principal> | null>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Pages that may open sockets, beside the gateway's own. */
  readonly origins?: readonly string[];
  readonly sockets?: Partial<SocketLimits>;
}

const APPLIED = { text: 'SELECT vector FROM everywrite.applied', values: [] };

/** What is live in a region's gateway: sessions, the feed, subscriptions over sockets and event streams. */
export class RegionLive {
  readonly feed: ChangeFeed;
  readonly sessions: Sessions;
  readonly hub: ChangeHub;
  readonly sockets: SocketServer<Principal>;
  readonly #runner: GatewayRunner;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: RegionLiveOptions) {
    const { region, regions, pool, clock, timers, logger } = options;
    const failed = (error: unknown): void => {
      logger.log('error', 'subscription failed', { error: String(error) });
    };
    this.feed = new ChangeFeed(
      {
        streams: options.streams,
        readApplied: () => readApplied(options.feedPool),
        clock,
        timers,
        logger,
      },
      { own: region, regions, ...FEED_LIMITS },
    );
    this.sessions = new Sessions(this.feed, region, regions, clock);
    this.hub = new ChangeHub(this.feed, timers, failed);
    const { engine, rows: limits } = options;
    const { hub, sessions } = this;
    this.#runner = new GatewayRunner({ engine, pool, hub, sessions, limits });
    this.sockets = new SocketServer<Principal>({
      path: '/graphql',
      ...(options.origins === undefined ? {} : { origins: options.origins }),
      runner: this.#runner,
      authenticate: (payload, request) => options.authenticate(authorizationIn(payload, request)),
      greeting: () => ({ region }),
      released: () => {
        const { released } = this.feed;
        return released === null ? null : encodeToken(tokenOf(released));
      },
      failed,
      ...(options.sockets === undefined ? {} : { limits: options.sockets }),
    });
    this.#running = this.feed.run(this.#stop.signal);
  }

  attach(server: Server): void {
    this.sockets.attach(server);
  }

  stream(
    request: IncomingMessage,
    response: ServerResponse,
    operation: OperationRequest,
    who: Principal,
  ): void {
    streamEvents(request, response, operation, who, this.#runner);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.sockets.close();
    await this.#running;
  }
}

async function readApplied(pool: Pool) {
  const { transaction } = await pool.fly({ transaction: [APPLIED], afterCommit: [] });
  return parseVector(transaction[0]?.[0]?.[0] ?? '');
}

function authorizationIn(
  payload: JsonObject | null,
  { headers }: IncomingMessage,
): string | undefined {
  const given = payload?.['authorization'] ?? payload?.['Authorization'];
  return typeof given === 'string' ? given : headers.authorization;
}
