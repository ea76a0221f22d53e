import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream';
import type { StreamInfo } from '@nats-io/jetstream';
import { createInbox, nanos } from '@nats-io/transport-node';
import { EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import type { LogEntry } from '#replicator/engine/log-port.ts';
import type { NatsLimits } from './config.ts';
import type { NatsLink } from './link.ts';
import { requestFailure } from './log-errors.ts';
import { inboxPrefix } from './names.ts';
import { PullConsumer } from './pull-consumer.ts';
import type { KnownEntry } from './pull-consumer.ts';
import type { Session } from './session.ts';
import { boundsOf } from './stream-state.ts';

const REOPEN_WAIT_MS = 50;
// A message costs its subject, reply subject and headers besides the frame.
const MESSAGE_OVERHEAD_BYTES = 1_024;

export interface ReaderOptions {
  readonly link: NatsLink;
  readonly region: RegionId;
  readonly stream: string;
  readonly limits: NatsLimits;
}

/** Where a reader is, across connections. */
interface Cursor {
  next: number;
  known: KnownEntry | null;
  /** When the stream was created: another time is another stream of the same name. */
  created: string | null;
}

/** `LogStream.read`: one consumer after the other, so that nothing is missing and nothing comes twice. */
export async function* readStream(
  options: ReaderOptions,
  position: number,
  signal: AbortSignal,
): AsyncGenerator<readonly LogEntry[], void, void> {
  const cursor: Cursor = { next: position, known: null, created: null };
  while (!signal.aborted) {
    const consumer = await openPatiently(options, cursor, signal);
    if (consumer === null) return;
    const before = cursor.next;
    try {
      for (;;) {
        const pulled = await consumer.take(signal);
        if (pulled === null) break;
        cursor.known = pulled.known;
        cursor.next = pulled.known.position + 1;
        yield pulled.entries;
      }
    } finally {
      consumer.close();
    }
    if (consumer.failure !== null) throw consumer.failure;
    // A consumer that ends before it brought anything must not be recreated in a busy loop.
    if (cursor.next === before) await pause(REOPEN_WAIT_MS, signal);
  }
}

/** A consumer at the cursor, tried for the reader's patience; null when `signal` aborts. */
async function openPatiently(
  options: ReaderOptions,
  cursor: Cursor,
  signal: AbortSignal,
): Promise<PullConsumer | null> {
  const deadline = performance.now() + options.limits.readerPatienceMs;
  for (;;) {
    const leftMs = Math.max(0, deadline - performance.now());
    const session = await options.link.untilUp(leftMs, signal);
    if (session === null) return null;
    try {
      return await openOrAbort(options, session, cursor, signal);
    } catch (error) {
      const failure = requestFailure(error, options.stream);
      if (failure.recovery !== 'retry' || performance.now() > deadline) throw failure;
      await pause(REOPEN_WAIT_MS, signal);
    }
  }
}

async function openOrAbort(
  options: ReaderOptions,
  session: Session,
  cursor: Cursor,
  signal: AbortSignal,
): Promise<PullConsumer | null> {
  const opening = open(options, session, cursor);
  const aborted = Promise.withResolvers<null>();
  const onAbort = (): void => aborted.resolve(null);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    const consumer = await Promise.race([opening, aborted.promise]);
    // The reader ends now; what the server still answers is cleaned up behind it.
    if (consumer === null) void opening.then((late) => late.close()).catch(() => {});
    return consumer;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function open(
  options: ReaderOptions,
  session: Session,
  cursor: Cursor,
): Promise<PullConsumer> {
  const { region, stream, limits } = options;
  const consumer = `${region}-${randomBytes(12).toString('hex')}`;
  await session.manager.consumers.add(stream, {
    name: consumer,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: cursor.known?.position ?? cursor.next,
    ack_policy: AckPolicy.None,
    inactive_threshold: nanos(limits.consumerIdleMs),
    mem_storage: true,
    num_replicas: 1,
  });
  try {
    // After the consumer: if the stream is recreated from now on, the consumer dies with the old one.
    const info = await session.manager.streams.info(stream);
    checkContinuity(info, cursor);
    return new PullConsumer({
      session,
      stream,
      consumer,
      inbox: createInbox(inboxPrefix(region)),
      window: {
        bytesMax: limits.readAheadBytesMax,
        entriesMax: limits.readAheadEntriesMax,
        messageBytesMax: session.maxPayload + MESSAGE_OVERHEAD_BYTES,
      },
      heartbeatMs: limits.consumerHeartbeatMs,
      next: cursor.next,
      known: cursor.known,
    });
  } catch (error) {
    void session.manager.consumers.delete(stream, consumer).catch(() => {});
    throw error;
  }
}

/** Whether the stream still is the one that was read up to the cursor, and has what follows. */
function checkContinuity(info: StreamInfo, cursor: Cursor): void {
  const { name } = info.config;
  const { first, last } = boundsOf(info.state);
  if (cursor.created !== null && cursor.created !== info.created) {
    throw restart(`${name} was deleted and created again while it was being read.`);
  }
  if (last < cursor.next - 1) {
    throw restart(
      `${name} ends at ${last} but was read up to ${cursor.next - 1}: it lost its tail.`,
    );
  }
  if (first > cursor.next) {
    throw new EverywriteError({
      code: 'LOG_GAP',
      recovery: 'operator',
      message: `${name} no longer has position ${cursor.next}: it begins at ${first}.`,
    });
  }
  cursor.created = info.created;
}

function restart(message: string): EverywriteError {
  return new EverywriteError({ code: 'LOG_UNREACHABLE', recovery: 'restart', message });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => {});
}
