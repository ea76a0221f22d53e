import { setTimeout as sleep } from 'node:timers/promises';
import { CONFLICT_KINDS } from '#conflict/conflict-sink.ts';
import type { Command, Io } from '#deploy/cli/command.ts';
import {
  conflictLine,
  conflictPage,
  conflictsPage,
  restoredPage,
} from '#deploy/cli/conflicts-page.ts';
import { EXIT_CODES_HELP, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { parseFlags, required, usageError } from '#deploy/cli/flags.ts';
import { parseLimit, parseSince } from '#deploy/cli/since.ts';
import {
  conflictsRecordedSince,
  findConflicts,
  listConflicts,
} from '#deploy/records/conflict-record.ts';
import type { ConflictFilter, ConflictRecord } from '#deploy/records/conflict-record.ts';
import { openAnyRegion } from '#deploy/records/records-client.ts';
import type { RecordsClient } from '#deploy/records/records-client.ts';
import { tableId } from '#deploy/records/replicated-table.ts';
import { restoreConflict } from '#deploy/records/restore-conflict.ts';
import { loadConfig, regionConfig } from '#replicator/config.ts';
import type { ClusterConfig } from '#replicator/config.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';

const ACTIONS = ['list', 'show', 'restore', 'watch'] as const;
const LIMIT = 50;
const LIMIT_MAX = 100_000;
const WATCH_INTERVAL_MS = 500;
const WATCH_ROWS_MAX = 10_000;
/** Records of transactions that began before ours may appear behind it. */
const WATCH_OVERLAP = "interval '10 s'";

export const conflicts: Command = {
  name: 'conflicts',
  summary: 'what concurrent writes lost, why, and putting it back',
  help: `everywrite conflicts: what concurrent writes lost, why, and putting it back

Usage: everywrite conflicts [list] --config FILE [filters] [--json]
       everywrite conflicts show ID --config FILE [--json]
       everywrite conflicts restore ID --config FILE [--region NAME] [--force] [--json]
       everywrite conflicts watch --config FILE [filters] [--json]

A conflict is a pair of writes neither of which had seen the other, and of which one lost. Every
region records the same ones with the same verdicts, so one region is asked: the first that answers,
or the one that --region names. Records are kept for replication.conflictRetentionHours (30 days),
and no more than replication.conflictMaxRows of them.

  list      the newest, newest first
  show      one: both values with who wrote them and when, which was kept, why, and the proof that
            neither writer had seen the other
  restore   writes what lost as an ordinary, new transaction in one region. It is later than both
            writes, so it wins everywhere. A lost column value is set again; a row that was deleted
            under an update is inserted again with that update in it; a deletion that lost is done.
            Refused when the row has been changed since the conflict, unless --force
  watch     conflicts as they are recorded, until Ctrl-C

ID is what list shows; its first letters do, as long as only one begins so.

Filters:
  --table NAME    only this table: orders, or shop.orders
  --kind KIND     only ${CONFLICT_KINDS.join(', ')}
  --writer NAME   only those in which this region wrote either side
  --since WHEN    only those whose later write is not older: 90s, 15m, 2h, 7d, or a date or time
  --limit N       list: how many (${LIMIT})

Options:
  --config FILE   the configuration, YAML or JSON
  --region NAME   the region to ask; restore: the region to write in
  --force         restore: also over a row that has been changed since
  --json          list: {region, conflicts: [CONFLICT]}; show: CONFLICT; watch: a CONFLICT per line;
                  restore: {region, conflict, table, key, outcome: written|already there, before,
                  after}; CONFLICT: {id, table, key, column, kind, winner, loser, why, recordedAt},
                  winner and loser: {dot, region, hlc, at, saw, value}

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values, positionals } = parseFlags('conflicts', args, OPTIONS, 'words');
    const [action = 'list', ...words] = positionals;
    if (!isAction(action)) {
      throw usageError(
        `There is no "conflicts ${action}"; there are ${ACTIONS.join(', ')}.${didYouMean(action, ACTIONS)}`,
      );
    }
    const id = idOf(action, words);
    const config = await loadConfig(required('conflicts', 'config', values.config), io.env);
    const asked = await openAnyRegion(config, values.region, io.signal);
    try {
      const json = values.json === true;
      if (action === 'show' || action === 'restore') {
        const record = await one(asked, id);
        if (action === 'show') io.out(json ? line(record) : conflictPage(record));
        else await restore(asked, record, values.force === true, json, io);
        return EXIT_OK;
      }
      const filter = await filterOf(config, asked, values);
      if (action === 'watch') return await watch(asked, filter, json, io);
      const records = await listConflicts(asked.client, filter);
      const { region } = asked.region;
      io.out(json ? line({ region, conflicts: records }) : conflictsPage(records, filter.limit));
      return EXIT_OK;
    } finally {
      await asked.client.close();
    }
  },
};

const OPTIONS = {
  config: { type: 'string' },
  region: { type: 'string' },
  table: { type: 'string' },
  kind: { type: 'string' },
  writer: { type: 'string' },
  since: { type: 'string' },
  limit: { type: 'string' },
  force: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

type Action = (typeof ACTIONS)[number];

function isAction(word: string): word is Action {
  return ACTIONS.some((action) => action === word);
}

function idOf(action: Action, words: readonly string[]): string {
  const [id, ...more] = words;
  if (action === 'list' || action === 'watch') {
    if (id !== undefined) throw usageError(`"${id}" is not expected after "conflicts ${action}".`);
    return '';
  }
  if (id === undefined || more.length > 0) {
    throw usageError(`"conflicts ${action}" needs one ID; "everywrite conflicts" lists them.`);
  }
  return id.toLowerCase();
}

interface FilterFlags {
  readonly table?: string | undefined;
  readonly kind?: string | undefined;
  readonly writer?: string | undefined;
  readonly since?: string | undefined;
  readonly limit?: string | undefined;
}

async function filterOf(
  config: ClusterConfig,
  { client }: RecordsClient,
  { table, kind, writer, since, limit }: FilterFlags,
): Promise<ConflictFilter> {
  if (kind !== undefined && !CONFLICT_KINDS.some((known) => known === kind)) {
    throw usageError(
      `There is no kind "${kind}"; there are ${CONFLICT_KINDS.join(', ')}.${didYouMean(kind, CONFLICT_KINDS)}`,
    );
  }
  if (writer !== undefined) regionConfig(config, writer);
  return {
    kind,
    writer,
    table: table === undefined ? undefined : await tableId(client, table),
    sinceHlc: since === undefined ? undefined : parseSince(since, new Date()),
    limit: parseLimit(limit, LIMIT, LIMIT_MAX),
  };
}

async function one({ client }: RecordsClient, id: string): Promise<ConflictRecord> {
  const found = await findConflicts(client, id, 10);
  const [record] = found;
  if (record !== undefined && found.length === 1) return record;
  if (record !== undefined) {
    throw usageError(`Several begin with ${id}: ${found.map((each) => each.id).join(', ')}.`);
  }
  const known = (await listConflicts(client, { limit: 1000 })).map((each) => each.id);
  throw usageError(
    `There is no conflict ${id} on record; "everywrite conflicts" lists them.${didYouMean(id, known)}`,
  );
}

async function restore(
  { client, region: { region } }: RecordsClient,
  record: ConflictRecord,
  forced: boolean,
  json: boolean,
  io: Io,
): Promise<void> {
  const restored = await restoreConflict(client, record, forced);
  const { id } = record;
  io.out(json ? line({ region, conflict: id, ...restored }) : restoredPage(restored, region));
}

async function watch(
  { client, region }: RecordsClient,
  filter: ConflictFilter,
  json: boolean,
  io: Io,
): Promise<number> {
  const [now] = await client.select<{ readonly at: string }>('SELECT now()::text AS at');
  // What was in the last look: what has left its window does not come back.
  let told = new Set<string>();
  const show = (records: readonly ConflictRecord[], loud: boolean): void => {
    for (const record of records) {
      if (loud && !told.has(record.id)) io.out(json ? line(record) : conflictLine(record));
    }
    told = new Set(records.map(({ id }) => id));
  };
  let since = now?.at ?? 'now';
  const look = async (): Promise<readonly ConflictRecord[]> => {
    const [from] = await client.select<{ readonly at: string }>(
      `SELECT ($1::timestamptz - ${WATCH_OVERLAP})::text AS at`,
      [since],
    );
    const limit = WATCH_ROWS_MAX;
    return conflictsRecordedSince(client, from?.at ?? since, { ...filter, limit });
  };
  show(await look(), false);
  io.err(`Watching the conflicts that ${region.region} records from now on; Ctrl-C ends it.\n`);
  try {
    for (;;) {
      await sleep(WATCH_INTERVAL_MS, undefined, { signal: io.signal });
      const records = await look();
      show(records, true);
      since = records.at(-1)?.recordedAt ?? since;
    }
  } catch (error) {
    if (io.signal.aborted) return EXIT_OK;
    throw error;
  }
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
