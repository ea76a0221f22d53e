import { EverywriteError } from '#core/errors.ts';
import type { ErrorCode } from '#core/errors.ts';

export const EXIT_OK = 0;
/** A difference, a failed check, or any failure that no other code names. */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_UNREACHABLE = 3;
/** 128 + SIGINT, as shells have it. */
export const EXIT_INTERRUPTED = 130;

export const EXIT_CODES_HELP = `Exit codes:
  0    done, and everything is as it should be
  1    a difference, a failed check, or another failure (see the message)
  2    wrong usage or a wrong configuration; nothing was done
  3    a database, a nats-server or a peer cannot be reached
  130  interrupted`;

const USAGE: readonly ErrorCode[] = ['USAGE', 'CONFIG_INVALID'];
const UNREACHABLE: readonly ErrorCode[] = [
  'DATABASE_UNREACHABLE',
  'LOG_UNREACHABLE',
  'PEER_UNREACHABLE',
];

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof EverywriteError)) return EXIT_FAILED;
  if (USAGE.includes(error.code)) return EXIT_USAGE;
  return UNREACHABLE.includes(error.code) ? EXIT_UNREACHABLE : EXIT_FAILED;
}
