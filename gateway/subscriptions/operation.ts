import type { OperationRequest } from '#gateway/subscriptions/message.ts';

/** One answer, encoded: `{"data":…}`. Made once, however many receive it. */
export type Payload = Buffer;

/** Where an operation's answers go: a socket's operation id, or an event stream. */
export interface OperationSink {
  /** False when the receiver is too slow to take more; then the operation must end. */
  next(payload: Payload, cursor: string | null): boolean;
  /** A JSON array of GraphQL errors; nothing follows. */
  error(errors: string): void;
  complete(): void;
}

export interface RunningOperation {
  /** Everything up to this cursor has been sent; null when the operation has none. */
  cursor(): string | null;
  /** The receiver went away. */
  cancel(): void;
}

/** Who is at the other end, and until when that is to be believed. */
export interface Authenticated<Who> {
  readonly who: Who;
  /** Milliseconds since 1970; null for ever. */
  readonly expiresAtMs: number | null;
}

/** Runs operations for connections of whatever transport. */
export interface OperationRunner<Who> {
  start(request: OperationRequest, who: Who, sink: OperationSink): RunningOperation;
}
