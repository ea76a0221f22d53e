import { connect } from '@nats-io/transport-node';
import { jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { must } from '#core/assert.ts';
import { EverywriteError } from '#core/errors.ts';
import { parseRegionId } from '#core/region.ts';
import { startNats } from '#deploy/local/nats-server.ts';
import type { NatsOptions, NatsServer } from '#deploy/local/nats-server.ts';
import { freePort } from '#deploy/local/ports.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import type { LogEntry, LogStream } from '#replicator/engine/log-port.ts';
import type { NatsConfig } from '#replicator/nats/config.ts';
import { NatsLogStores } from '#replicator/nats/log-stores.ts';
import type { NatsLogStream } from '#replicator/nats/log-stream.ts';
import { streamName } from '#replicator/nats/names.ts';

export const EU = parseRegionId('eu');
export const US = parseRegionId('us');
export const CLUSTER = 'test';
export const STREAM = streamName(CLUSTER, EU);

export interface LogFixture {
  readonly server: NatsServer;
  /** Stores of region eu on this server; `close` ends them too. */
  stores(config?: Partial<NatsConfig>): NatsLogStores;
  /** The stream of eu through new stores. */
  stream(config?: Partial<NatsConfig>): Promise<NatsLogStream>;
  /** Another client's view of the server. */
  manager(): Promise<JetStreamManager>;
  close(): Promise<void>;
}

/** A real server of its own and whatever a test opens on it. */
export async function openLog(options: Partial<NatsOptions> = {}): Promise<LogFixture> {
  const directory = await temporaryDirectory('nats-test');
  const port = await freePort();
  const server = await startNats({ storeDir: directory.path, name: 'eu', port, ...options });
  const closers: (() => Promise<void>)[] = [];
  const stores = (config: Partial<NatsConfig> = {}): NatsLogStores => {
    const base = { cluster: CLUSTER, region: EU, localUrl: server.url, peerUrls: {} };
    const opened = new NatsLogStores({ ...base, ...config });
    closers.push(() => opened.close());
    return opened;
  };
  return {
    server,
    stores,
    async stream(config) {
      const store = await stores(config).local();
      return must(await store.stream(EU, true), 'the created stream');
    },
    async manager() {
      const connection = await connect({ servers: server.url });
      closers.push(() => connection.close());
      return jetstreamManager(connection);
    },
    async close() {
      await Promise.all(closers.map((close) => close()));
      await server.kill();
      await directory.remove();
    },
  };
}

/** A frame that says which one it is, in `bytes` bytes. */
export function frame(number: number, bytes = 16): Uint8Array {
  return Buffer.alloc(bytes, `frame ${number};`);
}

export function numberOf(entry: LogEntry): number {
  const text = Buffer.from(entry.frame).toString('latin1');
  return Number(/^frame (\d+);/.exec(text)?.[1]);
}

/** Appends frames `first` to `last` at the positions of the same numbers, all in flight. */
export async function appendAll(
  stream: LogStream,
  first: number,
  last: number,
  bytes = 16,
): Promise<number[]> {
  const appends: Promise<number>[] = [];
  for (let n = first; n <= last; n += 1) appends.push(stream.append(frame(n, bytes), n - 1));
  return Promise.all(appends);
}

/** Reads until position `last` was yielded. */
export async function readTo(stream: LogStream, first: number, last: number): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const batch of stream.read(first, new AbortController().signal)) {
    entries.push(...batch);
    if (entries.at(-1)?.position === last) break;
  }
  return entries;
}

export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** The code with which a promise rejects; fails when it does not, or with anything else. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('it was expected to reject'),
    (reason: unknown) => reason,
  );
  if (error instanceof EverywriteError) return error.code;
  throw error;
}
