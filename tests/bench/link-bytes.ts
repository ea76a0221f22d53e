import { alternate, each } from './bench.ts';
import type { Bench, Part } from './bench.ts';
import { figure } from './figure.ts';
import { requireEqualRows } from './pair.ts';
import type { Pair } from './pair.ts';
import { measureLag, nextMark, untilVisible, writeProbe } from './probe.ts';
import { insertBulk, updateAccounts } from './workload.ts';

const SLOW_PER_SECOND = 200;
const SLOW_SECONDS = 3;
const BULK_ROWS_PER_TRANSACTION = 1_000;

interface Bytes {
  readonly slow: number;
  readonly updates: number;
  readonly inserts: number;
}

/** What crosses the link for one row while replication keeps up, both directions together. */
export const LINK_BYTES: Part = {
  name: 'link',
  run: async (bench) => {
    const results = await alternate(bench, async (pair) => {
      await pair.countLink('on');
      const counted = await measure(bench, pair);
      await pair.countLink('off');
      await requireEqualRows(pair);
      const { slow, updates, inserts } = counted;
      const bytes = [slow, updates, inserts].map((of) => of.toFixed(1)).join(', ');
      bench.progress(`link, ${pair.name}: ${bytes} bytes per row`);
      return counted;
    });
    const part = 'link';
    return [
      figure({
        part,
        name: 'update at 200 tx/s',
        unit: 'B/row',
        ...each(results, (of) => of.slow),
      }),
      figure({
        part,
        name: 'update in a burst',
        unit: 'B/row',
        ...each(results, (of) => of.updates),
      }),
      figure({ part, name: 'bulk insert', unit: 'B/row', ...each(results, (of) => of.inserts) }),
    ];
  },
};

async function measure(bench: Bench, pair: Pair): Promise<Bytes> {
  const { linkRows } = bench.options.sizes;
  await settle(pair);
  const start = pair.linkBytes();
  await measureLag(pair.origin.control, pair.target.control, SLOW_PER_SECOND, SLOW_SECONDS);
  const slow = (pair.linkBytes() - start) / (SLOW_PER_SECOND * SLOW_SECONDS);
  const transactions = linkRows / BULK_ROWS_PER_TRANSACTION;
  return {
    slow,
    updates: await perRow(pair, updateAccounts('uniform', linkRows), linkRows),
    inserts: await perRow(pair, insertBulk(transactions, BULK_ROWS_PER_TRANSACTION), linkRows),
  };
}

async function perRow(pair: Pair, statement: string, rows: number): Promise<number> {
  const before = pair.linkBytes();
  const { control } = pair.origin;
  await control.query('SET synchronous_commit = off');
  await control.query(statement);
  await control.query('RESET synchronous_commit');
  await settle(pair);
  return (pair.linkBytes() - before) / rows;
}

async function settle(pair: Pair): Promise<void> {
  const mark = nextMark();
  await writeProbe(pair.origin.control, 0, mark);
  await untilVisible(pair.target.control, 0, mark);
}
