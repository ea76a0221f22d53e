import type { OriginStatus, RegionStatus } from '#replicator/engine/region/status.ts';

type Labels = Readonly<Record<string, string>>;

interface Metric<Of> {
  /** Without the prefix; ends in its unit, counters in `_total`. */
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly value: (of: Of) => number | null;
}

const OF_REGION: readonly Metric<RegionStatus>[] = [
  gauge('running', '1 while the pipeline runs.', ({ phase }) => (phase === 'running' ? 1 : 0)),
  gauge('captured_sequence', 'Last own transaction.', (of) => of.captured),
  gauge('unpublished_bytes', 'Captured, not yet in the log.', (of) => of.unpublishedBytes),
  gauge('index_keys', 'Rows with unstable state in memory.', (of) => of.indexKeys),
  gauge('spilled_keys', 'Rows with unstable state in the spill.', (of) => of.spilledKeys),
  gauge('dirty_keys', 'Rows to be projected again.', (of) => of.dirtyKeys),
  gauge('quarantined_rows', 'Rows that the table refuses.', (of) => of.quarantined),
  total('applied_transactions', 'Remote transactions applied.', (of) => of.counters.transactions),
  total('applied_batches', 'Apply transactions.', (of) => of.counters.batches),
  total('applied_rows', 'Rows written by apply.', (of) => of.counters.rows),
  total('slow_rows', 'Rows that took the fenced path.', (of) => of.counters.slowRows),
  total('fences', 'Times apply waited for capture.', (of) => of.counters.fences),
  total('conflicts', 'Conflict records written.', (of) => of.counters.conflicts),
  total('lock_timeouts', 'Times apply gave way to users.', (of) => of.counters.lockTimeouts),
];

const OF_ORIGIN: readonly Metric<OriginStatus>[] = [
  gauge('lag_milliseconds', 'Age of what waits to be applied.', (of) => of.lagMs),
  gauge('lag_transactions', 'Copied, not yet applied.', (of) => of.lagTransactions),
  gauge('inbox_bytes', 'Decoded and waiting for apply.', (of) => of.inboxBytes),
  gauge('connected', '1 while frames come from somewhere.', (of) => (of.source === null ? 0 : 1)),
  gauge('silent_milliseconds', 'Since anything was heard.', (of) => of.silentMs),
];

/** The status as Prometheus text; what is not known yet has no sample. */
export function metricsText(status: RegionStatus): string {
  const region = { region: status.region };
  const lines = OF_REGION.flatMap((metric) => page(metric, [[region, status]]));
  const origins = Object.entries(status.origins).map(
    ([origin, of]): readonly [Labels, OriginStatus] => [{ ...region, origin }, of],
  );
  lines.push(...OF_ORIGIN.flatMap((metric) => page(metric, origins)));
  return `${lines.join('\n')}\n`;
}

function gauge<Of>(name: string, help: string, value: Metric<Of>['value']): Metric<Of> {
  return { name, type: 'gauge', help, value };
}

function total<Of>(name: string, help: string, value: Metric<Of>['value']): Metric<Of> {
  return { name: `${name}_total`, type: 'counter', help, value };
}

function page<Of>(
  { name, type, help, value }: Metric<Of>,
  samples: readonly (readonly [Labels, Of])[],
): readonly string[] {
  const lines = [`# HELP everywrite_${name} ${help}`, `# TYPE everywrite_${name} ${type}`];
  for (const [labels, of] of samples) {
    const known = value(of);
    if (known !== null) lines.push(`everywrite_${name}${labelText(labels)} ${known}`);
  }
  return lines;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${pairs.join(',')}}`;
}
