import { EverywriteError } from '#core/errors.ts';
import type { Command } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { parseFlags, usageError } from '#deploy/cli/flags.ts';
import { formatBytes, formatMs } from '#deploy/cli/quantities.ts';
import { textTable } from '#deploy/cli/text-table.ts';
import type { TableColumn } from '#deploy/cli/text-table.ts';
import { askForLinks } from '#deploy/local/control-client.ts';
import { parseDelay } from '#deploy/local/latency.ts';
import type { LinkOrder, LinkView } from '#deploy/local/link-order.ts';
import { isAlive } from '#deploy/local/process-table.ts';
import { clusterIn, runningClusters } from '#deploy/local/running-clusters.ts';
import type { RunningCluster } from '#deploy/local/running-clusters.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';

const ACTIONS = ['show', 'cut', 'heal', 'delay'] as const;

export const link: Command = {
  name: 'link',
  summary: 'cut, heal and slow down the links of a local cluster',
  help: `everywrite link: cut, heal and slow down the links of a local cluster

Usage: everywrite link show
       everywrite link cut REGION [REGION] [--reset]
       everywrite link heal [REGION [REGION]]
       everywrite link delay [REGION [REGION]] DELAY

Works on the network between the regions of a running "everywrite up". Two regions name the link
between them, one region all of its links, none all links; always in both directions.

  everywrite link cut eu us          nothing passes between eu and us
  everywrite link cut ap             ap is alone
  everywrite link heal               everything passes again
  everywrite link delay eu us 80ms   one way; a round trip takes 160 ms

A cut link swallows what is sent, as a broken network does: nobody is told.

Options:
  --reset     cut: break connections instead, and refuse new ones, as a firewall does
  --data DIR  the cluster whose data is in DIR; needed when several run
  --json      print the links afterwards as one JSON object: {links: [{from, to, state, delayMs,
              bytesForward, bytesBackward, connections}]}

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values, positionals } = parseFlags(
      'link',
      args,
      { reset: { type: 'boolean' }, data: { type: 'string' }, json: { type: 'boolean' } },
      'words',
    );
    const order = orderOf(positionals, values.reset === true ? 'reset' : 'drop');
    const cluster = await findCluster(values.data, io.env);
    const links = await askForLinks(cluster.control, order ?? undefined);
    io.out(values.json === true ? `${JSON.stringify({ links })}\n` : describe(links));
    return EXIT_OK;
  },
};

/** What the words after `link` ask for; null to look only. */
function orderOf(words: readonly string[], mode: 'drop' | 'reset'): LinkOrder | null {
  const [action = 'show', ...rest] = words;
  if (mode === 'reset' && action !== 'cut') throw usageError('--reset belongs to "link cut".');
  switch (action) {
    case 'show':
      if (rest.length > 0) throw usageError('"link show" takes no regions; it shows all links.');
      return null;
    case 'cut':
      if (rest.length > 0) return { kind: 'cut', regions: rest, mode };
      throw usageError('"link cut" needs a region, or two; see "everywrite link --help".');
    case 'heal':
      return { kind: 'heal', regions: rest };
    case 'delay': {
      const delay = rest.at(-1);
      if (delay === undefined)
        throw usageError('"link delay" needs a delay: link delay eu us 80ms.');
      return { kind: 'delay', regions: rest.slice(0, -1), delayMs: parseDelay(delay) };
    }
    default:
      throw usageError(
        `There is no "link ${action}"; there are ${ACTIONS.join(', ')}.${didYouMean(action, ACTIONS)}`,
      );
  }
}

async function findCluster(
  dataDir: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<RunningCluster> {
  if (dataDir !== undefined) {
    const cluster = await clusterIn(dataDir);
    if (cluster !== null && isAlive(cluster.pid)) return cluster;
    throw notRunning(
      `No cluster runs on ${dataDir}; start it with "everywrite up --data ${dataDir}".`,
    );
  }
  const clusters = await runningClusters(env);
  const [cluster, ...others] = clusters;
  if (cluster === undefined) {
    throw notRunning('No local cluster of yours is running; start one with "everywrite up".');
  }
  if (others.length === 0) return cluster;
  const list = clusters.map((one) => `  --data ${one.dataDir}  (${one.regions.join(', ')})`);
  throw usageError(`Several clusters run here; say which with one of:\n${list.join('\n')}`);
}

function notRunning(message: string): EverywriteError {
  return new EverywriteError({ code: 'PEER_UNREACHABLE', recovery: 'operator', message });
}

const COLUMNS: readonly TableColumn[] = [
  { title: 'who dials whom', align: 'left' },
  { title: 'state', align: 'left' },
  { title: 'delay', align: 'right' },
  { title: 'sent', align: 'right' },
  { title: 'received', align: 'right' },
];

const STATES = { open: 'open', drop: 'cut', reset: 'cut (reset)' } as const;

function describe(links: readonly LinkView[]): string {
  const rows = links.map(({ from, to, state, delayMs, bytesForward, bytesBackward }) => [
    `${from} → ${to}`,
    STATES[state],
    formatMs(delayMs),
    formatBytes(bytesForward),
    formatBytes(bytesBackward),
  ]);
  return `${textTable(COLUMNS, rows).join('\n')}\n`;
}
