import { randomBytes } from 'node:crypto';
import { MsgHdrsImpl, createInbox } from '@nats-io/transport-node';
import type { Msg, Subscription } from '@nats-io/transport-node';
import { EverywriteError } from '#core/errors.ts';
import { notEnabled, refusal, tooLarge, unreachable } from './log-errors.ts';
import type { ApiFailure } from './log-errors.ts';
import type { Session } from './session.ts';

const NO_RESPONDERS = 503;
/** The headers' bytes, which count against max_payload. */
export const HEADER_BYTES_MAX = 256;
// nats-server 2.9 stops answering publishes when its file system is full, instead of refusing them.
const SILENT_SERVER =
  'nats-server is connected but does not answer; see its log and its free disk space';
/** Settled entries are dropped from the front of the array in steps of this. */
const COMPACT_AT = 1_024;

export interface PublisherOptions {
  readonly session: Session;
  readonly stream: string;
  readonly subject: string;
  readonly inboxPrefix: string;
  readonly inFlightMax: number;
  readonly inFlightBytesMax: number;
  readonly ackTimeoutMs: number;
  /** Called at the first failure, before any promise rejects: what stands behind it fails too. */
  readonly onFailure: (error: EverywriteError, expectedLast: number) => void;
}

interface Append {
  readonly frame: Uint8Array;
  readonly expectedLast: number;
  readonly resolve: (position: number) => void;
  readonly reject: (error: EverywriteError) => void;
  /** Whether another append was unsettled when this one was called, so that it builds upon that. */
  readonly chained: boolean;
  sentAt: number;
  /** The position, or why there is none; undefined until the answer came. */
  outcome: number | EverywriteError | undefined;
}

interface PubAck {
  readonly seq?: number;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/**
 * Pipelined, fenced appends to one stream over one connection. Answers come to one subscription, each
 * with its number in the subject: several times the rate of a request per frame, and refusals, which
 * a replicated stream may send before earlier acknowledgements, find their frame. Promises settle in
 * the order of the calls.
 *
 * The expected sequence alone does not fence a pipeline: when somebody else takes the position of the
 * first frame in flight, that one is refused, but the second finds the sequence it expects and is
 * stored, without the first. So every frame in flight also expects the message id of the one before
 * it (tests/replicator/nats/append.nats.test.ts). What stands behind a refused frame is therefore
 * refused for certain, and is rejected at once with the same error.
 */
export class Publisher {
  readonly session: Session;
  readonly #options: PublisherOptions;
  readonly #inbox: string;
  /** Start of our message ids, which are unique, so that nothing is ever taken for a duplicate. */
  readonly #id = randomBytes(6).toString('base64url');
  readonly #subscription: Subscription;
  readonly #forgetSession: readonly (() => void)[];
  #appends: Append[] = [];
  /** Number of `#appends[0]`; numbers go into reply subjects. */
  #base = 0;
  #settled = 0;
  #sent = 0;
  #inFlightBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.session = options.session;
    this.#inbox = createInbox(options.inboxPrefix);
    this.#subscription = this.session.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, answer) => {
        if (error === null) this.#onAnswer(answer);
        else
          this.#failAll(unreachable(`No answers from ${options.stream}: ${error.message}.`, error));
      },
    });
    this.#forgetSession = [
      this.session.onEnd(() => this.#failAll(this.#unknown('the connection ended'))),
      this.session.onDenied((subject, error) => {
        if (subject === options.subject) this.#failAll(denied(subject, error));
      }),
    ];
  }

  append(frame: Uint8Array, expectedLast: number): Promise<number> {
    const { session, stream } = this.#options;
    const bytes = frame.length + HEADER_BYTES_MAX;
    if (bytes > session.maxPayload) {
      const what = `${bytes} bytes for ${stream}, max_payload is ${session.maxPayload}`;
      return this.#refuse(tooLarge(what), expectedLast);
    }
    if (session.ended) return this.#refuse(this.#unknown('not connected'), expectedLast);
    return new Promise((resolve, reject) => {
      const chained = this.#appends.length > this.#settled;
      const call = { frame, expectedLast, chained, resolve, reject };
      this.#appends.push({ ...call, sentAt: 0, outcome: undefined });
      this.#send();
    });
  }

  close(): void {
    for (const forget of this.#forgetSession) forget();
    this.#subscription.unsubscribe();
    this.#failAll(this.#unknown('the log was closed'));
  }

  #refuse(error: EverywriteError, expectedLast: number): Promise<never> {
    this.#options.onFailure(error, expectedLast);
    return Promise.reject(error);
  }

  #send(): void {
    const { inFlightMax, inFlightBytesMax, subject } = this.#options;
    for (;;) {
      const next = this.#appends[this.#sent];
      if (next === undefined) return;
      const inFlight = this.#sent - this.#settled;
      const fits = inFlight < inFlightMax && this.#inFlightBytes < inFlightBytesMax;
      if (!fits && inFlight > 0) return;
      const number = this.#base + this.#sent;
      const fence = new FenceHeader(next.expectedLast, this.#id, number, next.chained);
      next.sentAt = performance.now();
      const reply = `${this.#inbox}.${number}`;
      this.#sent += 1;
      this.#inFlightBytes += next.frame.length;
      this.session.connection.publish(subject, next.frame, { reply, headers: fence });
      this.#armTimer();
    }
  }

  #onAnswer(answer: Msg): void {
    const { subject } = answer;
    const number = Number(subject.slice(subject.lastIndexOf('.') + 1));
    // An answer to what has been given up already belongs to no entry.
    const append = this.#appends[number - this.#base];
    if (append === undefined || append.outcome !== undefined) return;
    append.outcome = this.#outcomeOf(answer, append);
    this.#settleInOrder();
    this.#send();
  }

  #outcomeOf(answer: Msg, append: Append): number | EverywriteError {
    const { stream } = this.#options;
    if (answer.headers?.code === NO_RESPONDERS)
      return notEnabled(`no stream takes appends to ${stream}`);
    const ack = answer.json<PubAck>();
    if (ack.error !== undefined) return refusal(asFailure(ack.error), stream);
    if (ack.seq === append.expectedLast + 1) return ack.seq;
    const what = `stored at ${ack.seq} instead of ${append.expectedLast + 1}`;
    return refusal({ code: 10071, description: what }, stream);
  }

  #settleInOrder(): void {
    for (;;) {
      const append = this.#appends[this.#settled];
      if (append?.outcome === undefined) break;
      if (append.outcome instanceof EverywriteError) return this.#failAll(append.outcome);
      this.#settled += 1;
      this.#inFlightBytes -= append.frame.length;
      append.resolve(append.outcome);
    }
    if (this.#settled < COMPACT_AT && this.#settled < this.#appends.length) return;
    this.#appends = this.#appends.slice(this.#settled);
    this.#base += this.#settled;
    this.#sent -= this.#settled;
    this.#settled = 0;
  }

  /** One timer for the oldest; when it is overdue nobody behind it has a known outcome either. */
  #armTimer(): void {
    if (this.#timer !== undefined) return;
    const oldest = this.#appends[this.#settled];
    if (oldest === undefined) return;
    const dueMs = oldest.sentAt + this.#options.ackTimeoutMs - performance.now();
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        const late = this.#appends[this.#settled];
        if (late === undefined) return;
        const overdue = performance.now() - late.sentAt >= this.#options.ackTimeoutMs;
        if (overdue) this.#failAll(this.#unknown(SILENT_SERVER));
        else this.#armTimer();
      },
      Math.max(1, dueMs),
    );
  }

  /** Everything that is not settled has failed, or its outcome is unknown, with this error. */
  #failAll(error: EverywriteError): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const failed = this.#appends.slice(this.#settled);
    this.#base += this.#appends.length;
    this.#appends = [];
    this.#settled = 0;
    this.#sent = 0;
    this.#inFlightBytes = 0;
    const [first] = failed;
    if (first === undefined) return;
    this.#options.onFailure(error, first.expectedLast);
    for (const append of failed) append.reject(error);
  }

  #unknown(why: string): EverywriteError {
    return unreachable(`It is not known whether ${this.#options.stream} stored the frame: ${why}.`);
  }
}

/** Encoded directly: validating and joining the names of headers costs a third of an append. */
class FenceHeader extends MsgHdrsImpl {
  readonly #text: string;

  constructor(expectedLast: number, id: string, number: number, chained: boolean) {
    super();
    const previous = chained ? `Nats-Expected-Last-Msg-Id: ${id}.${number - 1}\r\n` : '';
    this.#text =
      `NATS/1.0\r\nNats-Expected-Last-Sequence: ${expectedLast}\r\n` +
      `Nats-Msg-Id: ${id}.${number}\r\n${previous}\r\n`;
  }

  override encode(): Uint8Array {
    return Buffer.from(this.#text, 'latin1');
  }
}

function asFailure(error: NonNullable<PubAck['error']>): ApiFailure {
  return { code: error.err_code ?? 0, description: error.description ?? 'no description' };
}

function denied(subject: string, cause: Error): EverywriteError {
  return new EverywriteError({
    code: 'LOG_UNREACHABLE',
    recovery: 'operator',
    message: `The NATS user may not publish to ${subject}; permit it in nats-server.conf.`,
    cause,
  });
}
