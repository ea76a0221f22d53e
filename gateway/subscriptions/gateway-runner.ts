import { GatewayError, errorsJson } from '#gateway/errors.ts';
import type { Engine } from '#gateway/execution/engine.ts';
import { operationOf } from '#gateway/execution/documents.ts';
import type { Principal } from '#gateway/execution/request.ts';
import type { RowLimits } from '#gateway/compile/statement.ts';
import type { Sessions } from '#gateway/http/sessions.ts';
import { databaseFailure } from '#gateway/pg/database-failure.ts';
import type { Pool } from '#gateway/pg/pool.ts';
import type { ChangeHub, ChangeStart } from '#gateway/subscriptions/change-hub.ts';
import { isObject } from '#gateway/subscriptions/message.ts';
import type { OperationRequest } from '#gateway/subscriptions/message.ts';
import type {
  OperationRunner,
  OperationSink,
  RunningOperation,
} from '#gateway/subscriptions/operation.ts';
import { tableSubscription } from '#gateway/subscriptions/table-subscription.ts';

export interface RunnerParts {
  /** The engine of the schema as it is now. */
  readonly engine: () => Engine;
  readonly pool: Pool;
  readonly hub: ChangeHub;
  readonly sessions: Sessions;
  readonly limits: RowLimits;
}

/** Runs what comes over sockets and event streams: subscriptions, and queries and mutations as well. */
export class GatewayRunner implements OperationRunner<Principal> {
  readonly #parts: RunnerParts;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  start(request: OperationRequest, who: Principal, sink: OperationSink): RunningOperation {
    const stop = new AbortController();
    let subscribed: RunningOperation | null = null;
    const begin = async (): Promise<void> => {
      if (!this.#isSubscription(request)) return this.#execute(request, who, sink, stop.signal);
      const running = await this.#subscribe(request, who, sink, stop.signal);
      if (stop.signal.aborted) running.cancel();
      subscribed = running;
      return undefined;
    };
    begin().catch((error: unknown) => {
      if (!stop.signal.aborted) sink.error(errorsJson(toldOf(error)));
    });
    return {
      cursor: () => subscribed?.cursor() ?? null,
      cancel: () => {
        stop.abort();
        subscribed?.cancel();
      },
    };
  }

  #isSubscription(request: OperationRequest): boolean {
    const ready = this.#parts.engine().documents.get(request.query ?? '');
    return operationOf(ready, request.operationName).operation === 'subscription';
  }

  async #execute(
    request: OperationRequest,
    who: Principal,
    sink: OperationSink,
    signal: AbortSignal,
  ): Promise<void> {
    const session = await this.#parts.sessions.open({}, request.extensions, who, signal);
    const { flight } = session;
    const options = { operations: 'all' as const, signal, flight };
    const executed = await this.#parts.engine().execute(request, who, options);
    if (signal.aborted) return;
    const { token, extensions } = session.finish(executed);
    const text = `{${executed.members(token)},"extensions":${extensions}}`;
    sink.next(Buffer.from(text), null);
    sink.complete();
  }

  async #subscribe(
    request: OperationRequest,
    who: Principal,
    sink: OperationSink,
    signal: AbortSignal,
  ): Promise<RunningOperation> {
    const { engine, pool, limits, hub } = this.#parts;
    const prepared = await tableSubscription(engine(), pool, who, request, limits, signal);
    return hub.subscribe(prepared.query, this.#startOf(prepared, request), sink);
  }

  #startOf(
    { after, initial }: { readonly after: string | null; readonly initial: boolean },
    { extensions }: OperationRequest,
  ): ChangeStart {
    const resume = extensions?.['resume'];
    // What the transport knows is newer than what the document was first sent with.
    const cursor = isObject(resume) ? resume['cursor'] : after;
    if (cursor === null || cursor === undefined) return { kind: initial ? 'initial' : 'now' };
    if (typeof cursor !== 'string') {
      throw new GatewayError({ code: 'BAD_USER_INPUT', message: 'A cursor is a text.' });
    }
    return { kind: 'after', cursor: this.#parts.sessions.read(cursor).seen };
  }
}

/** What the database says is put into the gateway's words. */
function toldOf(error: unknown): unknown {
  return error instanceof Error && error.name === 'FlightError' ? databaseFailure(error) : error;
}
