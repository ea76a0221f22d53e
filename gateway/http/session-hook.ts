import type { IncomingHttpHeaders } from 'node:http';
import type { Executed, FlightHook, Principal } from '#gateway/execution/request.ts';

/** What a session adds to one request: it may wait before, and says afterwards where the client stands. */
export interface RequestSession {
  readonly flight: FlightHook;
  finish(executed: Executed): SessionAnswer;
}

export interface SessionAnswer {
  /** The causal token, also for the field `causalToken`; null when there is none to give. */
  readonly token: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON of the response's `extensions`; null for none. */
  readonly extensions: string | null;
}

/** Opens a session's part in a request; may wait until this region has what the client has seen. */
export interface SessionHook {
  open(
    headers: IncomingHttpHeaders,
    extensions: Readonly<Record<string, unknown>> | undefined,
    principal: Principal,
    signal: AbortSignal,
  ): Promise<RequestSession>;
}
