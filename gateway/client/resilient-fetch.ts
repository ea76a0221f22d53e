import type { RegionAddress, RegionChoice } from './region-choice.ts';

/** What requests of all kinds share. */
export interface FetchSettings {
  readonly fetch: typeof fetch;
  readonly choice: RegionChoice;
  /** Headers of every request: token, consistency. */
  readonly headers: () => Readonly<Record<string, string>>;
  readonly answered: (response: Response) => void;
  /** Tries, over all regions, before an error reaches the caller. */
  readonly triesMax: number;
  /** A request that has no answer after this long makes us ask whether the region is alive. */
  readonly suspicionMs: number;
  readonly probeTimeoutMs: number;
}

const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 500;
/** Answers that another region, or the same a little later, may give differently. */
const RETRYABLE_STATUS: ReadonlySet<number> = new Set([502, 503, 504]);

/**
 * `fetch` for GraphQL over HTTP that goes to the chosen region and, when that one does not answer, to the
 * next. A mutation is tried again only if it carries an operation id (`opId`), which makes it happen once, or
 * if it never left.
 */
export function resilientFetch(settings: FetchSettings): typeof fetch {
  return async (input, init = {}) => {
    const body = init.body ?? null;
    const again = typeof body === 'string' ? isSafe(body) : body === null;
    const headers = new Headers(init.headers);
    if (!headers.has('idempotency-key') && !again)
      headers.set('idempotency-key', crypto.randomUUID());
    let failure: unknown;
    const tried: string[] = [];
    for (let turn = 0; turn < settings.triesMax; turn++) {
      init.signal?.throwIfAborted();
      const region = settings.choice.current;
      tried.push(region.name);
      try {
        const response = await attempt(settings, region, input, { ...init, headers });
        settings.answered(response);
        if (!RETRYABLE_STATUS.has(response.status) || turn + 1 === settings.triesMax) {
          return response;
        }
        await response.body?.cancel();
        settings.choice.failed(region.name);
      } catch (error) {
        init.signal?.throwIfAborted();
        failure = error;
        // It may have been done, and only the answer was lost.
        if (!again && !neverSent(error)) {
          settings.choice.failed(region.name);
          throw error;
        }
        settings.choice.failed(region.name);
      }
      const round = Math.floor(tried.length / settings.choice.all.length);
      if (round > 0) await pause(jittered(Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** round)));
    }
    throw failure instanceof Error ? failure : new Error('No region answered.');
  };
}

/** One request to one region; given up when the region turns out not to be alive. */
async function attempt(
  settings: FetchSettings,
  region: RegionAddress,
  input: Parameters<typeof fetch>[0],
  init: RequestInit & { readonly headers: Headers },
): Promise<Response> {
  const giveUp = new AbortController();
  const abort = (): void => giveUp.abort(init.signal?.reason);
  init.signal?.addEventListener('abort', abort);
  const suspicion = setTimeout(() => {
    void isAlive(settings, region).then((alive) => {
      if (!alive) giveUp.abort(new Error(`${region.name} does not answer`));
    });
  }, settings.suspicionMs);
  const headers = new Headers(init.headers);
  for (const [name, value] of Object.entries(settings.headers())) headers.set(name, value);
  const beganMs = performance.now();
  try {
    const target = requestUrl(input, region);
    const response = await settings.fetch(target, { ...init, headers, signal: giveUp.signal });
    settings.choice.answered(region.name, performance.now() - beganMs);
    return response;
  } finally {
    clearTimeout(suspicion);
    init.signal?.removeEventListener('abort', abort);
  }
}

/** A slow query is not a dead region: the region itself is asked, twice. */
export async function isAlive(
  { fetch: ask, probeTimeoutMs }: Pick<FetchSettings, 'fetch' | 'probeTimeoutMs'>,
  region: RegionAddress,
): Promise<boolean> {
  const probe = async (): Promise<boolean> => {
    const signal = AbortSignal.timeout(probeTimeoutMs);
    const response = await ask(new URL('/livez', region.url).href, { signal });
    await response.body?.cancel();
    return response.ok;
  };
  return probe().catch(() => probe().catch(() => false));
}

/** The region's address, with what the caller's URL asked for (GET requests). */
function requestUrl(input: Parameters<typeof fetch>[0], region: RegionAddress): string {
  const given = typeof input === 'string' ? input : 'url' in input ? input.url : input.href;
  const at = given.indexOf('?');
  return at < 0 ? region.url : `${region.url}${given.slice(at)}`;
}

/** Whether a request may be executed twice: it holds nothing but queries, or operation ids. */
function isSafe(body: string): boolean {
  try {
    const request = JSON.parse(body) as { readonly query?: unknown };
    if (typeof request.query !== 'string') return false;
    return !/\bmutation\b/.test(request.query) || /\bopId\b/.test(body);
  } catch {
    return false;
  }
}

/** Node tells; a browser does not, and then it may have been sent. */
function neverSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = (cause as { readonly code?: unknown } | undefined)?.code;
  return code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'UND_ERR_CONNECT_TIMEOUT';
}

export function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
