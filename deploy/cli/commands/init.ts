import type { Command } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { parseFlags, required } from '#deploy/cli/flags.ts';
import { loadConfig, regionConfig } from '#replicator/config.ts';
import { serverOf } from '#replicator/config/secrets.ts';
import { counted } from '#replicator/pg/counted.ts';
import { prepareRegion } from '#replicator/pg/prepare.ts';
import type { PrepareReport } from '#replicator/pg/prepare-report.ts';

const MARKS = { done: '+', unchanged: '=', refused: '!' } as const;

export const init: Command = {
  name: 'init',
  summary: "prepare one region's database for replication",
  help: `everywrite init: prepare one region's database for replication

Usage: everywrite init --config FILE --region NAME [--json]

Checks the server, then, in one transaction, creates the schema "everywrite", sets REPLICA IDENTITY
FULL, writes the column types, makes the publication, and stripes sequences so that regions never
hand out the same key; last it creates the replication slot. Run it again after changing tables or
configuration: what is right already is left alone. It needs a role with REPLICATION that owns the
tables and may create a schema; "everywrite doctor" says what is missing.

Tables without a primary key, and others that cannot be replicated, are left out by name, each with
the statement that would change that. Rows that are in a table already are not sent to the other
regions: start from the same rows in every region.

Options:
  --config FILE   the configuration, YAML or JSON
  --region NAME   which of its regions this is
  --json          print one JSON object: {cluster, region, epoch, slot, publication, settings,
                  tables, leftOut: [{table, reason, fix}], actions: [{step, target, outcome, detail}]}

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values } = parseFlags('init', args, {
      config: { type: 'string' },
      region: { type: 'string' },
      json: { type: 'boolean' },
    });
    const config = await loadConfig(required('init', 'config', values.config), io.env);
    const region = regionConfig(config, required('init', 'region', values.region));
    const report = await prepareRegion(config, region, io.signal);
    if (values.json === true) io.out(`${JSON.stringify(report)}\n`);
    else io.out(describe(report, serverOf(region.database)));
    return EXIT_OK;
  },
};

function describe(report: PrepareReport, server: string): string {
  const { region, cluster, actions, leftOut, tables } = report;
  const lines = actions.map(
    ({ step, target, outcome, detail }) =>
      `  ${MARKS[outcome]} ${step.padEnd(16)} ${target}${detail === '' ? '' : `  (${detail})`}`,
  );
  const out = leftOut.flatMap(({ table, reason, fix }) => [
    `  ! ${table} ${reason}`,
    `    fix: ${fix}`,
  ]);
  const changed = actions.filter((action) => action.outcome === 'done').length;
  const refused = actions.filter((action) => action.outcome === 'refused').length;
  return [
    `Region ${region} of cluster ${cluster}, ${server}`,
    ...lines,
    ...(out.length > 0 ? ['Left out:', ...out] : []),
    `${counted(tables.length, 'table')} replicated, ${leftOut.length} left out; ${counted(changed, 'change')} made` +
      (refused > 0 ? `, ${refused} refused (marked !)` : ''),
    '',
  ].join('\n');
}
