// How fast one process receives and decodes: node24 tests/bench/receive.ts [bin directory of a PostgreSQL].
// Figures hold for one machine only; compare two of the same run.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ZERO_LSN } from '#core/lsn.ts';
import { freePort } from '#deploy/local/ports.ts';
import { startPostgres } from '#deploy/local/postgres-server.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import { PgoutputDecoder } from '#replicator/engine/pgoutput/decode.ts';
import { PgReplicationSource } from '#replicator/pg/replication-stream.ts';

const ROWS = 200_000;
const LAG_SAMPLES = 1_000;

const binDir = process.argv[2];
await using directory = {
  ...(await temporaryDirectory('bench')),
  async [Symbol.asyncDispose]() {
    await this.remove();
  },
};
const server = await startPostgres({
  dataDir: `${directory.path}/data`,
  port: await freePort(),
  settings: {
    fsync: 'off',
    synchronous_commit: 'off',
    shared_buffers: '256MB',
    max_wal_size: '8GB',
  },
  ...(binDir === undefined ? {} : { binDir }),
});
const client = new pg.Client({ connectionString: server.url() });
await client.connect();
await client.query(`
  CREATE TABLE a (id int PRIMARY KEY, b int, c int, filler char(84));
  INSERT INTO a SELECT i, 0, 0, '' FROM generate_series(1, ${ROWS}) i;
  CREATE TABLE b (LIKE a INCLUDING ALL);
  CREATE PROCEDURE single_rows() LANGUAGE plpgsql AS $$ BEGIN
    FOR i IN 1..${ROWS} LOOP UPDATE a SET b = b + 1 WHERE id = i; COMMIT; END LOOP; END $$;
  CREATE PUBLICATION p FOR ALL TABLES`);

await measure('200k single-row UPDATE transactions', 'DEFAULT', 'CALL single_rows()');
await measure('200k single-row UPDATE transactions', 'FULL', 'CALL single_rows()');
await measure('200 x 1,000 inserts', 'FULL', inserts());
await measureLag();
await client.end();
await server.stop('immediate');

function inserts(): string {
  return Array.from(
    { length: ROWS / 1000 },
    (_, n) =>
      `INSERT INTO b SELECT i, 7, -1234, 'x' FROM generate_series(${n * 1000 + 1}, ${(n + 1) * 1000}) i`,
  ).join('; COMMIT; ');
}

async function measure(what: string, identity: string, work: string): Promise<void> {
  await client.query(`ALTER TABLE a REPLICA IDENTITY ${identity}`);
  await client.query(`SELECT pg_create_logical_replication_slot('s', 'pgoutput')`);
  for (const statement of work.split('; COMMIT; ')) await client.query(statement);
  for (let run = 0; run < 3; run += 1) {
    const { rows, seconds, cpuSeconds, batches } = await receive();
    const rate = Math.round(rows / seconds).toLocaleString('en');
    const cost = ((cpuSeconds * 1e6) / rows).toFixed(2);
    process.stdout.write(
      `${what}, ${identity}: ${rate} rows/s, ${cost} us CPU, ${batches} batches\n`,
    );
  }
  await client.query(`SELECT pg_drop_replication_slot('s')`);
}

async function receive(): Promise<{
  readonly rows: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly batches: number;
}> {
  const stream = await start();
  const decoder = new PgoutputDecoder();
  const started = performance.now();
  const cpu = process.cpuUsage();
  let [rows, batches] = [0, 0];
  for await (const frames of stream) {
    batches += 1;
    for (const frame of frames) {
      if (frame.kind !== 'data') continue;
      const { kind } = decoder.decode(frame.bytes);
      if (kind === 'update' || kind === 'insert') rows += 1;
    }
    if (rows === ROWS) break;
  }
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await stream.close();
  await sleep(200);
  return { rows, seconds, cpuSeconds: (user + system) / 1e6, batches };
}

/** From the answer to COMMIT to the decoded Commit message. */
async function measureLag(): Promise<void> {
  await client.query(`SELECT pg_create_logical_replication_slot('s', 'pgoutput')`);
  const stream = await start();
  const committed: number[] = [];
  const lags: number[] = [];
  const reading = (async () => {
    const decoder = new PgoutputDecoder();
    for await (const frames of stream) {
      for (const frame of frames) {
        if (frame.kind !== 'data' || decoder.decode(frame.bytes).kind !== 'commit') continue;
        lags.push(performance.now() - (committed[lags.length] ?? performance.now()));
      }
      if (lags.length >= LAG_SAMPLES) return;
    }
  })();
  await client.query('SET synchronous_commit = on');
  for (let n = 1; n <= LAG_SAMPLES; n += 1) {
    // Before the commit, because its answer may come after the change: an upper bound.
    committed.push(performance.now());
    await client.query(`UPDATE a SET c = c + 1 WHERE id = ${n}`);
    await sleep(3);
  }
  await reading;
  await stream.close();
  const sorted = lags.toSorted((x, y) => x - y);
  const at = (share: number): string => (sorted[Math.floor(share * LAG_SAMPLES)] ?? 0).toFixed(2);
  process.stdout.write(`statement sent to Commit decoded: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms\n`);
}

async function start(): Promise<Awaited<ReturnType<PgReplicationSource['start']>>> {
  const source = new PgReplicationSource({ url: server.url(), applicationName: 'bench' });
  return source.start({ slot: 's', publication: 'p', startLsn: ZERO_LSN, origin: 'any' });
}
