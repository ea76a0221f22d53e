import { EverywriteError } from '#core/errors.ts';
import type { ErrorCode, Recovery } from '#core/errors.ts';
import type { Lsn } from '#core/lsn.ts';
import type {
  ReplicationFrame,
  ReplicationOptions,
  ReplicationSource,
  ReplicationStream,
} from '#replicator/engine/replication-port.ts';
import type { Scheduler } from '#sim/kernel/ports.ts';
import type { Connection } from '#sim/pg/connection.ts';
import type { ServerCore } from '#sim/pg/server-core.ts';
import { WalSender } from '#sim/pg/walsender.ts';

/** As the adapter merges confirmations (replicator/pg/acker.ts). */
const CONFIRM_INTERVAL_US = 50_000;
const BEATS_PER_TIMEOUT = 4;
const ORIGIN_FILTER_VERSION = 160_000;

export interface ReplicationParts {
  readonly core: ServerCore;
  readonly scheduler: Scheduler;
  readonly connect: () => Promise<Connection>;
  readonly started: (sender: WalSender) => void;
  readonly stopped: (sender: WalSender) => void;
  readonly confirmed: (sender: WalSender, lsn: Lsn) => void;
}

/** Logical replication out of a simulated server; every start is a new connection. */
export class SimReplicationSource implements ReplicationSource {
  readonly #parts: ReplicationParts;

  constructor(parts: ReplicationParts) {
    this.#parts = parts;
  }

  async start(options: ReplicationOptions): Promise<ReplicationStream> {
    const connection = await this.#parts.connect();
    const inbox = new Inbox((frames) => {
      connection.toServer(() => sender?.read(frames));
    });
    let sender: WalSender | null = null;
    const refusal = await connection.answer<EverywriteError | null>((answered) => {
      connection.toServer(() => {
        const tried = this.#tryStart(options, connection, inbox);
        if (tried instanceof WalSender) sender = tried;
        connection.toClient(() => answered(tried instanceof WalSender ? null : tried));
      });
    });
    if (refusal !== null) {
      connection.closeFromClient('refused');
      throw refusal;
    }
    return new SimReplicationStream(this.#parts, connection, inbox, () => sender);
  }

  #tryStart(
    options: ReplicationOptions,
    connection: Connection,
    inbox: Inbox,
  ): WalSender | EverywriteError {
    const { core, started, stopped } = this.#parts;
    const refusal = refuse(core, options);
    if (refusal !== null) return refusal;
    const slot = core.slots.get(options.slot);
    if (slot === undefined) return slotMissing(options.slot);
    const sender = new WalSender(core, {
      slot,
      publication: options.publication,
      filterOrigin: options.origin === 'none',
      startLsn: Math.max(options.startLsn, slot.confirmedLsn) as Lsn,
      deliver: (frames) => connection.toClient(() => inbox.push(frames)),
      hangUp: (why) => connection.closeFromServer(why),
    });
    slot.activeFor = sender;
    connection.accepted({
      hungUp: () => {
        sender.stop();
        stopped(sender);
      },
    });
    started(sender);
    return sender;
  }
}

function refuse(core: ServerCore, options: ReplicationOptions): EverywriteError | null {
  const slot = core.slots.get(options.slot);
  if (slot === undefined) return slotMissing(options.slot);
  if (slot.lost) {
    return failure('SLOT_LOST', 'operator', `Slot "${options.slot}" no longer holds the changes.`);
  }
  if (!core.publications.has(options.publication)) {
    const message = `There is no publication "${options.publication}". Prepare this region again.`;
    return failure('SLOT_MISSING', 'operator', message);
  }
  if (options.origin === 'none' && core.version < ORIGIN_FILTER_VERSION) {
    return failure('CONFIG_INVALID', 'operator', 'Filtering by origin needs PostgreSQL 16.');
  }
  if (slot.activeFor === null) return null;
  return failure('SLOT_BUSY', 'retry', `Another process reads slot "${options.slot}".`, '55006');
}

function slotMissing(slot: string): EverywriteError {
  const message = `There is no replication slot "${slot}". Prepare this region again.`;
  return failure('SLOT_MISSING', 'operator', message);
}

function failure(
  code: ErrorCode,
  recovery: Recovery,
  message: string,
  sqlState?: string,
): EverywriteError {
  return new EverywriteError({ code, recovery, message, sqlState });
}

/** What came in, and the consumer that waits for it. */
class Inbox {
  readonly #taken: (frames: number) => void;
  #frames: ReplicationFrame[] = [];
  #wake: (() => void) | null = null;
  #end: { readonly error: EverywriteError | null } | null = null;
  heard = true;

  constructor(taken: (frames: number) => void) {
    this.#taken = taken;
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  push(frames: readonly ReplicationFrame[]): void {
    this.heard = true;
    for (const frame of frames) this.#frames.push(frame);
    this.#awaken();
  }

  end(error: EverywriteError | null): void {
    this.#end ??= { error };
    this.#awaken();
  }

  async next(): Promise<IteratorResult<readonly ReplicationFrame[], undefined>> {
    while (this.#frames.length === 0 && this.#end === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.#end?.error === null) return { done: true, value: undefined };
    if (this.#frames.length === 0 && this.#end !== null) throw this.#end.error;
    const value = this.#frames;
    this.#frames = [];
    this.#taken(value.length);
    return { done: false, value };
  }

  #awaken(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

class SimReplicationStream implements ReplicationStream {
  readonly #parts: ReplicationParts;
  readonly #connection: Connection;
  readonly #inbox: Inbox;
  readonly #sender: () => WalSender | null;
  #confirmed = 0 as Lsn;
  #pending: (() => void) | null = null;
  #lastSentUs = Number.NEGATIVE_INFINITY;
  #stopBeats: () => void = () => {};
  #silentBeats = 0;
  #closed = false;

  constructor(
    parts: ReplicationParts,
    connection: Connection,
    inbox: Inbox,
    sender: () => WalSender | null,
  ) {
    this.#parts = parts;
    this.#connection = connection;
    this.#inbox = inbox;
    this.#sender = sender;
    connection.onBroken((error) => inbox.end(error));
    this.#planBeat();
  }

  confirm(endLsn: Lsn): void {
    if (this.#closed || endLsn <= this.#confirmed) return;
    this.#confirmed = endLsn;
    if (this.#pending !== null) return;
    const { scheduler } = this.#parts;
    const wait = this.#lastSentUs + CONFIRM_INTERVAL_US - scheduler.nowUs();
    if (wait <= 0) this.#sendStatus(false);
    else this.#pending = scheduler.after(wait, () => this.#sendStatus(false));
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly ReplicationFrame[], undefined> {
    return { next: () => this.#inbox.next() };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    if (this.#pending !== null) this.#sendStatus(false);
    this.#closed = true;
    this.#stopBeats();
    this.#inbox.end(null);
    this.#connection.closeFromClient('closed');
  }

  #sendStatus(replyRequested: boolean): void {
    if (this.#closed) return;
    this.#pending?.();
    this.#pending = null;
    this.#lastSentUs = this.#parts.scheduler.nowUs();
    const confirmed = this.#confirmed;
    this.#connection.toServer(() => {
      const sender = this.#sender();
      if (sender === null) return;
      if (confirmed > 0) this.#parts.confirmed(sender, confirmed);
      if (replyRequested) sender.keepalive();
    });
  }

  /** Every beat asks for an answer; none for a whole timeout, and the connection is given up. */
  #planBeat(): void {
    const { core, scheduler } = this.#parts;
    const us = core.pace.timings.walSenderTimeoutUs / BEATS_PER_TIMEOUT;
    this.#stopBeats = scheduler.after(us, () => {
      this.#silentBeats = this.#inbox.heard || !this.#inbox.isEmpty ? 0 : this.#silentBeats + 1;
      this.#inbox.heard = false;
      if (this.#silentBeats >= BEATS_PER_TIMEOUT) {
        this.#connection.closeFromClient('no answer for longer than wal_sender_timeout');
        return;
      }
      this.#sendStatus(true);
      this.#planBeat();
    });
  }
}
