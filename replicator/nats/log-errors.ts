import { JetStreamApiError } from '@nats-io/jetstream';
import { EverywriteError } from '#core/errors.ts';
import type { ErrorCode, Recovery } from '#core/errors.ts';

/** The error of an acknowledgement or of a JetStream API answer. */
export interface ApiFailure {
  readonly code: number;
  readonly description: string;
}

// Numbers of nats-server's error catalogue (its server/errors.json); they are stable, texts are not.
// 10070 is the wrong last message id, see publisher.ts.
const FENCED = new Set([10070, 10071, 10164]);
const NOT_ENABLED = new Set([10039, 10076]);
const STREAM_NOT_FOUND = 10059;
const MESSAGE_TOO_LARGE = 10054;
// Account limits 10002, server resources 10023, memory 10028, disk 10047, and "store failed" 10077,
// which is how a full stream (DiscardNew) and a full file system answer a publish.
const FULL = new Set([10002, 10023, 10028, 10047, 10077]);

/** What a server's refusal means for the log. `stream` is named in the operator's sentence. */
export function refusal(failure: ApiFailure, stream: string, cause?: unknown): EverywriteError {
  const { code, description } = failure;
  const said = `nats-server says "${description}" (${code})`;
  if (FENCED.has(code)) {
    return logError(
      'LOG_FENCED',
      'restart',
      `Somebody else appended to ${stream}: ${said}.`,
      cause,
    );
  }
  if (FULL.has(code)) {
    const advice =
      'raise max_bytes of the stream or max_file_store of the server, or free disk space';
    return logError('LOG_FULL', 'operator', `${stream} takes no more: ${said}; ${advice}.`, cause);
  }
  if (code === MESSAGE_TOO_LARGE) return tooLarge(`${stream}: ${said}`, cause);
  if (NOT_ENABLED.has(code)) return notEnabled(said, cause);
  if (code === STREAM_NOT_FOUND) {
    return logError('LOG_UNREACHABLE', 'restart', `${stream} was deleted: ${said}.`, cause);
  }
  return logError(
    'LOG_UNREACHABLE',
    'retry',
    `${stream} did not answer as expected: ${said}.`,
    cause,
  );
}

/** Any failure of a JetStream request as an error of the log. */
export function requestFailure(error: unknown, stream: string): EverywriteError {
  if (error instanceof EverywriteError) return error;
  if (error instanceof JetStreamApiError) {
    return refusal({ code: error.code, description: error.message }, stream, error);
  }
  const text = error instanceof Error ? error.message : String(error);
  if (text === 'jetstream is not enabled')
    return notEnabled(`a request on ${stream} found nobody`, error);
  return logError('LOG_UNREACHABLE', 'retry', `No answer about ${stream}: ${text}.`, error);
}

/** Also what a server answers for a while when it starts, so it is worth trying again. */
export function notEnabled(what: string, cause?: unknown): EverywriteError {
  const advice =
    'add "jetstream { store_dir: … }" to nats-server.conf, and see its log for a full disk';
  return logError(
    'LOG_UNREACHABLE',
    'retry',
    `JetStream is not enabled (${what}): ${advice}.`,
    cause,
  );
}

export function tooLarge(what: string, cause?: unknown): EverywriteError {
  const message = `A frame is larger than the log takes (${what}); raise max_payload in nats-server.conf.`;
  return logError('TRANSACTION_TOO_LARGE', 'operator', message, cause);
}

export function unreachable(message: string, cause?: unknown): EverywriteError {
  return logError('LOG_UNREACHABLE', 'retry', message, cause);
}

export function isStreamMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND;
}

function logError(
  code: ErrorCode,
  recovery: Recovery,
  message: string,
  cause?: unknown,
): EverywriteError {
  return new EverywriteError({ code, recovery, message, cause });
}
