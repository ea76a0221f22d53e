import { counted } from '#replicator/pg/counted.ts';
import { DATABASE } from './cluster.ts';
import type { Up } from './up.ts';

/** What `everywrite up --json` prints once the cluster is ready. */
export interface UpReport {
  readonly cluster: string;
  /** The process that everything else ends with. */
  readonly pid: number;
  readonly dataDir: string;
  readonly config: string;
  /** The address that `everywrite link` talks to; its token is in control.json in `dataDir`. */
  readonly control: string;
  /** The page of `--page`; null without it. */
  readonly page: string | null;
  readonly resumed: boolean;
  readonly regions: Readonly<Record<string, RegionReport>>;
  /** Tables that are replicated, and those that are not, each with the reason. */
  readonly tables: readonly string[];
  readonly leftOut: readonly { readonly table: string; readonly reason: string }[];
  /** Tables that the schema filled differently in each region; the first region's rows count. */
  readonly copied: readonly string[];
  readonly notes: readonly string[];
}

export interface RegionReport {
  readonly database: string;
  readonly nats: string;
  readonly admin: string;
  /** The gateway's GraphQL endpoint. */
  readonly gateway: string;
  readonly log: string;
  readonly pids: {
    readonly postgres: number;
    readonly nats: number;
    readonly replicator: number;
    readonly gateway: number;
  };
}

export function reportOf(up: Up, dataDir: string): UpReport {
  const { cluster, control, prepared, replicators, gateways } = up;
  const regions = replicators.flatMap((replicator) => {
    const region = cluster.regions.get(replicator.region);
    const gateway = gateways.find((one) => one.region === replicator.region);
    if (region === undefined || gateway === undefined) return [];
    const report: RegionReport = {
      database: region.postgres.url(DATABASE),
      nats: region.nats.url,
      admin: replicator.adminUrl,
      gateway: gateway.url,
      log: replicator.logPath,
      pids: {
        postgres: region.postgres.pid,
        nats: region.nats.pid,
        replicator: replicator.pid,
        gateway: gateway.pid,
      },
    };
    return [[replicator.region, report] as const];
  });
  const [first] = prepared.reports;
  return {
    cluster: cluster.config.cluster,
    pid: process.pid,
    dataDir,
    config: cluster.configPath,
    control: control.url,
    page: up.page,
    resumed: prepared.kind === 'resumed',
    regions: Object.fromEntries(regions),
    tables: first?.tables ?? [],
    leftOut: (first?.leftOut ?? []).map(({ table, reason }) => ({ table, reason })),
    copied: prepared.copied,
    notes: prepared.notes,
  };
}

/** The same for a person, with what to do next. */
export function describeUp(report: UpReport): string {
  const names = Object.keys(report.regions);
  const [one = 'eu', other = 'us'] = names;
  const urls = Object.entries(report.regions).flatMap(([name, { database, admin, gateway }]) => [
    `  ${name.padEnd(8)} ${database}`,
    `  ${''.padEnd(8)} ${admin}/status`,
    `  ${''.padEnd(8)} ${gateway}`,
  ]);
  const rows = report.copied.map(
    (table) =>
      `  ${table}: the file gave every region other rows, so those of ${one} were copied to the others`,
  );
  const out = report.leftOut.map(({ table, reason }) => `  not replicated: ${table} ${reason}`);
  const count = counted(names.length, 'region');
  return [
    `${count} up${report.resumed ? ' again' : ''}, ${counted(report.tables.length, 'table')} replicated: what is written in one region appears in all.`,
    ...urls,
    ...report.notes.map((note) => `  ${note}`),
    ...rows,
    ...out,
    ...(report.page === null ? [] : [`Page           ${report.page}`]),
    `Configuration  ${report.config}`,
    `Logs           ${report.dataDir}/<region>/replicator.log, gateway.log`,
    `Look           everywrite status --config ${report.config}`,
    ...(names.length > 1
      ? [`Try            everywrite link cut ${one} ${other}   (also: heal, delay, show)`]
      : []),
    'New tables take part after "everywrite init" in every region. Ctrl-C stops everything.',
    '',
  ].join('\n');
}
