import { expect, test } from 'vitest';
import { audit, isClean } from '#deploy/demo/audit.ts';
import type { ShopContent } from '#deploy/demo/audit.ts';
import { Ledger } from '#deploy/demo/ledger.ts';

function shop(stock: number, orders: readonly (readonly [string, number])[] = []): ShopContent {
  const counters = new Map([['products.stock 1', stock]]);
  return { counters, orders: new Map(orders), notes: new Set(['5']) };
}

function ledger(): Ledger {
  const entered = new Ledger();
  entered.committed('eu', [
    { kind: 'added', column: 'products.stock', key: '1', delta: -3 },
    { kind: 'ordered', order: '17', lines: 2 },
  ]);
  entered.committed('us', [{ kind: 'added', column: 'products.stock', key: '1', delta: 10 }]);
  return entered;
}

test('a region that holds all that was acknowledged is clean', () => {
  const found = audit('eu', shop(100), ledger(), shop(107, [['17', 2]]));
  expect(isClean(found)).toBe(true);
  expect(ledger()).toMatchObject({ transactions: 2, increments: 2, inserts: 3 });
});

test('an increment that is missing or counted twice, a lost order and half an order are found', () => {
  expect(audit('eu', shop(100), ledger(), shop(97, [['17', 1]]))).toEqual({
    region: 'eu',
    wrongCounters: [{ counter: 'products.stock 1', expected: 107, found: 97 }],
    lostOrders: [],
    tornOrders: ['17'],
    lostNotes: [],
  });
  expect(audit('eu', shop(100), ledger(), shop(107)).lostOrders).toEqual(['17']);
});

test('a note that nobody deleted must be there; one that somebody deleted may be either', () => {
  const entered = new Ledger();
  entered.committed('eu', [{ kind: 'noted', note: '6' }]);
  expect(audit('eu', shop(1), entered, shop(1)).lostNotes).toEqual(['6']);
  entered.committed('us', [{ kind: 'deleted', note: '6' }]);
  expect(audit('eu', shop(1), entered, shop(1)).lostNotes).toEqual([]);
});
