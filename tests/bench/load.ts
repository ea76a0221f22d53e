import { spawn, spawnSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { once } from 'node:events';
import type pg from 'pg';
import { DATABASE } from '#deploy/local/cluster.ts';
import type { Node } from './node.ts';

const DEBIAN_PGBENCH = '/usr/lib/postgresql/15/bin/pgbench';
export const CLIENTS = 4;

export interface LoadResult {
  readonly transactions: number;
  readonly seconds: number;
}

/** pgbench's simple-update on some connections, as fast as they go; `name` says what it is. */
export interface Load {
  readonly name: string;
  run(node: Node, seconds: number): Promise<LoadResult>;
}

/** Debian's pgbench where it is installed; else the same transactions from Node. */
export function chooseLoad(accounts: number): Load {
  const program = ['pgbench', DEBIAN_PGBENCH].find((candidate) => {
    return spawnSync(candidate, ['--version'], { encoding: 'utf8' }).status === 0;
  });
  if (program === undefined) {
    return {
      name: `Node's load generator, ${CLIENTS} connections (pgbench is not installed)`,
      run: (node, seconds) => runFromNode(node, seconds, accounts),
    };
  }
  return {
    name: `pgbench -b simple-update -M prepared -c ${CLIENTS} (${program})`,
    run: (node, seconds) => runPgbench(program, node, seconds),
  };
}

async function runPgbench(program: string, node: Node, seconds: number): Promise<LoadResult> {
  const { port } = node.server;
  const connection = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', DATABASE];
  const load = ['-n', '-b', 'simple-update', '-M', 'prepared', '-c', String(CLIENTS)];
  const child = spawn(program, [...load, '-T', String(seconds), ...connection], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await once(child, 'close')) as [number | null];
  const [out, errors] = await output;
  const transactions = /actually processed: (\d+)/.exec(out)?.[1];
  const tps = /^tps = ([\d.]+)/m.exec(out)?.[1];
  if (code !== 0 || transactions === undefined || tps === undefined) {
    throw new Error(`${program} failed:\n${out}${errors}`);
  }
  // Without the time that the connections took.
  return { transactions: Number(transactions), seconds: Number(transactions) / Number(tps) };
}

async function runFromNode(node: Node, seconds: number, accounts: number): Promise<LoadResult> {
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => node.connect()));
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1000;
  const counts = await Promise.all(clients.map((client) => simpleUpdates(client, endMs, accounts)));
  const took = (performance.now() - startedMs) / 1000;
  await Promise.all(clients.map((client) => client.end()));
  return { transactions: counts.reduce((sum, count) => sum + count, 0), seconds: took };
}

async function simpleUpdates(client: pg.Client, endMs: number, accounts: number): Promise<number> {
  let transactions = 0;
  while (performance.now() < endMs) {
    const aid = 1 + Math.floor(Math.random() * accounts);
    const delta = Math.floor(Math.random() * 10_001) - 5_000;
    for (const statement of simpleUpdate(aid, delta)) await client.query(statement);
    transactions += 1;
  }
  return transactions;
}

function simpleUpdate(aid: number, delta: number): readonly pg.QueryConfig[] {
  return [
    { text: 'BEGIN' },
    {
      name: 'update',
      text: 'UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2',
      values: [delta, aid],
    },
    {
      name: 'select',
      text: 'SELECT abalance FROM pgbench_accounts WHERE aid = $1',
      values: [aid],
    },
    {
      name: 'insert',
      text: `INSERT INTO pgbench_history (tid, bid, aid, delta, mtime)
             VALUES (1, 1, $2, $1, CURRENT_TIMESTAMP)`,
      values: [delta, aid],
    },
    { text: 'END' },
  ];
}
