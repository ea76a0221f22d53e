import { EverywriteError } from '#core/errors.ts';
import type { ErrorCode, Recovery } from '#core/errors.ts';

/** What a server answers instead of doing what it was asked; the numbers are nats-server's. */
export type Refusal = 'fenced' | 'full' | 'missing' | 'notFound' | 'unavailable' | 'tooLarge';

const MEANING: Readonly<Record<Refusal, readonly [ErrorCode, Recovery, string]>> = {
  fenced: ['LOG_FENCED', 'restart', 'somebody else appended (10071)'],
  full: ['LOG_FULL', 'operator', 'the stream takes no more (10077)'],
  missing: ['LOG_UNREACHABLE', 'restart', 'the stream was deleted (10059)'],
  notFound: ['LOG_UNREACHABLE', 'retry', 'the stream does not exist (10059)'],
  unavailable: ['LOG_UNREACHABLE', 'retry', 'JetStream is temporarily unavailable (10008)'],
  tooLarge: ['TRANSACTION_TOO_LARGE', 'operator', 'the frame exceeds max_payload (10054)'],
};

export function refused(refusal: Refusal, stream: string): EverywriteError {
  const [code, recovery, why] = MEANING[refusal];
  return new EverywriteError({ code, recovery, message: `${stream}: ${why}.` });
}

export function unreachable(why: string): EverywriteError {
  return new EverywriteError({ code: 'LOG_UNREACHABLE', recovery: 'retry', message: `${why}.` });
}

export function rewound(why: string): EverywriteError {
  return new EverywriteError({ code: 'LOG_UNREACHABLE', recovery: 'restart', message: `${why}.` });
}

export function gap(stream: string, wanted: number, first: number): EverywriteError {
  return new EverywriteError({
    code: 'LOG_GAP',
    recovery: 'operator',
    message: `${stream} no longer has position ${wanted}: it begins at ${first}.`,
  });
}
