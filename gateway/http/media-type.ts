/** What a GraphQL answer is sent as. */
export type MediaType = 'application/graphql-response+json' | 'application/json';

const KNOWN: readonly MediaType[] = ['application/json', 'application/graphql-response+json'];

interface Wish {
  readonly type: string;
  readonly quality: number;
}

/** The best that the client takes; JSON where it does not say; null when it takes nothing of ours. */
export function acceptedType(accept: string | undefined): MediaType | null {
  if (accept === undefined || accept.trim() === '') return 'application/json';
  const wishes = accept.split(',').map(wishOf);
  const scored = KNOWN.map((type) => ({ type, score: scoreOf(type, wishes) }));
  const best = scored.reduce((one, other) => (other.score > one.score ? other : one));
  return best.score > 0 ? best.type : null;
}

/** An exact wish goes before a wildcard of the same quality. */
function scoreOf(type: MediaType, wishes: readonly Wish[]): number {
  const [group = ''] = type.split('/');
  let score = 0;
  for (const { type: wished, quality } of wishes) {
    const fits = wished === type ? 2 : wished === `${group}/*` || wished === '*/*' ? 1 : 0;
    // Of two exact wishes of one quality the newer media type is meant: it is never asked for by habit.
    const newer = fits === 2 && type === 'application/graphql-response+json' ? 0.01 : 0;
    if (fits > 0 && quality > 0) score = Math.max(score, quality * 10 + fits + newer);
  }
  return score;
}

function wishOf(text: string): Wish {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const given = parameters.find((parameter) => parameter.startsWith('q='));
  const quality = given === undefined ? 1 : Number(given.slice(2));
  return { type, quality: Number.isFinite(quality) ? quality : 0 };
}

/** Whether a request's body is JSON in UTF-8, the only kind that is read. */
export function isJsonBody(contentType: string | undefined): boolean {
  const [type = '', ...parameters] = (contentType ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase());
  if (type !== 'application/json') return false;
  const charset = parameters.find((parameter) => parameter.startsWith('charset='));
  return charset === undefined || /^charset="?utf-?8"?$/.test(charset);
}
