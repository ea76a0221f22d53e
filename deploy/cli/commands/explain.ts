import type { Command } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { explainPage } from '#deploy/cli/explain-page.ts';
import type { RowExplanation } from '#deploy/cli/explain-page.ts';
import { parseFlags, required, usageError } from '#deploy/cli/flags.ts';
import { conflictsOfRow, stampText } from '#deploy/records/conflict-record.ts';
import { explainColumn, explainExistence } from '#deploy/records/explanation.ts';
import { listQuarantine } from '#deploy/records/quarantine-record.ts';
import { openAnyRegion } from '#deploy/records/records-client.ts';
import type { RecordsClient } from '#deploy/records/records-client.ts';
import {
  keyNames,
  readRow,
  replicatedTable,
  tableId,
  typedKey,
} from '#deploy/records/replicated-table.ts';
import { readRowHistory } from '#deploy/records/row-history.ts';
import { keyParts } from '#core/row-key.ts';
import { loadConfig } from '#replicator/config.ts';
import type { ClusterConfig } from '#replicator/config.ts';
import { encodeKey } from '#replicator/pg/sql-key.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';

const CONFLICTS_MAX = 50;

export const explain: Command = {
  name: 'explain',
  summary: 'why a row is as it is: who wrote each column, and what it beat',
  help: `everywrite explain: why a row is as it is

Usage: everywrite explain TABLE KEY… --config FILE [--region NAME] [--column NAME] [--json]

For the row itself and for every column: the value, the transaction that wrote it, in which region and
when (its stamp), what it beat (writes that had not seen it, nor it them), what was added to it, and
what it replaced. Then the conflicts on record about the row, and whether a table refuses it.

Reads the region's table and its copies of all logs, so it works while replicators are stopped. Logs
are trimmed once every region has everything: of what is older, only the conflicts are still known.

KEY is a word per key column, in key order, as PostgreSQL reads it.

Options:
  --config FILE   the configuration, YAML or JSON
  --region NAME   as this region has it; the first that answers when left out
  --column NAME   only this column
  --json          print one JSON object: {region, table, key, exists, columns: [{column, type, stored,
                  winner, beat, added, replaced}], conflicts, quarantine, waiting, logs}

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values, positionals } = parseFlags(
      'explain',
      args,
      {
        config: { type: 'string' },
        region: { type: 'string' },
        column: { type: 'string' },
        json: { type: 'boolean' },
      },
      'words',
    );
    const [table, ...key] = positionals;
    if (table === undefined || key.length === 0) {
      throw usageError('explain needs TABLE and KEY; see "everywrite explain --help".');
    }
    const config = await loadConfig(required('explain', 'config', values.config), io.env);
    const opened = await openAnyRegion(config, values.region, io.signal);
    try {
      const row = await explainRow(
        config,
        opened,
        { table, key, column: values.column },
        io.signal,
      );
      io.out(values.json === true ? `${JSON.stringify(row)}\n` : explainPage(row));
      return EXIT_OK;
    } finally {
      await opened.client.close();
    }
  },
};

interface Question {
  readonly table: string;
  readonly key: readonly string[];
  readonly column: string | undefined;
}

async function explainRow(
  config: ClusterConfig,
  { client, region }: RecordsClient,
  question: Question,
  signal: AbortSignal,
): Promise<RowExplanation> {
  const table = await replicatedTable(client, await tableId(client, question.table));
  const names = table.relation.columns.map(({ name }) => name);
  const { column } = question;
  if (column !== undefined && !names.includes(column)) {
    throw usageError(`${table.id} has no column "${column}".${didYouMean(column, names)}`);
  }
  const key = await typedKey(client, table, question.key);
  // The vector first: what the log has beyond it may be in the table by the time that is read.
  const [applied] = await client.select<{ readonly vector: string }>(
    'SELECT vector FROM everywrite.applied',
  );
  const history = await readRowHistory(
    config,
    region,
    { table: table.id, key, applied: applied?.vector ?? '' },
    signal,
  );
  const stored = await readRow(client, table, key);
  const encoded = encodeKey(key);
  const [refused] = await listQuarantine(client, region.region, {
    table: table.id,
    key,
    limit: 1,
  });
  const explained = names
    .filter((name) => column === undefined || name === column)
    .map((name) =>
      explainColumn(name, table.columnTypes[name] ?? 'lww', stored?.[name] ?? null, history.ops),
    );
  const parts = keyParts(key);
  return {
    region: region.region,
    table: table.id,
    key: Object.fromEntries(keyNames(table).map((name, at) => [name, parts[at] ?? ''])),
    exists: stored !== null,
    columns: [explainExistence(stored !== null, history.ops), ...explained],
    conflicts: await conflictsOfRow(client, table.id, encoded, CONFLICTS_MAX),
    quarantine: refused ?? null,
    waiting: history.ops.filter((logged) => !logged.applied).length,
    logs: Object.fromEntries(
      Object.entries(history.logs).map(([origin, { sinceHlc, whole }]) => [
        origin,
        { since: sinceHlc === null ? null : stampText(sinceHlc), whole },
      ]),
    ),
  };
}
