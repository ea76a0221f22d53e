import type { Command } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_FAILED, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { parseFlags, required } from '#deploy/cli/flags.ts';
import { loadConfig, regionConfig } from '#replicator/config.ts';
import { serverOf } from '#replicator/config/secrets.ts';
import { examineRegion } from '#replicator/doctor.ts';
import { counted } from '#replicator/pg/counted.ts';
import type { Check } from '#replicator/pg/doctor/check.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'check a region and say how to mend what is wrong',
  help: `everywrite doctor: check a region and say how to mend what is wrong

Usage: everywrite doctor --config FILE --region NAME [--json]

Looks at the region's PostgreSQL (version, settings, rights of our role, publication, tables,
sequences, slot, old transactions), at its nats-server, at the way to every peer and at the clocks.
Changes nothing. Works before "everywrite init" too, and when a server does not answer.

  ok    as it should be
  warn  replication works, but read this
  fail  replication would not start, would lose something, or would break the application

Options:
  --config FILE   the configuration, YAML or JSON
  --region NAME   which of its regions to check
  --json          print one JSON object: {region, checks: [{id, status, found, fix}]}

Exits with 1 when a check fails.

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values } = parseFlags('doctor', args, {
      config: { type: 'string' },
      region: { type: 'string' },
      json: { type: 'boolean' },
    });
    const config = await loadConfig(required('doctor', 'config', values.config), io.env);
    const region = regionConfig(config, required('doctor', 'region', values.region));
    const checks = await examineRegion(config, region, io.signal);
    io.signal.throwIfAborted();
    if (values.json === true) io.out(`${JSON.stringify({ region: region.region, checks })}\n`);
    else io.out(describe(checks, `Region ${region.region}, ${serverOf(region.database)}`));
    return checks.some((check) => check.status === 'fail') ? EXIT_FAILED : EXIT_OK;
  },
};

function describe(checks: readonly Check[], title: string): string {
  const width = Math.max(...checks.map((check) => check.id.length));
  const lines = checks.flatMap(({ id, status, found, fix }) => [
    `  ${status.padEnd(4)}  ${id.padEnd(width)}  ${found}`,
    ...(fix === null ? [] : [`        ${''.padEnd(width)}  fix: ${fix}`]),
  ]);
  const count = (status: Check['status']): number =>
    checks.filter((check) => check.status === status).length;
  const sum = `${count('ok')} ok, ${counted(count('warn'), 'warning')}, ${counted(count('fail'), 'failure')}`;
  return [title, ...lines, sum, ''].join('\n');
}
