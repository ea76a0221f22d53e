// Runs beside every process that starts local servers; see supervise.ts. Reads orders from its
// standard input and, when that closes, ends the servers and removes the directories left over.
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, killWithChildren, signalQuietly } from './process-table.ts';
import type { WatchdogOrder } from './supervise.ts';

/** How long a server may take to follow its farewell signal before it is killed. */
const FAREWELL_MS = 6_000;
const POLL_MS = 20;

const farewells = new Map<number, NodeJS.Signals>();
const directories = new Set<string>();

// Only the end of the pipe ends us: we are needed most when everything around is being stopped.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

for await (const line of createInterface({ input: process.stdin })) {
  follow(JSON.parse(line) as WatchdogOrder);
}
await endServers();
await Promise.allSettled(
  [...directories].map((path) => rm(path, { recursive: true, force: true })),
);

function follow(order: WatchdogOrder): void {
  if (order.kind === 'watch') farewells.set(order.pid, order.farewell);
  else if (order.kind === 'forget') farewells.delete(order.pid);
  else if (order.kind === 'sweep') directories.add(order.directory);
  else directories.delete(order.directory);
}

async function endServers(): Promise<void> {
  for (const [pid, farewell] of farewells) signalQuietly(pid, farewell);
  const deadline = Date.now() + FAREWELL_MS;
  const alive = (): number[] => [...farewells.keys()].filter(isAlive);
  while (alive().length > 0 && Date.now() < deadline) await sleep(POLL_MS);
  for (const pid of alive()) killWithChildren(pid);
}
