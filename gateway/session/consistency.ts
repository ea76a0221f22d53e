/** What a request asks of the state that answers it. */
export type Consistency =
  /** Whatever is here now. */
  | { readonly kind: 'eventual' }
  /** Everything that the token names; waited for at most `timeoutMs`. */
  | { readonly kind: 'causal'; readonly timeoutMs: number; readonly stale: 'refuse' | 'allow' }
  /** Nothing older than `maxStalenessMs` is missing from any region, as far as clocks can tell. */
  | { readonly kind: 'bounded'; readonly maxStalenessMs: number; readonly timeoutMs: number };

/**
 * Longer than the replicators' heartbeat (500 ms by default): a position in the WAL of a region at rest
 * is passed by the next heartbeat.
 */
export const CAUSAL_TIMEOUT_MS = 1000;
export const CAUSAL_TIMEOUT_MAX_MS = 10_000;
const STALENESS_MAX_MS = 3_600_000;

export const DEFAULT_CONSISTENCY: Consistency = {
  kind: 'causal',
  timeoutMs: CAUSAL_TIMEOUT_MS,
  stale: 'refuse',
};

export type ParsedConsistency =
  | { readonly kind: 'parsed'; readonly consistency: Consistency }
  | { readonly kind: 'refused'; readonly why: string };

const ALLOWED =
  '"eventual", "causal", "causal; timeout=MS", "causal; stale=allow" or "bounded; max-staleness=MS"';

/** The value of `X-Consistency`: a kind, then parameters with ";" between. */
export function parseConsistency(text: string | undefined): ParsedConsistency {
  if (text === undefined || text.trim() === '') return parsed(DEFAULT_CONSISTENCY);
  const [kind = '', ...rest] = text.split(';').map((part) => part.trim().toLowerCase());
  const parameters = new Map<string, string>();
  for (const part of rest) {
    const at = part.indexOf('=');
    const name = part.slice(0, Math.max(0, at));
    if (at <= 0 || parameters.has(name)) return refused(`"${part}" is no parameter`);
    parameters.set(name, part.slice(at + 1));
  }
  const allowed = Object.hasOwn(PARAMETERS, kind) ? PARAMETERS[kind] : undefined;
  const unknown = [...parameters.keys()].find((name) => allowed?.includes(name) !== true);
  if (allowed === undefined) return refused(`"${kind}" is no consistency`);
  if (unknown !== undefined) return refused(`"${kind}" has no parameter "${unknown}"`);
  const timeoutMs = numberIn(parameters.get('timeout'), CAUSAL_TIMEOUT_MS, CAUSAL_TIMEOUT_MAX_MS);
  if (timeoutMs === null) return refused(`timeout is 0 to ${CAUSAL_TIMEOUT_MAX_MS} milliseconds`);
  switch (kind) {
    case 'eventual':
      return parsed({ kind });
    case 'causal': {
      const stale = parameters.get('stale') ?? 'refuse';
      if (stale !== 'refuse' && stale !== 'allow') return refused('stale is "allow" or "refuse"');
      return parsed({ kind, timeoutMs, stale });
    }
    default: {
      const maxStalenessMs = numberIn(parameters.get('max-staleness'), null, STALENESS_MAX_MS);
      if (maxStalenessMs === null)
        return refused(`max-staleness is 0 to ${STALENESS_MAX_MS} milliseconds`);
      return parsed({ kind: 'bounded', maxStalenessMs, timeoutMs });
    }
  }
}

const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  eventual: [],
  causal: ['timeout', 'stale'],
  bounded: ['max-staleness', 'timeout'],
};

function numberIn(text: string | undefined, otherwise: number | null, max: number): number | null {
  if (text === undefined) return otherwise;
  return /^\d{1,9}$/.test(text) && Number(text) <= max ? Number(text) : null;
}

function parsed(consistency: Consistency): ParsedConsistency {
  return { kind: 'parsed', consistency };
}

function refused(why: string): ParsedConsistency {
  return { kind: 'refused', why: `${why}: use ${ALLOWED}` };
}
