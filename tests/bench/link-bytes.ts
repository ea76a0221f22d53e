import { alternate, each } from './bench.ts';
import type { Bench, Part } from './bench.ts';
import { figure } from './figure.ts';
import { requireEqualRows } from './pair.ts';
import type { Pair } from './pair.ts';
import { measureLag, nextMark, untilVisible, writeProbe } from './probe.ts';
import { insertBulk, updateAccounts } from './workload.ts';

const SLOW_PER_SECOND = 200;
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
    const bytes = await alternate(bench, async (pair) => {
      await pair.countLink('on');
      const counted = await measure(bench, pair);
      await pair.countLink('off');
      await requireEqualRows(pair);
      return counted;
    });
    const part = 'link';
    return [
      figure({ part, name: 'update at 200 tx/s', unit: 'B/row', ...each(bytes, (of) => of.slow) }),
      figure({
        part,
        name: 'update in a burst',
        unit: 'B/row',
        ...each(bytes, (of) => of.updates),
      }),
      figure({ part, name: 'bulk insert', unit: 'B/row', ...each(bytes, (of) => of.inserts) }),
    ];
  },
};

async function measure(bench: Bench, pair: Pair): Promise<Bytes> {
  const { linkRows, lagSeconds } = bench.options.sizes;
  await settle(pair);
  const start = pair.linkBytes();
  await measureLag(pair.origin.control, pair.target.control, SLOW_PER_SECOND, lagSeconds);
  const slow = (pair.linkBytes() - start) / (SLOW_PER_SECOND * lagSeconds);
  const transactions = linkRows / BULK_ROWS_PER_TRANSACTION;
  return {
    slow,
    updates: await perRow(pair, updateAccounts('uniform', linkRows), linkRows),
    inserts: await perRow(pair, insertBulk(transactions, BULK_ROWS_PER_TRANSACTION), linkRows),
  };
}

async function perRow(pair: Pair, statement: string, rows: number): Promise<number> {
  const before = pair.linkBytes();
  await pair.origin.control.query(statement);
  await settle(pair);
  return (pair.linkBytes() - before) / rows;
}

async function settle(pair: Pair): Promise<void> {
  const mark = nextMark();
  await writeProbe(pair.origin.control, 0, mark);
  await untilVisible(pair.target.control, 0, mark);
}
