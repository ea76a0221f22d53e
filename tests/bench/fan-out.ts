import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RegionId } from '#core/region.ts';
import { EMPTY_VECTOR } from '#core/version-vector.ts';
import { ChangeFeed, FEED_LIMITS } from '#gateway/feed/change-feed.ts';
import { ChangeHub } from '#gateway/subscriptions/change-hub.ts';
import type { ChangeQuery } from '#gateway/subscriptions/change-query.ts';
import { SocketServer } from '#gateway/subscriptions/socket-server.ts';
import { systemClock, systemTimers } from '#replicator/system-ports.ts';
import { frameOf, LoggedHistory, REGIONS } from '#tests/gateway/feed/logged-history.ts';
import { MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';

/**
 * Fan-out of subscriptions: one gateway process, one client process with many sockets, one subscription
 * each to the same changes. From the frame in the log to the client's message handler; the database's part
 * (one statement per stretch of transactions, whatever the number of subscribers) is not in it.
 */

const SUBSCRIBERS = 1000;
const SECONDS = process.argv.includes('--quick') ? 2 : 10;
const WINDOW = 20;

export interface Told {
  readonly ready?: boolean;
  readonly received?: number;
  readonly latenciesMs?: readonly number[];
}

const row = JSON.stringify({ id: 1, title: 'a title of a usual length', body: 'x'.repeat(60) });

/** As the compiled query of a table would be, with the row at hand. */
const NOTES: ChangeQuery = {
  signature: 'notes',
  table: { schema: 'public', name: 'notes' },
  sight: 'open',
  filterColumns: new Set(),
  wants: () => true,
  read: (keys) => Promise.resolve(new Map(keys.map((key) => [key, row]))),
  readAll: async function* readAll() {
    yield await Promise.resolve([]);
  },
  render: (changes) => {
    const at = performance.timeOrigin + performance.now();
    const items = changes.map(({ op, node }) => `{"op":"${op}","node":${node},"sentMs":${at}}`);
    return `{"data":{"noteChanges":[${items.join(',')}]}}`;
  },
};

/** A gateway's change path, over a log in memory. */
class Gateway {
  readonly #log = new MemoryStream();
  readonly #history = new LoggedHistory();
  readonly #own: RegionId;
  readonly #stop = new AbortController();
  readonly sockets: SocketServer<null>;

  constructor(own: RegionId) {
    this.#own = own;
    const feed = new ChangeFeed(
      {
        streams: () => Promise.resolve(this.#log),
        readApplied: () => Promise.resolve(EMPTY_VECTOR),
        clock: systemClock,
        timers: systemTimers,
        logger: { log: () => undefined },
      },
      { own, regions: [own], ...FEED_LIMITS },
    );
    void feed.run(this.#stop.signal);
    const failed = (error: unknown): void => void process.stderr.write(`${String(error)}\n`);
    const hub = new ChangeHub(feed, systemTimers, failed);
    this.sockets = new SocketServer<null>({
      path: '/graphql',
      runner: { start: (_, __, sink) => hub.subscribe(NOTES, { kind: 'now' }, sink) },
      authenticate: () => Promise.resolve({ who: null, expiresAtMs: null }),
      greeting: () => ({}),
      released: () => null,
      limits: { bufferedBytesMax: 64 * 1024 * 1024 },
      failed,
    });
  }

  publish(): void {
    this.#log.store(frameOf(this.#history.write(this.#own)));
    // A log in memory is no bench of its own.
    if (this.#log.entries.length > 5000) this.#log.entries.splice(0, 2500);
  }

  stop(): void {
    this.#stop.abort();
    this.sockets.close();
  }
}

/** What the client process has told so far. */
class Clients {
  received = 0;
  latenciesMs: readonly number[] = [];
  #ready = false;
  readonly #process: ChildProcess;

  constructor(port: number) {
    const file = new URL('fan-out-clients.ts', import.meta.url);
    this.#process = fork(file, [String(port), String(SUBSCRIBERS)]);
    this.#process.on('message', (told: Told) => {
      this.#ready ||= told.ready === true;
      this.received = told.received ?? this.received;
      this.latenciesMs = told.latenciesMs ?? this.latenciesMs;
    });
  }

  async untilReady(): Promise<void> {
    while (!this.#ready) await sleep(10);
  }

  order(what: 'forget' | 'tell'): void {
    this.#process.send(what);
  }

  stop(): void {
    this.#process.kill();
  }
}

/** As many messages as arrive, with at most `WINDOW` events on their way. */
async function fullSpeed(gateway: Gateway, clients: Clients): Promise<string> {
  let events = 0;
  const before = clients.received;
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  while (performance.now() - beganMs < SECONDS * 1000) {
    while (events - (clients.received - before) / SUBSCRIBERS < WINDOW) {
      gateway.publish();
      events++;
    }
    await sleep(1);
  }
  const messages = clients.received - before;
  const perSecond = Math.round((messages * 1000) / (performance.now() - beganMs));
  const { user, system } = process.cpuUsage(cpu);
  const each = ((user + system) / messages).toFixed(1);
  while (clients.received - before < events * SUBSCRIBERS) await sleep(10);
  return `full speed: ${perSecond} messages/s, gateway CPU ${each} µs per message`;
}

async function tenPerSecond(gateway: Gateway, clients: Clients): Promise<string> {
  clients.order('forget');
  await sleep(100);
  for (let n = 0; n < SECONDS * 10; n++) {
    gateway.publish();
    await sleep(100);
  }
  await sleep(300);
  clients.order('tell');
  await sleep(500);
  const sorted = clients.latenciesMs.toSorted((left, right) => left - right);
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
  return `10 events/s: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (${sorted.length} messages)`;
}

async function main(): Promise<void> {
  const [own] = REGIONS;
  if (own === undefined) throw new RangeError('no region');
  const gateway = new Gateway(own);
  const server = createServer();
  gateway.sockets.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const clients = new Clients((server.address() as AddressInfo).port);
  await clients.untilReady();
  const lines = [
    `${SUBSCRIBERS} subscribers, graphql-transport-ws, one process each for gateway and clients`,
    await fullSpeed(gateway, clients),
    await tenPerSecond(gateway, clients),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  clients.stop();
  gateway.stop();
  server.close();
}

await main();
