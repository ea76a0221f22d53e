import { RegionChoice } from './region-choice.ts';
import type { RegionAddress } from './region-choice.ts';
import { SilenceWatch } from './silence-watch.ts';
import { unexcited } from './socket-class.ts';
import type { SocketClass } from './socket-class.ts';
import { isAlive, jittered, pause, resilientFetch } from './resilient-fetch.ts';
import { resumable } from './resumable.ts';
import type { LiveSubscription, SubscribePayload, SubscribingClient } from './resumable.ts';
import { joinTokenTexts } from './token-join.ts';

/** `localStorage`, `sessionStorage`, or anything like them. */
export interface TokenStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export interface RegionClientOptions {
  /** In order of preference; probing may find a nearer one. */
  readonly regions: readonly RegionAddress[];
  /** The `Authorization` header: `Bearer …`. Asked for each time, so that it may be renewed. */
  readonly authorization?: () => string | undefined;
  /** `X-Consistency` of every request; the gateway's default (`causal`) when left out. */
  readonly consistency?: string;
  /** Where the token outlives a page; in memory when left out. */
  readonly storage?: TokenStorage;
  readonly fetch?: typeof fetch;
  readonly onRegionChange?: (from: string, to: string) => void;
  /** A subscription's cursor has expired: what it showed must be read anew. */
  readonly onResync?: (payload: SubscribePayload) => void;
}

/** A socket is asked for a sign of life so long after the last one. */
const PING_MS = 300;
/** From the wish to connect to the acknowledgement. */
const CONNECT_MAX_MS = 1500;
const SUSPICION_MS = 150;
const PROBE_TIMEOUT_MS = 250;
const TRIES_MAX = 12;
const WAIT_MIN_MS = 50;
const WAIT_MAX_MS = 2000;
const STORAGE_KEY = 'everywrite.token';

/**
 * Talks to the nearest region that answers, keeps the causal token, and moves to the next region within a
 * second when one goes silent. Without dependencies, for browsers and Node.
 */
export class RegionClient {
  readonly #options: RegionClientOptions;
  readonly #choice: RegionChoice;
  readonly #fetch: typeof fetch;
  readonly #subscriptions = new Set<LiveSubscription>();
  #token: string | null;

  constructor(options: RegionClientOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#token = options.storage?.getItem(STORAGE_KEY) ?? null;
    this.#choice = new RegionChoice(options.regions, () => performance.now());
    this.#choice.onChange = (from, to) => options.onRegionChange?.(from, to);
  }

  /** The name of the region that is talked to. */
  get region(): string {
    return this.#choice.current.name;
  }

  /** Everything that this client has seen and written; null before the first answer. */
  get token(): string | null {
    return this.#token;
  }

  /** Learns of what somebody else has seen: another tab, a link, a server that rendered the page. */
  learn(token: string | null): void {
    const joined = joinTokenTexts(this.#token, token);
    if (joined === null || joined === this.#token) return;
    this.#token = joined;
    this.#options.storage?.setItem(STORAGE_KEY, joined);
  }

  /** For Apollo's HttpLink, urql's client, or by hand. */
  get fetch(): typeof fetch {
    return resilientFetch({
      fetch: this.#fetch,
      choice: this.#choice,
      headers: () => this.#headers(),
      answered: (response) => this.learn(response.headers.get('x-causal-token')),
      triesMax: TRIES_MAX,
      suspicionMs: SUSPICION_MS,
      probeTimeoutMs: PROBE_TIMEOUT_MS,
    });
  }

  /** Asks all regions how far away they are, and moves to the nearest. */
  async probe(): Promise<void> {
    const settings = { fetch: this.#fetch, probeTimeoutMs: CONNECT_MAX_MS };
    await Promise.all(
      this.#choice.all.map(async (region) => {
        const beganMs = performance.now();
        const alive = await isAlive(settings, region);
        if (alive) this.#choice.answered(region.name, performance.now() - beganMs);
        else this.#choice.failed(region.name);
      }),
    );
    this.#choice.reconsider();
  }

  /**
   * Options to spread into graphql-ws's `createClient`. The stock ones wait 1.3 to 4 seconds before the
   * first retry, and notice a silent network only when the operating system does. On Node, give it the
   * `WebSocket` of the package ws.
   */
  socketOptions<Socket extends SocketClass>(webSocketImpl?: Socket) {
    let terminate: () => void = () => undefined;
    let connecting: ReturnType<typeof setTimeout> | undefined;
    let dialled = this.#choice.current;
    const silence = new SilenceWatch(() => terminate());
    const quiet = (): void => {
      silence.stop();
      clearTimeout(connecting);
    };
    const failed = (): void => {
      quiet();
      this.#choice.failed(dialled.name);
    };
    return {
      ...(webSocketImpl === undefined ? {} : { webSocketImpl: unexcited(webSocketImpl) }),
      url: (): string => {
        dialled = this.#choice.current;
        return socketUrl(dialled);
      },
      connectionParams: (): Record<string, unknown> => {
        const authorization = this.#options.authorization?.();
        return authorization === undefined ? {} : { authorization };
      },
      retryAttempts: Number.POSITIVE_INFINITY,
      shouldRetry: (): boolean => true,
      retryWait: (retries: number): Promise<void> => this.#wait(retries),
      keepAlive: PING_MS,
      on: {
        connecting: (): void => {
          quiet();
          connecting = setTimeout(() => terminate(), CONNECT_MAX_MS);
        },
        connected: (): void => {
          clearTimeout(connecting);
          this.#choice.answered(dialled.name, Number.POSITIVE_INFINITY);
        },
        message: (): void => silence.heard(),
        ping: (received: boolean, payload?: Record<string, unknown>): void => {
          if (received) this.#pinged(payload);
          else silence.asked();
        },
        closed: (event: unknown): void => {
          if (isNoFault(event)) quiet();
          else failed();
        },
        error: failed,
      },
      /** Not graphql-ws's: `wrap` puts the client's own in. */
      bindTerminate: (own: () => void): void => {
        terminate = own;
      },
    };
  }

  /** The client of graphql-ws, with subscriptions that resume. Give it to Apollo's GraphQLWsLink or urql. */
  wrap<Client extends SubscribingClient & { terminate(): void }>(
    client: Client,
    options: { bindTerminate(own: () => void): void },
  ): Client {
    options.bindTerminate(() => client.terminate());
    return resumable(client, this.#subscriptions, this.#options.onResync);
  }

  /** At once to the next region; then, when none is left to try, less and less often. */
  async #wait(retries: number): Promise<void> {
    const round = Math.floor(retries / this.#choice.all.length);
    if (round > 0) await pause(jittered(Math.min(WAIT_MAX_MS, WAIT_MIN_MS * 2 ** round)));
  }

  #pinged(payload: Record<string, unknown> | undefined): void {
    const cursor = payload?.['cursor'];
    if (typeof cursor !== 'string') return;
    const [only, ...others] = this.#subscriptions;
    if (only !== undefined && others.length === 0) only.reached(cursor);
  }

  #headers(): Readonly<Record<string, string>> {
    const authorization = this.#options.authorization?.();
    const { consistency } = this.#options;
    return {
      ...(this.#token === null ? {} : { 'x-causal-token': this.#token }),
      ...(consistency === undefined ? {} : { 'x-consistency': consistency }),
      ...(authorization === undefined ? {} : { authorization }),
    };
  }
}

function socketUrl({ url, socketUrl: own }: RegionAddress): string {
  return own ?? url.replace(/^http/, 'ws');
}

/** Nothing was left to do, or the token has to be renewed: the region is not to blame. */
function isNoFault(event: unknown): boolean {
  const code = (event as { readonly code?: unknown }).code;
  return code === 1000 || code === 4403;
}
