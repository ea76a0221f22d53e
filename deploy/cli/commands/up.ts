import { mkdir, realpath } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Command, Io } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { parseFlags, usageError } from '#deploy/cli/flags.ts';
import { logLevel } from '#deploy/cli/log-level.ts';
import { untilAborted } from '#deploy/cli/until-aborted.ts';
import { readScript } from '#deploy/local/prepare-cluster.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import { startUp } from '#deploy/local/up.ts';
import type { UpOptions } from '#deploy/local/up.ts';
import { describeUp, reportOf } from '#deploy/local/up-report.ts';

const BOARD = fileURLToPath(import.meta.resolve('../../demo/board.sql'));

export const up: Command = {
  name: 'up',
  summary: 'run a whole cluster on this machine',
  help: `everywrite up: run a whole cluster on this machine

Usage: everywrite up [--regions eu,us,ap] [--schema FILE.sql] [--data DIR] [options]

Starts a PostgreSQL, a nats-server, a replicator and a GraphQL gateway for every region, with a network between the
regions that can be slowed down and cut (see "everywrite link"), and prints how to reach them. Runs
until Ctrl-C; then everything it started ends with it, and its data is removed. A server or a
replicator that dies meanwhile is started again.

  everywrite up --schema shop.sql --latency 40
  everywrite up --data ./cluster --latency eu-us=40,eu-ap=120

Options:
  --regions LIST         names, with commas between; "eu,us,ap" when left out
  --schema FILE.sql      loaded into database "app" of every region before replication starts. What
                         psql and pg_dump write is understood; CREATE DATABASE and \\connect are left
                         out. Tables that it fills differently in each region (random(), now()) get
                         the first region's rows everywhere
  --data DIR             keep the data in DIR. The next "up --data DIR" goes on with the same cluster:
                         same data, and the same ports where they are free; its schema is not
                         loaded again
  --keep                 without --data: do not remove the temporary directory at the end
  --latency MS           one-way delay between all regions (a round trip takes twice as long), or of
                         pairs: eu-us=40,eu-ap=120
  --columns NAME=TYPE    how a column merges: public.account.balance=counter; may be repeated
  --pg-setting NAME=VAL  a setting of every PostgreSQL: shared_buffers=256MB; may be repeated
  --log-level LEVEL      of the replicators: debug, info, warn or error
  --page                 a page for the browser: one text and one counter, shown and editable once per
                         region, with a switch that cuts a region off. Without --schema it has its
                         table; with one, there must be: board (id int, body text, votes int)
  --json                 print exactly one line, a JSON object, once all regions replicate:
                         {pid, dataDir, config, control, regions: {NAME: {database, nats, admin, gateway, log,
                         pids}}, tables, leftOut, copied, notes, …}

Exits with 0 when it is stopped by Ctrl-C or SIGTERM, and with 130 when that was before it was ready.
A second Ctrl-C does not wait. Even a killed "up" leaves no server behind.

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values } = parseFlags('up', args, {
      regions: { type: 'string' },
      schema: { type: 'string' },
      data: { type: 'string' },
      keep: { type: 'boolean' },
      latency: { type: 'string' },
      columns: { type: 'string', multiple: true },
      'pg-setting': { type: 'string', multiple: true },
      'log-level': { type: 'string' },
      page: { type: 'boolean' },
      json: { type: 'boolean' },
    });
    const level = values['log-level'];
    const page = values.page === true;
    const script = values.schema ?? (page ? BOARD : undefined);
    const schema = script === undefined ? undefined : await readScript(script);
    const wishes = {
      ...(values.regions === undefined ? {} : { regions: listOf('regions', values.regions) }),
      ...(values.latency === undefined ? {} : { latency: values.latency }),
      ...(level === undefined ? {} : { logLevel: logLevel(level) }),
      ...(schema === undefined ? {} : { schema }),
      page,
      columns: pairsOf('columns', 'public.account.balance=counter', values.columns),
      postgresSettings: pairsOf('pg-setting', 'shared_buffers=256MB', values['pg-setting']),
    };
    const place = await dataDirectory(values.data, values.keep === true ? 'keep' : 'remove');
    const output = values.json === true ? 'json' : 'text';
    try {
      await runUntilStopped({ ...wishes, dataDir: place.path }, output, io);
    } finally {
      await place.leave(io);
    }
    return EXIT_OK;
  },
};

async function runUntilStopped(
  wishes: Omit<UpOptions, 'environment' | 'progress' | 'warn' | 'signal'>,
  output: 'json' | 'text',
  io: Io,
): Promise<void> {
  const tell = (sentence: string): void => io.err(`${sentence}\n`);
  const running = await startUp({
    ...wishes,
    environment: io.env,
    progress: output === 'json' ? () => {} : tell,
    warn: tell,
    signal: io.signal,
  });
  try {
    const report = reportOf(running, wishes.dataDir);
    io.out(output === 'json' ? `${JSON.stringify(report)}\n` : describeUp(report));
    await untilAborted(io.signal);
  } finally {
    if (output === 'text') tell('Stopping …');
    await running.stop();
  }
}

interface DataDirectory {
  readonly path: string;
  /** Removes it, or says where it is. */
  leave(io: Io): Promise<void>;
}

async function dataDirectory(
  given: string | undefined,
  afterwards: 'keep' | 'remove',
): Promise<DataDirectory> {
  if (given !== undefined) {
    await mkdir(given, { recursive: true });
    return { path: await realpath(given), leave: async () => {} };
  }
  const directory = await temporaryDirectory('up');
  if (afterwards === 'remove') {
    return { path: directory.path, leave: () => directory.remove() };
  }
  directory.keep();
  return {
    path: directory.path,
    leave: async (io) => {
      io.err(`The data is kept; "everywrite up --data ${directory.path}" goes on with it.\n`);
    },
  };
}

function listOf(flag: string, text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw usageError(`--${flag} "${text}" has an empty name in it.`);
  return names;
}

function pairsOf(
  flag: string,
  example: string,
  texts: readonly string[] = [],
): Readonly<Record<string, string>> {
  const pairs = texts.map((text) => {
    // A column's name may hold "=" in quotes, its type never does; a setting is the other way round.
    const at = flag === 'columns' ? text.lastIndexOf('=') : text.indexOf('=');
    if (at < 1) throw usageError(`--${flag} "${text}" is no NAME=VALUE; write ${example}.`);
    return [text.slice(0, at).trim(), text.slice(at + 1).trim()] as const;
  });
  return Object.fromEntries(pairs);
}
