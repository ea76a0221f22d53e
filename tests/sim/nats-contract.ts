import { EverywriteError } from '#core/errors.ts';
import type { LogEntry, LogStore, LogStream } from '#replicator/engine/log-port.ts';

/** A server that the contract is tried on: the real one, or the simulated one in virtual time. */
export interface NatsSubject {
  /** A client of its own, with its own connection. */
  client(): Promise<LogStore>;
  /** The stream that the cases write, through a client of its own; created when missing. */
  stream(): Promise<LogStream>;
  sleep(ms: number): Promise<void>;
  /** kill -9, and started again. */
  restart(): Promise<void>;
  kill(): Promise<void>;
  deleteStream(): Promise<void>;
}

/** One fact about a log, as both servers must show it: `run` gives it as data. */
export interface NatsCase {
  readonly name: string;
  readonly run: (subject: NatsSubject) => Promise<unknown>;
  readonly outcome: unknown;
}

export const STREAM_BYTES_MAX = 64 * 1024;

const NATS_MAX_PAYLOAD = 1024 * 1024;

export const NATS_CASES: readonly NatsCase[] = [
  {
    name: 'a stream that nobody created is not there',
    run: async (subject) => {
      const store = await subject.client();
      return (await store.stream('us' as never, false)) === null;
    },
    outcome: true,
  },
  {
    name: 'appends in flight are stored in order, and found again by place',
    run: async (subject) => {
      const stream = await subject.stream();
      const empty = { bounds: await stream.bounds(), last: await stream.lastEntry() };
      const positions = await appendAll(stream, 1, 50);
      const { first, last } = await stream.bounds();
      const found = [await stream.lastEntry(), await stream.entryAt(7), await stream.entryAt(51)];
      return { empty, positions, first, last, found: found.map(numberOf) };
    },
    outcome: {
      empty: { bounds: { first: 1, last: 0, bytes: 0 }, last: null },
      positions: range(1, 50),
      first: 1,
      last: 50,
      found: [50, 7, null],
    },
  },
  {
    name: 'an append at another place is refused, and what builds upon it, until one has looked',
    run: async (subject) => {
      const stream = await subject.stream();
      await appendAll(stream, 1, 3);
      const wrong = await outcomes([stream.append(frame(9), 5), stream.append(frame(10), 6)]);
      const blind = await outcomes([stream.append(frame(11), 7)]);
      const last = numberOf(await stream.lastEntry());
      return { wrong, blind, last, next: await stream.append(frame(4), 3) };
    },
    outcome: { wrong: ['LOG_FENCED', 'LOG_FENCED'], blind: ['LOG_FENCED'], last: 3, next: 4 },
  },
  {
    name: 'a pipeline whose first place is taken stores nothing',
    run: async (subject) => {
      const [ours, theirs] = [await subject.stream(), await subject.stream()];
      await appendAll(ours, 1, 1);
      await theirs.append(frame(100), 1);
      const refused = await outcomes([ours.append(frame(2), 1), ours.append(frame(3), 2)]);
      return { refused, last: numberOf(await ours.lastEntry()) };
    },
    outcome: { refused: ['LOG_FENCED', 'LOG_FENCED'], last: 100 },
  },
  {
    name: 'a reader gets what is there, then what comes',
    run: async (subject) => {
      const [stream, writer] = [await subject.stream(), await subject.stream()];
      await appendAll(writer, 1, 5);
      const reading = readTo(stream, 3, 8);
      await subject.sleep(200);
      await appendAll(writer, 6, 8);
      return reading;
    },
    outcome: range(3, 8),
  },
  {
    name: 'what is trimmed is gone, and reading it is a gap',
    run: async (subject) => {
      const stream = await subject.stream();
      await appendAll(stream, 1, 10);
      await stream.trim(6);
      const { first, last } = await stream.bounds();
      const gap = await outcomes([readTo(stream, 3, 10)]);
      const rest = await readTo(stream, 6, 10);
      await stream.trim(11);
      const emptied = await stream.bounds();
      const next = await stream.append(frame(11), 10);
      return { first, last, gap, rest, emptied, next, old: await stream.entryAt(7) };
    },
    outcome: {
      first: 6,
      last: 10,
      gap: ['LOG_GAP'],
      rest: range(6, 10),
      emptied: { first: 11, last: 10, bytes: 0 },
      next: 11,
      old: null,
    },
  },
  {
    name: 'a server that is killed and started again has everything, and readers go on',
    run: async (subject) => {
      const [stream, reader] = [await subject.stream(), await subject.stream()];
      await appendAll(stream, 1, 5);
      const reading = readTo(reader, 1, 7);
      await subject.sleep(200);
      await subject.restart();
      const last = numberOf(await stream.lastEntry());
      await appendAll(stream, 6, 7);
      return { last, read: await reading };
    },
    outcome: { last: 5, read: range(1, 7) },
  },
  {
    name: 'while the server is down appends fail at once and readers lose patience',
    run: async (subject) => {
      const stream = await subject.stream();
      await appendAll(stream, 1, 2);
      const reading = outcomes([readTo(stream, 1, 3)]);
      await subject.kill();
      await subject.sleep(300);
      return [...(await outcomes([stream.append(frame(3), 2)])), ...(await reading)];
    },
    outcome: ['LOG_UNREACHABLE', 'LOG_UNREACHABLE'],
  },
  {
    name: 'a stream that is deleted and created again is not the one that was read',
    run: async (subject) => {
      const [stream, writer] = [await subject.stream(), await subject.stream()];
      await appendAll(writer, 1, 3);
      const reading = outcomes([readTo(stream, 1, 9)]);
      await subject.sleep(200);
      await subject.deleteStream();
      const again = await subject.stream();
      const position = await again.append(frame(50), 0);
      return { position, reading: await reading };
    },
    outcome: { position: 1, reading: ['LOG_UNREACHABLE'] },
  },
  {
    name: 'an append to a stream that was deleted is refused',
    run: async (subject) => {
      const stream = await subject.stream();
      await appendAll(stream, 1, 1);
      await subject.deleteStream();
      return outcomes([stream.append(frame(2), 1)]);
    },
    outcome: ['LOG_UNREACHABLE'],
  },
  {
    name: 'a full stream refuses and keeps what it has',
    run: async (subject) => {
      const stream = await subject.stream();
      let stored = 0;
      let refusal = '';
      while (refusal === '' && stored < 100) {
        const [outcome = ''] = await outcomes([stream.append(frame(stored + 1, 4096), stored)]);
        if (typeof outcome === 'number') stored = outcome;
        else refusal = outcome;
      }
      const { first, last } = await stream.bounds();
      return { refusal, some: stored > 10, first, kept: last === stored };
    },
    outcome: { refusal: 'LOG_FULL', some: true, first: 1, kept: true },
  },
  {
    name: 'a frame larger than a message may be is refused for what it is',
    run: async (subject) => {
      const stream = await subject.stream();
      return outcomes([stream.append(frame(1, NATS_MAX_PAYLOAD + 1), 0)]);
    },
    outcome: ['TRANSACTION_TOO_LARGE'],
  },
];

/** A frame that says which one it is, in `bytes` bytes. */
function frame(number: number, bytes = 16): Uint8Array {
  return Buffer.alloc(bytes, `frame ${number};`);
}

function numberOf(entry: LogEntry | null): number | null {
  if (entry === null) return null;
  return Number(/^frame (\d+);/.exec(Buffer.from(entry.frame).toString('latin1'))?.[1]);
}

async function appendAll(stream: LogStream, first: number, last: number): Promise<number[]> {
  const appends = range(first, last).map((number) => stream.append(frame(number), number - 1));
  return Promise.all(appends);
}

/** Values, or the codes with which they were refused. */
async function outcomes<Value>(
  promises: readonly Promise<Value>[],
): Promise<readonly (Value | string)[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((outcome) => {
    if (outcome.status === 'fulfilled') return outcome.value;
    const error: unknown = outcome.reason;
    return error instanceof EverywriteError ? error.code : String(error);
  });
}

async function readTo(stream: LogStream, first: number, last: number): Promise<number[]> {
  const found: number[] = [];
  for await (const entries of stream.read(first, new AbortController().signal)) {
    for (const entry of entries) found.push(numberOf(entry) ?? -1);
    if ((entries.at(-1)?.position ?? 0) >= last) break;
  }
  return found;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}
