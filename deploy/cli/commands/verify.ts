import type { Command } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_FAILED, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { parseFlags, required, usageError } from '#deploy/cli/flags.ts';
import { verifyPage } from '#deploy/cli/verify-page.ts';
import { verifyRegions } from '#deploy/verify/verify-regions.ts';
import { loadConfig, regionConfig } from '#replicator/config.ts';
import { nameParts } from '#replicator/config/object-name.ts';

const EXAMPLES_MAX = 1_000;

export const verify: Command = {
  name: 'verify',
  summary: 'compare all regions row by row',
  help: `everywrite verify: compare all regions row by row

Usage: everywrite verify --config FILE [--regions A,B] [--tables PATTERN] [--timeout SECONDS]
                         [--rows N] [--json]

Waits until every region has applied everything, then has each PostgreSQL compute a digest of every
replicated table in one snapshot. Where digests differ, it narrows down to the rows and shows them
with each region's values. A difference is looked at twice, a moment apart, because changes on their
way differ rightly; if regions are written to all the time, it says so. Reads only, but reads the
tables whole. Needs a role that may read all of their rows.

Options:
  --config FILE      the configuration, YAML or JSON
  --regions A,B      only these regions; all when left out
  --tables PATTERN   only these tables, for example 'public.order*'
  --timeout SECONDS  how long to wait for the regions to come to rest; 60 when left out
  --rows N           how many differing rows to show per table; 10 when left out
  --json             print one JSON object:
                     {cluster, regions, verdict: equal|different, stillWritten, attempts, elapsedMs,
                      settled: {kind: settled|timeout|unprepared, ...},
                      tables: [{table, verdict, rows, digests, absent, columns,
                        differing: {count, complete, examples: [{key, missingIn, columns}]}}],
                      conflicts: {same, counts}, quarantined}

Exits with 0 when all regions are equal, with 1 on any difference, with 3 when a database cannot be
reached.

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values } = parseFlags('verify', args, {
      config: { type: 'string' },
      regions: { type: 'string' },
      tables: { type: 'string', default: '*.*' },
      timeout: { type: 'string', default: '60' },
      rows: { type: 'string', default: '10' },
      json: { type: 'boolean' },
    });
    const config = await loadConfig(required('verify', 'config', values.config), io.env);
    const names = values.regions?.split(',').map((name) => name.trim()) ?? [
      ...config.regions.keys(),
    ];
    if (nameParts(values.tables)?.length !== 2) {
      throw usageError(
        `--tables is a pattern such as public.* or shop.orders, not "${values.tables}".`,
      );
    }
    const report = await verifyRegions(
      config,
      {
        regions: names.map((name) => regionConfig(config, name)),
        tables: values.tables,
        timeoutMs: number('timeout', values.timeout.replace(/s$/, ''), 86_400) * 1_000,
        examplesMax: number('rows', values.rows, EXAMPLES_MAX),
      },
      io.signal,
    );
    io.out(values.json === true ? `${JSON.stringify(report)}\n` : verifyPage(report));
    return report.verdict === 'equal' ? EXIT_OK : EXIT_FAILED;
  },
};

function number(flag: string, text: string, maximum: number): number {
  const value = Number(text);
  if (text !== '' && value >= 0 && value <= maximum) return value;
  throw usageError(`--${flag} is a number from 0 to ${maximum}, not "${text}".`);
}
