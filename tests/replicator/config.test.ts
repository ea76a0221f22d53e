import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EverywriteError } from '#core/errors.ts';
import { parseRegionId } from '#core/region.ts';
import { loadConfig, parseConfig, peerNatsUrl, regionConfig } from '#replicator/config.ts';
import type { Environment } from '#replicator/config/environment.ts';

const GOOD = `
cluster: shop
regions:
  eu:
    database: postgres://app:secret@127.0.0.1:5432/shop
    nats: nats://127.0.0.1:4222
    admin: 127.0.0.1:7001
    peers: { us: 'nats://127.0.0.1:9001' }
  us: { database: postgres://127.0.0.1:5433/shop, nats: 'nats://127.0.0.1:4223' }
columns:
  public.account.balance: counter
`;

function problemsOf(text: string, environment: Environment = {}): string {
  try {
    parseConfig(text, environment, 'everywrite.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(EverywriteError);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', recovery: 'operator' });
    return error instanceof Error ? error.message : '';
  }
  throw new Error('the configuration was accepted');
}

test('a complete file becomes plain values with every default filled in', () => {
  const config = parseConfig(GOOD, {});
  const eu = regionConfig(config, 'eu');
  const us = regionConfig(config, 'us');
  expect(eu.admin).toEqual({ host: '127.0.0.1', port: 7001 });
  expect(us.admin).toEqual({ host: '127.0.0.1', port: 7102 });
  expect([eu.sequenceOffset, us.sequenceOffset]).toEqual([0, 1]);
  expect(config.columns).toEqual([
    { schema: 'public', table: 'account', column: 'balance', type: 'counter' },
  ]);
  expect(config.tables).toEqual({ include: ['*.*'], exclude: [] });
  expect(config.replication).toMatchObject({
    lockTimeoutMs: 40,
    origin: 'auto',
    sequenceStride: 16,
  });
  expect(config.log).toMatchObject({ replicas: 1, syncAlways: false, syncIntervalMs: 120_000 });
});

test('a peer is reached at its own NATS url unless the region overrides it', () => {
  const config = parseConfig(GOOD, {});
  const [eu, us] = [regionConfig(config, 'eu'), regionConfig(config, 'us')];
  expect(peerNatsUrl(config, eu, us.region)).toBe('nats://127.0.0.1:9001');
  expect(peerNatsUrl(config, us, parseRegionId('eu'))).toBe('nats://127.0.0.1:4222');
});

test('JSON is accepted like YAML', () => {
  const json = JSON.stringify({
    cluster: 'shop',
    regions: { eu: { database: 'postgres://h/d', nats: 'nats://h:4222' } },
  });
  expect(parseConfig(json, {}).cluster).toBe('shop');
});

test('every problem is told at once, with its path, what is allowed and the nearest name', () => {
  const message = problemsOf(`
cluster: Shop!
regions:
  eu: { databse: postgres://h/d, nats: 'http://h:4222', admin: nowhere }
  US: { database: postgres://h/d, nats: 'nats://h:4222', peers: { ue: 'nats://h:1' } }
columns: { public.account.balance: conter, balance: counter }
replication: { lockTimeoutMs: 5000, origins: auto, origin: mark }
log: { replicas: two }
tabels: {}
tables: { include: [public] }
`);
  expect(message).toContain('cluster is "Shop!"; expected 1 to 40 of a-z, 0-9 and "-"');
  expect(message).toContain('regions.eu.databse is not a known key');
  expect(message).toContain('Did you mean "database"?');
  expect(message).toContain('regions.eu.database is missing');
  expect(message).toContain('regions.eu.nats is a string; expected a url such as nats://');
  expect(message).toContain('regions.eu.admin is a string; expected host:port');
  expect(message).toContain('regions.US is not a region name');
  expect(message).toContain('regions.US.peers.ue is no other region; allowed are eu.');
  expect(message).toContain(
    'columns.public.account.balance is "conter"; allowed are lww, counter, max, min, flag, rank(a<b<c), set, map, text, list, json. Did you mean "counter"?',
  );
  expect(message).toContain('columns.balance is not a column; write schema.table.column');
  expect(message).toContain('replication.lockTimeoutMs is 5000; expected 1 to 900');
  expect(message).toContain('replication.origins is not a known key');
  expect(message).toContain('replication.origin is "mark"; allowed are auto, marker.\n');
  expect(message).toContain('log.replicas is "two"; expected a number');
  expect(message).toContain('tabels is not a known key');
  expect(message).toContain('Did you mean "tables"?');
  expect(message).toContain('tables.include.0 is "public"; expected a pattern such as public.*');
});

test('two regions cannot share a residue of the sequences', () => {
  const file = `
cluster: shop
regions:
  eu: { database: postgres://h/d, nats: 'nats://h:4222', sequenceOffset: 1 }
  us: { database: postgres://h/d, nats: 'nats://h:4222' }
`;
  expect(problemsOf(file)).toContain('regions.us.sequenceOffset is 1, which region eu has too');
  expect(problemsOf(`${file}replication: { sequenceStride: 1 }`)).toContain('expected 0 to 0');
});

test('urls take environment variables, and a missing one is named', () => {
  const file = `
cluster: shop
regions:
  eu: { database: 'postgres://app:\${DB_PASSWORD}@h/d', nats: 'nats://h:4222' }
`;
  const config = parseConfig(file, { DB_PASSWORD: 'hunter2' });
  expect(regionConfig(config, 'eu').database).toBe('postgres://app:hunter2@h/d');
  const message = problemsOf(file);
  expect(message).toContain(
    'regions.eu.database the environment variable DB_PASSWORD is not set; export it',
  );
  expect(message).toContain('one problem');
});

test('no message repeats a password', () => {
  const secret = 'hunter2';
  const files = [
    `cluster: [\nregions: { eu: { database: "postgres://u:${secret}@h/d" } }`,
    `cluster: c\nregions: { eu: { database: "mysql://u:${secret}@h/d", nats: "x:${secret}" } }`,
    `cluster: c\nregions: { eu: { databas: "postgres://u:${secret}@h/d", nats: 7 } }`,
    `cluster: "postgres://u:${secret}@h/d"\nregions: {}`,
    `cluster: c\nregions: { eu: "postgres://u:${secret}@h/d" }\n"unclosed: ${secret}`,
    `cluster: c\nregions: { eu: { database: "\${PW}", nats: "nats://h:4222" } }`,
  ];
  for (const file of files) expect(problemsOf(file, { PW: secret })).not.toContain(secret);
});

test('a file that is no mapping, or not YAML, is refused with the place', () => {
  expect(problemsOf('just words')).toContain('the file is "just words"; expected a group of keys');
  expect(problemsOf('')).toContain('the file is empty; expected a group of keys');
  expect(problemsOf('cluster: c\ncluster: d')).toContain('line 2, column 1 is not YAML');
  expect(problemsOf('cluster: c\nregions: {}')).toContain('regions is empty');
});

test('an unknown region is answered with the nearest one', () => {
  const config = parseConfig(GOOD, {});
  expect(() => regionConfig(config, 'ue')).toThrow('it has eu, us. Did you mean "eu"?');
});

test('a file is read from disk, and a missing one is said', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'everywrite-config-'));
  try {
    const path = join(directory, 'everywrite.yaml');
    await writeFile(path, GOOD);
    expect((await loadConfig(path, {})).cluster).toBe('shop');
    await expect(loadConfig(join(directory, 'other.yaml'), {})).rejects.toThrow('ENOENT');
  } finally {
    await rm(directory, { recursive: true });
  }
});
