import { setTimeout as sleep } from 'node:timers/promises';
import { EverywriteError } from '#core/errors.ts';
import type { RowKey } from '#core/row-key.ts';
import type { Command } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_FAILED, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { parseFlags, required, usageError } from '#deploy/cli/flags.ts';
import { discardedPage, quarantinedRowPage, quarantinePage } from '#deploy/cli/quarantine-page.ts';
import { parseLimit } from '#deploy/cli/since.ts';
import { retryQuarantined } from '#deploy/inspect/admin-orders.ts';
import { discardRow } from '#deploy/records/discard-row.ts';
import { listDiscarded, listQuarantine } from '#deploy/records/quarantine-record.ts';
import type { QuarantineRecord } from '#deploy/records/quarantine-record.ts';
import { openRegion } from '#deploy/records/records-client.ts';
import type { RecordsClient } from '#deploy/records/records-client.ts';
import {
  findTable,
  readRow,
  rowKeyOf,
  tableId,
  typedKey,
} from '#deploy/records/replicated-table.ts';
import { loadConfig, regionConfig } from '#replicator/config.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';

const ACTIONS = ['list', 'show', 'retry', 'discard'] as const;
const LIMIT = 100;
const LIMIT_MAX = 100_000;
/** How long retry and discard wait to see what became of the row. */
const OUTCOME_WAIT_MS = 10_000;
const OUTCOME_LOOK_MS = 100;

export const quarantine: Command = {
  name: 'quarantine',
  summary: 'rows that a table refuses: see, try again, give up',
  help: `everywrite quarantine: rows that a table refuses: see, try again, give up

Usage: everywrite quarantine [list] --config FILE [--region NAME] [--table NAME] [--discarded] [--json]
       everywrite quarantine show TABLE KEY… --config FILE [--region NAME] [--json]
       everywrite quarantine retry [TABLE [KEY…]] --config FILE [--region NAME] [--json]
       everywrite quarantine discard TABLE KEY… --config FILE --region NAME --reason TEXT [--json]

A row that one region's table refuses (a CHECK, a missing column, a value that is taken, a trigger)
waits alone in that region; the rest of its transaction and of the stream goes on, and the row goes on
merging. It is tried again after 1, 2, 4, … seconds, at most 5 minutes apart, and leaves the quarantine
by itself once it fits.

  list      every region's, oldest first; --discarded: what was given up, and why
  show      one row: what is wanted, what the table holds, what to do
  retry     try now, for those who have just mended the cause; waits to see what becomes of it
  discard   give the row up: what this region's table holds becomes the row in every region, by an
            ordinary write in a region that has the row. What is given up stays on record, with REASON

KEY is a word per key column, in key order.

Options:
  --config FILE   the configuration, YAML or JSON
  --region NAME   only this region; discard: the region whose table is right
  --table NAME    list: only this table
  --reason TEXT   discard: why, for those who ask later
  --discarded     list: rows that were given up
  --limit N       list: how many per region (${LIMIT})
  --json          list: {quarantine: [ROW], unreachable: [{region, error}]} or {discarded: [ROW]};
                  show: {rows: [ROW with stored]}; retry: {retried, released, remaining: [ROW]};
                  discard: {table, key, writtenIn, wanted, kept, released}

Exits with 0 when the row is no longer refused (list, show: always), with 1 when it still is.

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values, positionals } = parseFlags('quarantine', args, OPTIONS, 'words');
    const [action = 'list', ...words] = positionals;
    if (!isAction(action)) {
      throw usageError(
        `There is no "quarantine ${action}"; there are ${ACTIONS.join(', ')}.${didYouMean(action, ACTIONS)}`,
      );
    }
    const config = await loadConfig(required('quarantine', 'config', values.config), io.env);
    const order: Order = {
      config,
      regions:
        values.region === undefined
          ? [...config.regions.values()]
          : [regionConfig(config, values.region)],
      words,
      table: values.table,
      reason: values.reason,
      limit: parseLimit(values.limit, LIMIT, LIMIT_MAX),
      signal: io.signal,
    };
    const answer = await answerTo(action, order, values);
    io.out(values.json === true ? `${JSON.stringify(answer.json)}\n` : answer.page);
    for (const warning of answer.warnings ?? []) io.err(`${warning}\n`);
    return answer.code;
  },
};

const OPTIONS = {
  config: { type: 'string' },
  region: { type: 'string' },
  table: { type: 'string' },
  reason: { type: 'string' },
  discarded: { type: 'boolean' },
  limit: { type: 'string' },
  json: { type: 'boolean' },
} as const;

type Action = (typeof ACTIONS)[number];

interface Order {
  readonly config: ClusterConfig;
  readonly regions: readonly RegionConfig[];
  readonly words: readonly string[];
  readonly table: string | undefined;
  readonly reason: string | undefined;
  readonly limit: number;
  readonly signal: AbortSignal;
}

interface Answer {
  readonly json: unknown;
  readonly page: string;
  readonly code: number;
  readonly warnings?: readonly string[];
}

function isAction(word: string): word is Action {
  return ACTIONS.some((action) => action === word);
}

function answerTo(
  action: Action,
  order: Order,
  { discarded, region }: { readonly discarded?: boolean; readonly region?: string },
): Promise<Answer> {
  switch (action) {
    case 'list':
      if (order.words.length > 0) {
        throw usageError(`"${order.words.join(' ')}" is not expected here; --table NAME filters.`);
      }
      return discarded === true ? listGivenUp(order) : list(order);
    case 'show':
      return show(order);
    case 'retry':
      return retry(order);
    default:
      if (region === undefined) {
        throw usageError('discard needs --region: the region whose table is right.');
      }
      return discard(order);
  }
}

/** Every region that answers; those that do not are told apart. */
async function inEachRegion<T>(
  { config, regions, signal }: Order,
  ask: (opened: RecordsClient) => Promise<readonly T[]>,
): Promise<{ readonly found: readonly T[]; readonly unreachable: readonly Unreachable[] }> {
  const found: T[] = [];
  const unreachable: Unreachable[] = [];
  for (const region of regions) {
    try {
      const opened = await openRegion(config, region, signal);
      try {
        found.push(...(await ask(opened)));
      } finally {
        await opened.client.close();
      }
    } catch (error) {
      const away = error instanceof EverywriteError && error.code === 'DATABASE_UNREACHABLE';
      if (!away || regions.length === 1) throw error;
      unreachable.push({ region: region.region, error: error.message });
    }
  }
  return { found, unreachable };
}

interface Unreachable {
  readonly region: string;
  readonly error: string;
}

function warned(unreachable: readonly Unreachable[]): readonly string[] {
  return unreachable.map(({ region, error }) => `! ${region} was not asked: ${error}`);
}

async function list(order: Order): Promise<Answer> {
  const { found, unreachable } = await inEachRegion(order, async ({ client, region }) => {
    const table = order.table === undefined ? undefined : await tableId(client, order.table);
    return listQuarantine(client, region.region, { table, limit: order.limit });
  });
  const json = { quarantine: found, unreachable };
  return { json, page: quarantinePage(found), code: EXIT_OK, warnings: warned(unreachable) };
}

async function listGivenUp(order: Order): Promise<Answer> {
  const { found, unreachable } = await inEachRegion(order, ({ client, region }) =>
    listDiscarded(client, region.region, order.limit),
  );
  const json = { discarded: found, unreachable };
  return { json, page: discardedPage(found), code: EXIT_OK, warnings: warned(unreachable) };
}

interface Named {
  readonly table: string | undefined;
  readonly key: RowKey | undefined;
}

async function named(
  { client }: RecordsClient,
  [typed, ...keyWords]: readonly string[],
): Promise<Named> {
  if (typed === undefined) return { table: undefined, key: undefined };
  const table = await tableId(client, typed);
  if (keyWords.length === 0) return { table, key: undefined };
  const here = await findTable(client, table);
  // A table that is missing here has no types to read a key by: it is taken as it stands.
  const key = here === null ? rowKeyOf(keyWords) : await typedKey(client, here, keyWords);
  return { table, key };
}

async function show(order: Order): Promise<Answer> {
  if (order.words.length < 2) throw usageError('"quarantine show" needs TABLE and KEY.');
  const { found, unreachable } = await inEachRegion(order, async (opened) => {
    const { client, region } = opened;
    const { table, key } = await named(opened, order.words);
    const rows = await listQuarantine(client, region.region, { table, key, limit: 1 });
    if (key === undefined || table === undefined) return [];
    const facts = await findTable(client, table);
    const stored = facts === null ? null : await readRow(client, facts, key);
    return rows.map((row) => ({ ...row, stored }));
  });
  const name = order.words.join(' ');
  const page =
    found.length === 0
      ? `No region refuses ${name}.\n`
      : found.map(({ stored, ...row }) => quarantinedRowPage(row, stored)).join('\n');
  return { json: { rows: found }, page, code: EXIT_OK, warnings: warned(unreachable) };
}

async function retry(order: Order): Promise<Answer> {
  let retried = 0;
  const { found, unreachable } = await inEachRegion(order, async (opened) => {
    const { client, region } = opened;
    const { table, key } = await named(opened, order.words);
    const filter = { table, key, limit: order.limit };
    const before = await listQuarantine(client, region.region, filter);
    if (before.length === 0) return [];
    retried += await retryQuarantined(region, table ?? null, key ?? null, order.signal);
    return untilTried(order, before, () => listQuarantine(client, region.region, filter));
  });
  const released = retried - found.length;
  const page =
    retried === 0
      ? 'Nothing is in quarantine there.\n'
      : `${retried} tried again, ${Math.max(0, released)} released.\n` +
        (found.length === 0 ? '' : quarantinePage(found));
  const json = { retried, released, remaining: found };
  const code = found.length === 0 ? EXIT_OK : EXIT_FAILED;
  return { json, page, code, warnings: warned(unreachable) };
}

/** Waits until each row is gone or was tried once more. */
async function untilTried(
  { signal }: Order,
  before: readonly QuarantineRecord[],
  look: () => Promise<readonly QuarantineRecord[]>,
): Promise<readonly QuarantineRecord[]> {
  const name = ({ table, key }: QuarantineRecord): string => `${table}\n${key.join('\n')}`;
  const attempts = new Map(before.map((row) => [name(row), row.attempts]));
  const end = performance.now() + OUTCOME_WAIT_MS;
  for (;;) {
    const now = await look();
    const waiting = now.some((row) => row.attempts <= (attempts.get(name(row)) ?? -1));
    if (!waiting || performance.now() > end) return now;
    await sleep(OUTCOME_LOOK_MS, undefined, { signal });
  }
}

async function discard(order: Order): Promise<Answer> {
  const { words, reason, config, signal } = order;
  if (words.length < 2) throw usageError('"quarantine discard" needs TABLE and KEY.');
  if (reason === undefined || reason.trim() === '') {
    throw usageError('discard needs --reason: whoever finds the row missing will ask why.');
  }
  const [region] = order.regions;
  if (region === undefined) throw new RangeError('no region');
  const opened = await openRegion(config, region, signal);
  try {
    const { client } = opened;
    const { table, key } = await named(opened, words);
    const filter = { table, key, limit: 1 };
    const look = (): Promise<readonly QuarantineRecord[]> =>
      listQuarantine(client, region.region, filter);
    const [record] = await look();
    if (record === undefined || key === undefined) {
      throw usageError(`${region.region} does not refuse ${words.join(' ')}.`);
    }
    const given = await discardRow(config, opened, record, key, reason, signal);
    const end = performance.now() + OUTCOME_WAIT_MS;
    let left = await look();
    while (left.length > 0 && performance.now() < end) {
      await sleep(OUTCOME_LOOK_MS, undefined, { signal });
      left = await look();
    }
    const released = left.length === 0;
    const kept = given.kept === null ? 'no row' : JSON.stringify(given.kept);
    const page =
      `${given.table} (${given.key.join(', ')}) is given up: ${kept} is written in ${given.writtenIn}.\n` +
      (released
        ? `${region.region} no longer refuses anything of it.\n`
        : `${region.region} has not applied that yet; look again with "everywrite quarantine".\n`);
    return { json: { ...given, released }, page, code: released ? EXIT_OK : EXIT_FAILED };
  } finally {
    await opened.client.close();
  }
}
