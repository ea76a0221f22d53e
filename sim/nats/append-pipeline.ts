import type { EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import { refused, unreachable } from '#sim/nats/nats-errors.ts';
import { HEADER_BYTES } from '#sim/nats/nats-limits.ts';
import type { NatsSession } from '#sim/nats/nats-session.ts';

export interface PipelineOptions {
  readonly session: NatsSession;
  readonly origin: RegionId;
  readonly stream: string;
  /** Start of our message ids, unique in the run. */
  readonly id: string;
  readonly ackTimeoutMs: number;
  /** Called at the first failure, before any promise rejects: what stands behind it fails too. */
  readonly onFailure: (error: EverywriteError, expectedLast: number) => void;
}

interface Append {
  readonly number: number;
  readonly expectedLast: number;
  readonly bytes: number;
  readonly sentAtUs: number;
  readonly resolve: (position: number) => void;
  readonly reject: (error: EverywriteError) => void;
  outcome: number | EverywriteError | undefined;
}

const ACK_BYTES = 60;

/**
 * Appends in flight over one connection, as replicator/nats/publisher.ts sends them: each expects the
 * position and the message id before it, promises settle in order, and what stands behind a failed one
 * fails with it.
 */
export class AppendPipeline {
  readonly session: NatsSession;
  readonly #options: PipelineOptions;
  #unsettled: Append[] = [];
  #count = 0;
  #timerArmed = false;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.session = options.session;
    options.session.onEnd(() => this.#failAll(this.#unknown('the connection ended')));
  }

  append(frame: Uint8Array, expectedLast: number): Promise<number> {
    const { session, onFailure } = this.#options;
    if (session.ended) {
      const error = this.#unknown('not connected');
      onFailure(error, expectedLast);
      return Promise.reject(error);
    }
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const sentAtUs = session.client.nowUs();
    const previous = this.#unsettled.at(-1);
    const number = this.#count++;
    const call = { number, expectedLast, bytes: frame.length, sentAtUs, resolve, reject };
    const append: Append = { ...call, outcome: undefined };
    this.#unsettled.push(append);
    const previousId = previous === undefined ? null : this.#messageId(previous.number);
    // Numbered for the sweep; the answer is settled in order, not by this call.
    void session.client.ask<void>('log.append', 0, () => this.#send(frame, append, previousId));
    this.#armTimer();
    return promise;
  }

  #send(frame: Uint8Array, append: Append, previousId: string | null): void {
    const { session, origin, stream } = this.#options;
    const { server } = session;
    const { expectedLast, number } = append;
    const messageId = this.#messageId(number);
    session.request.send(frame.length + HEADER_BYTES, () => {
      const outcome = server.append(origin, { frame, expectedLast, messageId, previousId });
      if (outcome === null || server.dropsReply) return;
      session.process.after(server.serviceUs, () =>
        session.reply.send(ACK_BYTES, () => {
          if (!session.heard() || append.outcome !== undefined) return;
          append.outcome = typeof outcome === 'number' ? outcome : refused(outcome, stream);
          this.#settleInOrder();
        }),
      );
    });
  }

  #messageId(number: number): string {
    return `${this.#options.id}.${number}`;
  }

  #settleInOrder(): void {
    for (;;) {
      const append = this.#unsettled[0];
      if (append?.outcome === undefined) return;
      if (typeof append.outcome !== 'number') return this.#failAll(append.outcome);
      this.#unsettled.shift();
      append.resolve(append.outcome);
    }
  }

  /** One timer for the oldest: when it is overdue, nobody behind it has a known outcome either. */
  #armTimer(): void {
    const oldest = this.#unsettled[0];
    if (this.#timerArmed || oldest === undefined) return;
    this.#timerArmed = true;
    const { client } = this.session;
    const dueUs = oldest.sentAtUs + this.#options.ackTimeoutMs * 1000;
    client.after(Math.max(1000, dueUs - client.nowUs()), () => {
      this.#timerArmed = false;
      const late = this.#unsettled[0];
      const overdue =
        late !== undefined && client.nowUs() >= late.sentAtUs + this.#options.ackTimeoutMs * 1000;
      if (overdue) this.#failAll(this.#unknown('the server is connected but does not answer'));
      else this.#armTimer();
    });
  }

  #failAll(error: EverywriteError): void {
    const failed = this.#unsettled;
    this.#unsettled = [];
    const [first] = failed;
    if (first === undefined) return;
    this.#options.onFailure(error, first.expectedLast);
    for (const append of failed) append.reject(error);
  }

  #unknown(why: string): EverywriteError {
    return unreachable(`It is not known whether ${this.#options.stream} stored the frame: ${why}`);
  }
}
