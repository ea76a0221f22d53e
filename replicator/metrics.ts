import type { RegionStatus } from '#replicator/engine/region/status.ts';

type Labels = Readonly<Record<string, string>>;

/** The status as Prometheus text. Names end in their unit; counters in `_total`. */
export function metricsText(status: RegionStatus): string {
  const lines: string[] = [];
  const { region, counters } = status;
  const emit = (
    name: string,
    type: 'gauge' | 'counter',
    help: string,
    samples: readonly (readonly [Labels, number])[],
  ): void => {
    lines.push(`# HELP everywrite_${name} ${help}`, `# TYPE everywrite_${name} ${type}`);
    for (const [labels, value] of samples) {
      lines.push(`everywrite_${name}${labelText({ region, ...labels })} ${value}`);
    }
  };
  const one = (value: number): readonly (readonly [Labels, number])[] => [[{}, value]];
  emit('running', 'gauge', '1 while the pipeline runs.', one(status.phase === 'running' ? 1 : 0));
  emit('captured_sequence', 'gauge', 'Last own transaction.', one(status.captured));
  emit('unpublished_bytes', 'gauge', 'Captured, not yet in the log.', one(status.unpublishedBytes));
  emit('index_keys', 'gauge', 'Rows with unstable state.', one(status.indexKeys));
  emit('dirty_keys', 'gauge', 'Rows to be projected again.', one(status.dirtyKeys));
  emit('quarantined_rows', 'gauge', 'Rows that the table refuses.', one(status.quarantined));
  emit(
    'applied_transactions_total',
    'counter',
    'Remote transactions applied.',
    one(counters.transactions),
  );
  emit('applied_rows_total', 'counter', 'Rows written by apply.', one(counters.rows));
  emit('slow_rows_total', 'counter', 'Rows that took the fenced path.', one(counters.slowRows));
  emit('conflicts_total', 'counter', 'Conflict records written.', one(counters.conflicts));
  emit(
    'lock_timeouts_total',
    'counter',
    'Times apply gave way to the application.',
    one(counters.lockTimeouts),
  );
  const origins = Object.entries(status.origins);
  const per = (value: (origin: (typeof origins)[number][1]) => number) =>
    origins.map(([origin, of]): readonly [Labels, number] => [{ origin }, value(of)]);
  emit(
    'lag_milliseconds',
    'gauge',
    'Age of what waits to be applied.',
    per((o) => o.lagMs),
  );
  emit(
    'lag_transactions',
    'gauge',
    'Copied, not yet applied.',
    per((o) => o.lagTransactions),
  );
  emit(
    'inbox_bytes',
    'gauge',
    'Decoded and waiting for apply.',
    per((o) => o.inboxBytes),
  );
  emit(
    'connected',
    'gauge',
    '1 while frames come from somewhere.',
    per((o) => (o.source === null ? 0 : 1)),
  );
  return `${lines.join('\n')}\n`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${pairs.join(',')}}`;
}
