import { errorText } from '#gateway/subscriptions/error-text.ts';
import { parseMessage } from '#gateway/subscriptions/message.ts';
import type {
  ClientMessage,
  JsonObject,
  OperationRequest,
} from '#gateway/subscriptions/message.ts';
import type {
  Authenticated,
  OperationRunner,
  OperationSink,
  Payload,
  RunningOperation,
} from '#gateway/subscriptions/operation.ts';

/** The socket under a connection. */
export interface Wire {
  send(message: string | Buffer): void;
  /** Bytes that the peer has not taken yet. */
  readonly bufferedBytes: number;
  close(code: number, reason: string): void;
}

export interface ConnectionOptions<Who> {
  readonly runner: OperationRunner<Who>;
  /** Null when the payload of `connection_init` proves nobody who may come in. */
  readonly authenticate: (payload: JsonObject | null) => Promise<Authenticated<Who> | null>;
  /** What `connection_ack` tells. */
  readonly greeting: () => JsonObject;
  readonly operationsMax: number;
  readonly bufferedBytesMax: number;
}

type State<Who> =
  | { readonly kind: 'new' }
  | { readonly kind: 'authenticating' }
  | { readonly kind: 'open'; readonly authenticated: Authenticated<Who> }
  | { readonly kind: 'closed' };

const REASON_BYTES_MAX = 123;

/** One socket that speaks `graphql-transport-ws`: a state machine over messages, without a clock. */
export class Connection<Who> {
  readonly #wire: Wire;
  readonly #options: ConnectionOptions<Who>;
  readonly #operations = new Map<string, Slot>();
  #state: State<Who> = { kind: 'new' };

  constructor(wire: Wire, options: ConnectionOptions<Who>) {
    this.#wire = wire;
    this.#options = options;
  }

  get operationCount(): number {
    return this.#operations.size;
  }

  get initialised(): boolean {
    return this.#state.kind !== 'new';
  }

  /** When what the client proved is no longer to be believed; null before that, and for ever. */
  get expiresAtMs(): number | null {
    return this.#state.kind === 'open' ? this.#state.authenticated.expiresAtMs : null;
  }

  async received(text: string): Promise<void> {
    const parsed = parseMessage(text);
    if (parsed.kind === 'invalid') return this.close(4400, parsed.why);
    await this.#message(parsed.message);
  }

  /** The socket is gone. */
  closed(): void {
    this.#state = { kind: 'closed' };
    for (const slot of this.#operations.values()) slot.operation?.cancel();
    this.#operations.clear();
  }

  close(code: number, reason: string): void {
    if (this.#state.kind === 'closed') return;
    this.closed();
    this.#wire.close(code, Buffer.from(reason).subarray(0, REASON_BYTES_MAX).toString());
  }

  /** Every operation is told why, then the socket is closed. */
  expire(): void {
    for (const id of this.#operations.keys()) {
      const why = {
        code: 'UNAUTHENTICATED',
        message: 'The token has expired; connect with a new one.',
      };
      this.#wire.send(errorMessage(id, errorText(why)));
    }
    this.close(4403, 'Forbidden');
  }

  /** Keeps the connection alive, and tells an idle client how far it may resume from. */
  ping(released: string | null): void {
    if (this.#state.kind !== 'open') return;
    const [only, ...others] = [...this.#operations.values()].map(({ operation }) => {
      return operation?.cursor() ?? null;
    });
    // Of several subscriptions each has a cursor of its own, in what it was sent.
    const shared = others.length === 0 ? (only ?? null) : null;
    const cursor = this.#operations.size === 0 ? released : shared;
    this.#wire.send(
      JSON.stringify({ type: 'ping', ...(cursor === null ? {} : { payload: { cursor } }) }),
    );
  }

  async #message(message: ClientMessage): Promise<void> {
    switch (message.type) {
      case 'connection_init':
        return this.#init(message.payload);
      case 'ping': {
        const { payload } = message;
        this.#wire.send(JSON.stringify({ type: 'pong', ...(payload === null ? {} : { payload }) }));
        return undefined;
      }
      case 'subscribe':
        return this.#subscribe(message.id, message.payload);
      case 'complete':
        this.#operations.get(message.id)?.operation?.cancel();
        this.#operations.delete(message.id);
        return undefined;
      default:
        return undefined;
    }
  }

  async #init(payload: JsonObject | null): Promise<void> {
    if (this.#state.kind === 'closed') return;
    if (this.#state.kind !== 'new') return this.close(4429, 'Too many initialisation requests');
    this.#state = { kind: 'authenticating' };
    const authenticated = await this.#options.authenticate(payload);
    if (this.#isClosed()) return;
    if (authenticated === null) return this.close(4403, 'Forbidden');
    this.#state = { kind: 'open', authenticated };
    const greeting = this.#options.greeting();
    this.#wire.send(JSON.stringify({ type: 'connection_ack', payload: greeting }));
  }

  // It closes while `authenticate` is awaited, which the compiler cannot see.
  #isClosed(): boolean {
    return this.#state.kind === 'closed';
  }

  #subscribe(id: string, request: OperationRequest): void {
    if (this.#state.kind === 'closed') return;
    if (this.#state.kind !== 'open') return this.close(4401, 'Unauthorized');
    if (this.#operations.has(id)) return this.close(4409, `Subscriber for ${id} already exists`);
    if (this.#operations.size >= this.#options.operationsMax) {
      const message = `At most ${this.#options.operationsMax} operations run on one connection.`;
      this.#wire.send(errorMessage(id, errorText({ code: 'RATE_LIMITED', message })));
      return;
    }
    // In the table first: what answers at once must find its place.
    const slot: Slot = { operation: null };
    this.#operations.set(id, slot);
    const { who } = this.#state.authenticated;
    slot.operation = this.#options.runner.start(request, who, this.#sink(id, slot));
  }

  // An id may be used again after `complete`: what the old operation still says must not reach the new.
  #sink(id: string, slot: Slot): OperationSink {
    const head = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
    const end = (message: string): void => {
      if (this.#operations.get(id) !== slot) return;
      this.#operations.delete(id);
      this.#wire.send(message);
    };
    return {
      next: (payload: Payload) => {
        if (this.#operations.get(id) !== slot) return false;
        if (this.#wire.bufferedBytes > this.#options.bufferedBytesMax) return false;
        this.#wire.send(Buffer.concat([head, payload, CLOSING_BRACE]));
        return true;
      },
      error: (errors) => end(errorMessage(id, errors)),
      complete: () => end(JSON.stringify({ id, type: 'complete' })),
    };
  }
}

interface Slot {
  operation: RunningOperation | null;
}

const CLOSING_BRACE = Buffer.from('}');

function errorMessage(id: string, errors: string): string {
  return `{"id":${JSON.stringify(id)},"type":"error","payload":${errors}}`;
}
