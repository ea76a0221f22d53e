/** What this needs of graphql-ws's client. */
export interface SubscribingClient {
  subscribe(payload: SubscribePayload, sink: SubscribeSink): () => void;
}

export interface SubscribePayload {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Record<string, unknown> | null | undefined;
  readonly extensions?: Record<string, unknown> | null | undefined;
}

export interface SubscribeSink {
  next(value: never): void;
  error(error: unknown): void;
  complete(): void;
}

/** A subscription that goes on until its caller ends it. */
export interface LiveSubscription {
  /** Nothing that concerns it lies before `cursor`, by the server's word. */
  reached(cursor: string): void;
}

/** Subscriptions that a region ended for its own reasons are begun again after this long. */
const AGAIN_MS = 50;

/**
 * The same client, whose subscriptions go on where they were after every reconnection, wherever it leads:
 * graphql-ws serialises the payload anew each time, and finds the cursor of what was processed last.
 */
export function resumable<Client extends SubscribingClient>(
  client: Client,
  live: Set<LiveSubscription> = new Set(),
  onResync: (payload: SubscribePayload) => void = () => undefined,
): Client {
  return new Proxy(client, {
    get(target, name, receiver): unknown {
      if (name !== 'subscribe') return Reflect.get(target, name, receiver);
      return (payload: SubscribePayload, sink: SubscribeSink) => {
        return subscribeAgain(target, live, payload, sink, () => onResync(payload));
      };
    },
  });
}

function subscribeAgain(
  client: SubscribingClient,
  live: Set<LiveSubscription>,
  payload: SubscribePayload,
  sink: SubscribeSink,
  onResync: () => void,
): () => void {
  let cursor: string | null = null;
  let ended = false;
  let release: () => void = () => undefined;
  const resuming = withResume(payload, () => cursor);
  // Before its first cursor it has not begun: then it must not be taken to have reached anything.
  const subscription = { reached: (at: string) => void (cursor = cursor === null ? null : at) };
  const end = (): void => {
    ended = true;
    live.delete(subscription);
  };
  live.add(subscription);
  const begin = (): void => {
    release = client.subscribe(resuming, {
      next: (value) => {
        sink.next(value);
        // After the processing: what fails in it comes again.
        cursor = cursorOf(value) ?? cursor;
      },
      error: (error) => {
        const extensions = extensionsOf(error);
        if (extensions?.['retryable'] === true && !ended) {
          const given = extensions['cursor'];
          cursor ??= typeof given === 'string' ? given : null;
          setTimeout(() => ended || begin(), AGAIN_MS);
          return;
        }
        end();
        if (extensions?.['resync'] === true) onResync();
        sink.error(error);
      },
      complete: () => {
        end();
        sink.complete();
      },
    });
  };
  begin();
  return () => {
    end();
    release();
  };
}

/** The payload with an `extensions` that is looked up each time it is serialised. */
function withResume(payload: SubscribePayload, cursor: () => string | null): SubscribePayload {
  return Object.defineProperty({ ...payload }, 'extensions', {
    enumerable: true,
    get: () => {
      const at = cursor();
      return at === null ? payload.extensions : { ...payload.extensions, resume: { cursor: at } };
    },
  });
}

function cursorOf(value: unknown): string | null {
  const cursor = (value as { readonly extensions?: { readonly cursor?: unknown } }).extensions
    ?.cursor;
  return typeof cursor === 'string' ? cursor : null;
}

function extensionsOf(error: unknown): Readonly<Record<string, unknown>> | undefined {
  if (!Array.isArray(error)) return undefined;
  const [first] = error as readonly { readonly extensions?: Readonly<Record<string, unknown>> }[];
  return first?.extensions;
}
