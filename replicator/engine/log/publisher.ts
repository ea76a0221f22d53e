import { EverywriteError } from '#core/errors.ts';
import type { Lsn } from '#core/lsn.ts';
import { mutant } from '#core/mutant.ts';
import type { Clock, Logger, Timers } from '#core/ports.ts';
import { widen } from '#replicator/engine/apply/known-versions.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';
import { isBeyond } from '#replicator/engine/log/frame-order.ts';
import { frameRecords } from '#replicator/engine/log/framing.ts';
import type { EncodedFrame, OwnRecord } from '#replicator/engine/log/framing.ts';
import { PublishPace } from '#replicator/engine/log/publish-pace.ts';
import { Signal } from '#replicator/engine/signal.ts';
import type { Snapshot } from '#replicator/engine/statement.ts';

export interface PublisherOptions {
  /** Back-pressure: capture stops reading the slot while more than this waits for the log. */
  readonly maxUnpublishedBytes: number;
  /** How long an acknowledged frame may still be lost in a power cut; the slot trails by it. */
  readonly trailMs: number;
}

export interface PublisherPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

const APPEND_BATCH_MAX = 2000;
const INVISIBLE_WAIT_MS = 1;
const RETRY_WAIT_MS = 500;
// With so much waiting there is no need to wait for more.
const WAIT_QUEUE_MAX = 256;
const TRAIL_STEP_MS = 100;

/**
 * Appends own records to the own stream, in order, each only once every reader here can see it
 * (hazards T2), and tells what the slot may forget.
 */
export class Publisher {
  readonly #stream: LogStream;
  readonly #session: DatabaseSession;
  readonly #ports: PublisherPorts;
  readonly #options: PublisherOptions;
  readonly #durable: (header: FrameHeader) => void;
  readonly #confirm: (endLsn: Lsn) => void;
  readonly #pace = new PublishPace();
  readonly #arrived = new Signal();
  readonly #drained = new Signal();
  readonly #trailing: { readonly atMs: number; readonly endLsn: Lsn }[] = [];
  #queue: OwnRecord[] = [];
  #queuedBytes = 0;
  #position: number;
  /** The newest frame that is known to be stored. */
  #last: FrameHeader | null;
  #lastError: EverywriteError | null = null;

  constructor(
    stream: LogStream,
    session: DatabaseSession,
    tail: { readonly position: number; readonly header: FrameHeader | null },
    ports: PublisherPorts,
    options: PublisherOptions,
    listeners: {
      /** Called in order for every frame that the stream has acknowledged. */
      readonly durable: (header: FrameHeader) => void;
      readonly confirm: (endLsn: Lsn) => void;
    },
  ) {
    this.#stream = stream;
    this.#session = session;
    this.#position = tail.position;
    this.#last = tail.header;
    this.#ports = ports;
    this.#options = options;
    this.#durable = listeners.durable;
    this.#confirm = listeners.confirm;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get lastError(): EverywriteError | null {
    return this.#lastError;
  }

  enqueue(record: OwnRecord): void {
    this.#queue.push(record);
    this.#queuedBytes += record.bytes;
    if (record.kind === 'transaction') this.#pace.arrived(this.#ports.clock.monotonicMs());
    this.#arrived.raise();
  }

  /** Resolves while the queue is within its bound: capture's back-pressure. */
  async ready(signal: AbortSignal): Promise<void> {
    while (this.#queuedBytes > this.#options.maxUnpublishedBytes && !signal.aborted) {
      await this.#drained.wait(signal);
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const stop = this.#ports.timers.every(Math.max(50, this.#options.trailMs / 20), () =>
      this.#confirmTrailing(),
    );
    try {
      while (!signal.aborted) {
        if (this.#queue.length === 0) {
          await this.#arrived.wait(signal);
          continue;
        }
        const visible = await this.#visiblePrefix();
        if (visible === 0) {
          await this.#ports.timers.sleep(INVISIBLE_WAIT_MS, signal);
          continue;
        }
        const records = this.#queue.slice(0, visible);
        await this.#appendAll(frameRecords(records), signal);
        this.#queue = this.#queue.slice(visible);
        for (const record of records) this.#queuedBytes -= record.bytes;
        this.#drained.raise();
        await this.#wait(signal);
      }
    } finally {
      stop();
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    if (this.#queue.length > WAIT_QUEUE_MAX) return;
    const waitMs = this.#pace.waitMs(this.#ports.clock.monotonicMs());
    if (waitMs > 0) await this.#ports.timers.sleep(waitMs, signal);
  }

  /** How many queued records, from the front, a fresh snapshot shows. */
  async #visiblePrefix(): Promise<number> {
    const limit = Math.min(this.#queue.length, APPEND_BATCH_MAX);
    const [result] = await this.#session.flight([{ kind: 'readSnapshot' }]);
    if (result?.kind !== 'snapshot') return 0;
    if (mutant('published-before-visible')) return limit;
    const hidden = new Set(result.snapshot.inProgress);
    for (let at = 0; at < limit; at++) {
      const record = this.#queue[at];
      if (record?.kind !== 'transaction') continue;
      if (!isVisible(record.xid, result.snapshot, hidden)) return at;
    }
    return limit;
  }

  async #appendAll(frames: readonly EncodedFrame[], signal: AbortSignal): Promise<void> {
    // Another replicator of this region may have appended some of them before it lost the slot.
    let pending = frames.filter(({ header }) => isBeyond(header, this.#last));
    while (pending.length > 0 && !signal.aborted) {
      const base = this.#position;
      const appends = pending.map((frame, at) => this.#stream.append(frame.bytes, base + at));
      const outcomes = await Promise.allSettled(appends);
      const failed = outcomes.findIndex((outcome) => outcome.status === 'rejected');
      const stored = failed < 0 ? pending : pending.slice(0, failed);
      for (const { header } of stored) this.#stored(header);
      pending = pending.slice(stored.length);
      const failure = outcomes[failed];
      if (failure?.status !== 'rejected') {
        this.#lastError = null;
        continue;
      }
      await this.#recover(failure.reason, signal);
      pending = pending.filter(({ header }) => isBeyond(header, this.#last));
    }
  }

  #stored(header: FrameHeader): void {
    this.#position++;
    this.#last = header;
    if (!header.lastPart) return;
    this.#durable(header);
    if (this.#options.trailMs === 0 || mutant('confirm-before-durable'))
      this.#confirm(header.endLsn);
    else this.#trail(header.endLsn);
  }

  /** An append failed or its outcome is unknown: the stream's last entry tells what was stored. */
  async #recover(reason: unknown, signal: AbortSignal): Promise<void> {
    const error = reason instanceof EverywriteError ? reason : null;
    if (error === null) throw reason;
    this.#lastError = error;
    this.#ports.logger.log('warn', 'own log refused a frame', {
      code: error.code,
      error: error.message,
    });
    await this.#ports.timers.sleep(RETRY_WAIT_MS, signal);
    if (signal.aborted) return;
    const last = await this.#stream.lastEntry();
    const header = last === null ? null : decodeFrame(last.frame).header;
    const position = last?.position ?? 0;
    if (position < this.#position) throw tailLost();
    if (error.code === 'LOG_FENCED' && position === this.#position) throw error;
    this.#position = position;
    if (header === null) return;
    if (header.replica !== this.#queue[0]?.state.replica) throw fenced();
    if (isBeyond(header, this.#last)) this.#last = header;
  }

  // Rounded up to a step, so that minutes of frames are a thousand entries, not a million.
  #trail(endLsn: Lsn): void {
    const due = this.#ports.clock.monotonicMs() + this.#options.trailMs;
    const atMs = Math.ceil(due / TRAIL_STEP_MS) * TRAIL_STEP_MS;
    if (this.#trailing.at(-1)?.atMs === atMs) this.#trailing.pop();
    this.#trailing.push({ atMs, endLsn });
  }

  #confirmTrailing(): void {
    const now = this.#ports.clock.monotonicMs();
    let reached: Lsn | null = null;
    let count = 0;
    for (const { atMs, endLsn } of this.#trailing) {
      if (atMs > now) break;
      reached = endLsn;
      count++;
    }
    if (count > 0) this.#trailing.splice(0, count);
    if (reached !== null) this.#confirm(reached);
  }
}

function isVisible(xid: number, snapshot: Snapshot, hidden: ReadonlySet<bigint>): boolean {
  const full = widen(xid, snapshot.xmax);
  if (full >= snapshot.xmax) return false;
  return full < snapshot.xmin || !hidden.has(full);
}

function tailLost(): EverywriteError {
  return new EverywriteError({
    code: 'LOG_TAIL_LOST',
    recovery: 'restart',
    message:
      'The own log lost frames that it had acknowledged; capture starts again and refills it.',
  });
}

function fenced(): EverywriteError {
  return new EverywriteError({
    code: 'LOG_FENCED',
    recovery: 'restart',
    message: 'Another replicator appended to this region’s own log; this one starts afresh.',
  });
}
