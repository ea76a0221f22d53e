import { expect, test } from 'vitest';
import { formatBytes, formatCount, formatMs } from '#deploy/cli/quantities.ts';
import { textTable } from '#deploy/cli/text-table.ts';

test('quantities are short, and exact where that is short too', () => {
  expect([0, 999, 1_000, 1_536, 20_480, 5 * 1024 ** 3].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1 kB',
    '1.5 kB',
    '20 kB',
    '5 GB',
  ]);
  expect([0, 3.14, 42.4, 1_400, 61_000, 300_000, 9_000_000].map(formatMs)).toEqual([
    '0 ms',
    '3.1 ms',
    '42 ms',
    '1.4 s',
    '61 s',
    '5 min',
    '2.5 h',
  ]);
  expect([0, 999, 1_000, 1_234_567].map(formatCount)).toEqual(['0', '999', '1,000', '1,234,567']);
});

test('names are aligned to the left, quantities to the right, nothing trails', () => {
  const columns = [
    { title: 'name', align: 'left' },
    { title: 'n', align: 'right' },
    { title: 'state', align: 'left' },
  ] as const;
  const rows = [
    ['a', '1', 'ok'],
    ['longer', '1000', ''],
  ];
  expect(textTable(columns, rows)).toEqual([
    '  name       n  state',
    '  a          1  ok',
    '  longer  1000',
  ]);
});
