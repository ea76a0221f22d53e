import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Relation } from '#core/relation.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import {
  BEGIN,
  databaseContext,
  keyOf,
  relationOf,
} from '#tests/replicator/pg/database-context.ts';
import type { DatabaseContext } from '#tests/replicator/pg/database-context.ts';
import {
  POSTGRES_15,
  hasPostgres15,
  scratchServer,
} from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchServer } from '#tests/replicator/pg/scratch-database.ts';
import { TYPE_SAMPLES, TYPE_SET_UP } from '#tests/replicator/pg/type-samples.ts';

const types = Object.entries(TYPE_SAMPLES).map(([type, samples], at) => {
  return { type, samples, relation: relationOf(`type_${at}`, ['id', 'value', 'other']) };
});

describe.each([
  { version: '18', binDir: undefined, present: true },
  { version: '15', binDir: POSTGRES_15, present: hasPostgres15 },
])('PostgreSQL $version', ({ version, binDir, present }) => {
  let server: ScratchServer;
  let context: DatabaseContext;
  const left = new Set<string>();

  beforeAll(async () => {
    if (!present) return;
    server = await scratchServer(binDir === undefined ? {} : { binDir });
    context = await databaseContext(server, `types${version}`, TYPE_SET_UP);
    for (const { type, relation } of types) {
      const columns = `id int PRIMARY KEY, value ${type}, other ${type}`;
      await context.scratch.rows(`CREATE TABLE ${relation.name} (${columns})`);
    }
    // Only a server built with libxml reads xml.
    await context.value("xmlparse(content '<a/>')").catch(() => left.add('xml'));
  });
  afterAll(async () => {
    await context?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  async function read(relation: Relation): Promise<readonly (readonly (string | null)[])[]> {
    const ids = Array.from({ length: 20 }, (_, at) => keyOf(`${at}`));
    const [locked] = await context.transact({ kind: 'lockRows', relation, keys: ids });
    return locked?.kind === 'locked' ? locked.rows.map(({ values }) => values) : [];
  }

  test.runIf(present).each(types)('$type comes back as it went in', async (sample) => {
    const { type, relation } = sample;
    if (left.has(type)) return;
    // Whatever the server prints for a sample is what a replication stream would carry.
    const samples = await printed(type, sample.samples);
    const rows = [...samples, null].map((value, id) => [`${id}`, value, null]);
    await context.transact({ kind: 'insertRows', relation, rows });
    expect(await read(relation)).toEqual(rows);
    const turned = rows.map(([id = null, value = null]) => [id, null, value]);
    const updates = turned.map(([id, ...values]) => ({
      key: keyOf(id ?? ''),
      knownXid: null,
      writes: values.map((value) => ({ kind: 'set' as const, value })),
    }));
    await context.transact({
      kind: 'updateRows',
      relation,
      columns: [1, 2],
      rows: updates,
      guard: null,
    });
    expect(await read(relation)).toEqual(turned);
  });

  async function printed(type: string, samples: readonly string[]): Promise<readonly string[]> {
    const session = await context.database.open('control');
    const relation = relationOf('printed', ['id', 'value']);
    await context.scratch.rows(`DROP TABLE IF EXISTS printed`);
    await context.scratch.rows(`CREATE TABLE printed (id int PRIMARY KEY, value ${type})`);
    context.database.forget();
    for (const [id, value] of samples.entries()) {
      await context.scratch.rows('INSERT INTO printed VALUES ($1, $2)', [id, value]);
    }
    const texts = await lockedTexts(session, relation, samples.length);
    await session.close();
    // A sample that is printed otherwise would test less than it says.
    if (type !== 'numeric') expect(texts).toEqual(samples);
    return texts;
  }

  test.runIf(present)('refuses what is too long for the column', async () => {
    const session = await context.database.open('control');
    for (const type of [
      'varchar(5)',
      'bit(3)',
      'varchar(3)[]',
      'samples.short',
      'samples.nested',
    ]) {
      const relation = types.find((candidate) => candidate.type === type)?.relation;
      if (relation === undefined) throw new Error(type);
      const long = { 'bit(3)': '1011', 'varchar(3)[]': '{abcd}' }[type] ?? 'abcdef';
      const attempt = await session.attempt([
        { kind: 'insertRows', relation, rows: [['100', long, null]] },
      ]);
      expect(attempt, type).toMatchObject({ kind: 'refused' });
    }
    await session.close();
  });
});

async function lockedTexts(
  session: DatabaseSession,
  relation: Relation,
  count: number,
): Promise<readonly string[]> {
  const keys = Array.from({ length: count }, (_, at) => keyOf(`${at}`));
  const results = await session.flight([
    BEGIN,
    { kind: 'lockRows', relation, keys },
    { kind: 'commit' },
  ]);
  const [, locked] = results;
  return locked?.kind === 'locked' ? locked.rows.map(({ values }) => values[1] ?? '') : [];
}
