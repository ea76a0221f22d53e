import { expect, test } from 'vitest';
import { EverywriteError } from '#core/errors.ts';
import { parseScenario } from '#sim/scenario/read-scenario.ts';
import type { Scenario } from '#sim/scenario/scenario.ts';
import { withOverrides } from '#sim/scenario/overrides.ts';

const GOOD = `
name: region-loss
topology: { regions: [eu, us, ap], latency: { default: 40ms, eu>us: 45ms, us|ap: 90ms }, jitter: 1ms }
workload:
  - { use: shop, rate: 60/s, clients: 14 }
  - { use: probe, hz: 10 }
faults:
  - { at: 60s, do: kill, target: us.pg, restart: 3s }
  - { at: 1m, do: partition, links: [eu>us], mode: jammed, for: 90s }
  - { after: { event: us.logged, count: 881 }, do: log.lose-tail, target: us, window: 1.3s }
  - { at: 90s, do: clock.jump, target: ap, by: +288s, for: 10s }
heal: { at: 240s }
expect:
  properties: [A1, A3]
  rpo: { lost: 0, stranded_max_age: 5s }
  rto: { write: { p95: 5s } }
  converge: { within: 30s }
`;

function read(text: string, files: Readonly<Record<string, string>> = {}): Scenario {
  return parseScenario(text, 'test.yaml', (path) => {
    const file = files[path];
    if (file === undefined) throw Object.assign(new Error('no file'), { code: 'ENOENT' });
    return file;
  });
}

function complaint(text: string, files: Readonly<Record<string, string>> = {}): string {
  try {
    read(text, files);
  } catch (error) {
    if (error instanceof EverywriteError) return error.message;
    throw error;
  }
  return 'no complaint';
}

test('a scenario is read with its units, links and triggers', () => {
  const scenario = read(GOOD);
  const ms = (from: string, to: string): number | undefined =>
    scenario.latency.find((link) => link.from === from && link.to === to)?.ms;
  expect([ms('eu', 'us'), ms('us', 'eu'), ms('us', 'ap'), ms('ap', 'us')]).toEqual([
    45, 40, 90, 90,
  ]);
  expect(scenario.faults.map((fault) => [fault.do, fault.trigger, fault.forMs])).toEqual([
    ['kill', { kind: 'at', ms: 60_000 }, null],
    ['partition', { kind: 'at', ms: 60_000 }, 90_000],
    ['log.lose-tail', { kind: 'after', event: 'us.logged', count: 881 }, null],
    ['clock.jump', { kind: 'at', ms: 90_000 }, 10_000],
  ]);
  expect(scenario.faults[3]?.fields).toEqual({ target: 'ap', by: 288_000 });
  expect(scenario.workload[0]).toMatchObject({ use: 'shop', ratePerSecond: 60, clients: 14 });
  expect(scenario.expect).toMatchObject({
    properties: ['A1', 'A3'],
    rto: { writeP95Ms: 5_000, readP95Ms: null },
    convergeWithinMs: 30_000,
  });
  expect(scenario.tables.map(({ name }) => name)).toEqual([
    'public.products',
    'public.orders',
    'public.probes',
  ]);
});

test.each([
  [
    'workload:',
    'worklaod:',
    /worklaod is not a known key; allowed are .*Did you mean "workload"\?/,
  ],
  ['do: kill', 'do: kil', /faults\[0\]\.do is "kil"; allowed are .*Did you mean "kill"\?/],
  ['target: us.pg', 'target: us.pq', /faults\[0\]\.target is "us\.pq".*Did you mean "us\.pg"\?/],
  [
    'restart: 3s',
    'restrat: 3s',
    /faults\[0\]\.restrat .*allowed are at, after, do, for, target, restart\. Did you mean "restart"\?/,
  ],
  ['restart: 3s', 'restart: 3', /faults\[0\]\.restart is 3; expected a duration with its unit/],
  [
    'mode: jammed',
    'mode: jamed',
    /faults\[1\]\.mode is "jamed"; allowed are stopped, jammed\. Did you mean "jammed"\?/,
  ],
  [
    'links: [eu>us]',
    'links: [eu>uk]',
    /faults\[1\]\.links\[0\] is "eu>uk"; expected .*regions eu, us, ap/,
  ],
  [
    'us.logged',
    'us.loged',
    /faults\[2\]\.after\.event is "us\.loged".*Did you mean "us\.logged"\?/,
  ],
  ['use: shop', 'use: shopp', /workload\[0\]\.use is "shopp".*Did you mean "shop"\?/],
  ['rate: 60/s', 'rate: 60', /workload\[0\]\.rate is 60; expected a rate such as 60\/s/],
  ['[A1, A3]', '[A1, A99]', /expect\.properties\[1\] is "A99"; allowed are A1, A2/],
  ['[eu, us, ap]', '[eu]', /topology\.regions has 1 regions; expected 2 to 9/],
  ['us|ap: 90ms', 'us|au: 90ms', /topology\.latency\.us\|au is no link/],
  ['at: 60s, do: kill', 'do: kill', /faults\[0\] needs either at \(a time\) or after/],
  [
    'window: 1.3s',
    'window: 1.3s, for: 3s',
    /faults\[2\]\.for has no place here: log\.lose-tail happens at once/,
  ],
])('%s written as %s is answered with the path and what is allowed', (right, wrong, answer) => {
  expect(GOOD).toContain(right);
  expect(complaint(GOOD.replace(right, wrong))).toMatch(answer);
});

test('every problem is told at once', () => {
  const text = GOOD.replace('do: kill', 'do: kil').replace('rate: 60/s', 'rate: fast');
  expect(complaint(text)).toMatch(/has 2 problems/);
});

test("a user's own tables and column types are taken from their files", () => {
  const sql = `
    -- the shop's stock
    CREATE TABLE IF NOT EXISTS stock (
      sku varchar(20) PRIMARY KEY, amount bigint NOT NULL DEFAULT 0, price numeric(10,2), CHECK (amount > 0)
    );
    CREATE TABLE sale (id uuid, "When" timestamptz, sku text REFERENCES stock (sku) ON DELETE CASCADE,
      PRIMARY KEY (id), UNIQUE (sku, "When"));`;
  const config = `
cluster: shop
regions: { eu: { database: "postgres://\${PASSWORD}@db/shop", nats: "nats://n:4222" } }
columns: { public.stock.amount: counter }
`;
  const text = GOOD.replace('name: region-loss', 'name: own\nschema: my.sql\nconfig: my.yaml');
  const { tables } = read(text, { 'my.sql': sql, 'my.yaml': config });
  expect(tables[0]).toEqual({
    name: 'public.stock',
    columns: [
      { name: 'sku', type: 'text', notNull: true, merge: 'lww' },
      { name: 'amount', type: 'int8', notNull: true, merge: 'counter' },
      { name: 'price', type: 'numeric', notNull: false, merge: 'lww' },
    ],
    key: ['sku'],
    unique: [],
    foreignKeys: [],
  });
  expect(tables[1]).toMatchObject({
    name: 'public.sale',
    key: ['id'],
    unique: [['sku', 'When']],
    foreignKeys: [{ columns: ['sku'], references: 'public.stock', onDelete: 'cascade' }],
  });
  expect(complaint(text, { 'my.sql': 'SELECT 1', 'my.yaml': config })).toMatch(
    /schema my\.sql has no CREATE TABLE/,
  );
  expect(complaint(text)).toMatch(/schema is "my\.sql", which cannot be read \(ENOENT\)/);
});

test('--set changes one value of the document', () => {
  const document = { heal: { at: '10s' }, faults: [{ do: 'kill' }, { do: 'pause' }] };
  const settings = ['heal.at=20s', 'faults[1].for=3s', 'expect.rpo.lost=0'];
  expect(withOverrides(document, settings)).toEqual({
    heal: { at: '20s' },
    faults: [{ do: 'kill' }, { do: 'pause', for: '3s' }],
    expect: { rpo: { lost: 0 } },
  });
  expect(() => withOverrides(document, ['heal'])).toThrow(/--set is path=value/);
  expect(() => withOverrides(document, ['faults[7].for=1s'])).toThrow(/entries 0 to 1/);
});
