import { describe, expect, test } from 'vitest';
import { withGateways } from '#tests/gateway/region-gateway-fixture.ts';
import type { Subscribed } from '#tests/gateway/region-gateway-fixture.ts';
import { eventually, pause } from '#tests/support/regions.ts';

const SCHEMA = `
CREATE TABLE note (id int PRIMARY KEY, room text NOT NULL, body text, votes int NOT NULL DEFAULT 0);
CREATE TABLE diary (id int PRIMARY KEY, owner text NOT NULL, body text);
ALTER TABLE diary ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON diary USING (owner = current_setting('request.jwt.claims', true)::json->>'sub');
DO $$ BEGIN CREATE ROLE reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT SELECT ON note, diary TO reader;
`;

const { regions, gateway } = withGateways({
  schema: SCHEMA,
  columns: { 'public.note.votes': 'counter' },
});

const ITEM = 'op key node { id body votes } changedFields origin cursor';
const NOTES = `subscription { noteChanges { ${ITEM} } }`;

async function started(subscribed: Subscribed): Promise<Subscribed> {
  await eventually('the subscription begins', () => {
    expect(subscribed.errors).toEqual([]);
    return subscribed.lists.length > 0;
  });
  return subscribed;
}

async function told(subscribed: Subscribed, count: number): Promise<void> {
  await eventually(`${count} changes are told`, () => subscribed.items.length >= count);
  expect(subscribed.errors).toEqual([]);
}

const sql = (region: string, text: string) => regions().region(region).sql.query(text);

describe('changes', () => {
  test('of another region are told here, one list per transaction, with what became of the rows', async () => {
    const changes = await started(gateway('eu').subscribe(NOTES));
    await sql('us', `BEGIN; INSERT INTO note VALUES (1, 'a', 'one'), (2, 'a', 'two'); COMMIT`);
    await told(changes, 2);
    await sql('us', `UPDATE note SET votes = votes + 5, body = 'uno' WHERE id = 1`);
    await told(changes, 3);
    await sql('eu', 'DELETE FROM note WHERE id = 2');
    await told(changes, 4);
    const [, inserted, updated, deleted] = changes.lists;
    expect(inserted?.map(({ op, key, node, origin }) => ({ op, key, node, origin }))).toEqual([
      { op: 'INSERT', key: { id: 1 }, node: { id: 1, body: 'one', votes: 0 }, origin: 'us' },
      { op: 'INSERT', key: { id: 2 }, node: { id: 2, body: 'two', votes: 0 }, origin: 'us' },
    ]);
    expect(updated).toMatchObject([
      {
        op: 'UPDATE',
        node: { body: 'uno', votes: 5 },
        changedFields: ['body', 'votes'],
        origin: 'us',
      },
    ]);
    expect(deleted).toMatchObject([{ op: 'DELETE', key: { id: 2 }, node: null, origin: 'eu' }]);
    expect(deleted?.[0]?.cursor).toMatch(/^1~eu\.1:\d+~us\.1:\d+$/);
    await changes.stop();
  });

  test('are resumed in the other region: none missing, none twice', async () => {
    await sql('eu', `INSERT INTO note VALUES (10, 'b', '')`);
    await regions().settle();
    const first = await started(gateway('eu').subscribe(NOTES));
    await sql('eu', `UPDATE note SET body = 'e1' WHERE id = 10`);
    await told(first, 1);
    await first.stop();
    // While nobody listens both write.
    await sql('us', `INSERT INTO note VALUES (11, 'b', 'u1')`);
    await sql('eu', `INSERT INTO note VALUES (12, 'b', 'e2')`);
    await regions().settle();
    const second = gateway('us').subscribe(NOTES, { cursor: first.cursor });
    await told(second, 2);
    await sql('eu', `INSERT INTO note VALUES (13, 'b', 'e3')`);
    await told(second, 3);
    await pause(100);
    expect(new Set(second.items.map(({ key }) => key?.['id']))).toEqual(new Set([11, 12, 13]));
    expect(second.items).toHaveLength(3);
    await second.stop();
    // And back, from the middle: only what lies behind that cursor.
    const third = gateway('eu').subscribe(NOTES, { cursor: second.lists[1]?.[0]?.cursor ?? null });
    await told(third, 1);
    await pause(100);
    expect(third.items.map(({ key }) => key?.['id'])).toEqual(
      second.items.slice(2).map(({ key }) => key?.['id']),
    );
    await third.stop();
  });

  test('under a filter rows enter and leave', async () => {
    const query = `subscription { noteChanges(where: {room: {eq: "x"}}) { ${ITEM} } }`;
    const changes = await started(gateway('eu').subscribe(query));
    await sql('us', `INSERT INTO note VALUES (20, 'y', ''), (21, 'x', '')`);
    await told(changes, 1);
    await sql('us', `UPDATE note SET room = 'x' WHERE id = 20`);
    await told(changes, 2);
    await sql('us', `UPDATE note SET room = 'y' WHERE id = 21`);
    await told(changes, 3);
    await sql('us', `UPDATE note SET body = 'still elsewhere' WHERE id = 21`);
    await sql('us', 'DELETE FROM note WHERE id = 20');
    await told(changes, 4);
    expect(changes.items.map(({ op, key }) => `${op} ${String(key?.['id'])}`)).toEqual([
      'INSERT 21',
      'ENTER 20',
      'LEAVE 21',
      'DELETE 20',
    ]);
    await changes.stop();
  });

  test('begin with all rows, and miss none of those that are written meanwhile', async () => {
    await sql('eu', `INSERT INTO note SELECT g, 'bulk', '' FROM generate_series(1000, 2200) g`);
    await regions().settle();
    let next = 3000;
    let writing = true;
    const writers = ['eu', 'us'].map(async (region) => {
      while (writing) await sql(region, `INSERT INTO note VALUES (${next++}, 'bulk', '')`);
    });
    const query = `subscription { noteChanges(initial: true, where: {room: {eq: "bulk"}}) { op key } }`;
    const changes = gateway('us').subscribe(query);
    await eventually('the rows have come', () => changes.cursor !== null);
    await pause(50);
    writing = false;
    await Promise.all(writers);
    const ids = (): Set<unknown> => new Set(changes.items.map(({ key }) => key?.['id']));
    await eventually('every row is told', () => ids().size === 1201 + next - 3000);
    // Twice only what was in the snapshot already when its change came.
    const inserted = changes.items
      .filter(({ op }) => op === 'INSERT')
      .map(({ key }) => key?.['id']);
    expect(new Set(inserted).size).toBe(inserted.length);
    await changes.stop();
  });

  test('are told to those whom row-level security lets see the row', async () => {
    const query = 'subscription { diaryChanges { op key node { owner body } } }';
    const [ann, bob] = await Promise.all(
      ['ann', 'bob'].map((sub) => {
        return started(gateway('eu').subscribe(query, { as: `reader {"sub":"${sub}"}` }));
      }),
    );
    if (ann === undefined || bob === undefined) throw new RangeError('nobody');
    await sql('us', `INSERT INTO diary VALUES (1, 'ann', 'a'), (2, 'bob', 'b')`);
    await Promise.all([told(ann, 1), told(bob, 1)]);
    await sql('us', `UPDATE diary SET owner = 'bob' WHERE id = 1`);
    await Promise.all([told(ann, 2), told(bob, 2)]);
    await sql('us', 'DELETE FROM diary WHERE id = 1');
    await told(bob, 3);
    await pause(100);
    const seen = (by: Subscribed) => by.items.map(({ op, key }) => `${op} ${String(key?.['id'])}`);
    expect(seen(ann)).toEqual(['INSERT 1', 'LEAVE 1']);
    expect(seen(bob)).toEqual(['INSERT 2', 'ENTER 1', 'DELETE 1']);
    await Promise.all([ann.stop(), bob.stop()]);
  });

  test('who asks for what is not there, or comes from too long ago, is told so', async () => {
    const wrong = gateway('eu').subscribe('subscription { noteChanges { nothing } }');
    const alien = gateway('eu').subscribe(NOTES, { cursor: '1~mars.1:5' });
    const { cluster } = regions();
    expect(cluster.config.cluster).toBe('test');
    await eventually('both are refused', () => wrong.errors.length + alien.errors.length === 2);
    expect(JSON.stringify(wrong.errors)).toContain('GRAPHQL_VALIDATION_FAILED');
    expect(JSON.stringify(alien.errors)).toContain('CAUSAL_TOKEN_INVALID');
  });
});

describe('sessions', () => {
  test('what was written in one region is read in the other, or waited for, or refused in time', async () => {
    const wrote = await gateway('eu').ask(
      `mutation { createNote(input: {id: 100, room: "s", body: "mine"}) { record { id } } }`,
    );
    const token = wrote.extensions?.causal.token;
    expect(token).toMatch(/eu\.1:\d+@[0-9a-f]+|eu\.1@[0-9a-f]+|eu\.1:\d+/);
    const read = await gateway('us').ask('{ note(id: 100) { body } }', token);
    expect(read.data).toEqual({ note: { body: 'mine' } });
    const us = regions().region('us');
    us.from('eu').hold();
    const next = await gateway('eu').ask(
      `mutation { updateNote(id: 100, set: {body: "newer"}) { record { id } } }`,
      read.extensions?.causal.token,
    );
    expect(next.data).toEqual({ updateNote: { record: { id: 100 } } });
    const late = gateway('us').ask('{ note(id: 100) { body } }', next.extensions?.causal.token);
    await expect(late).rejects.toMatchObject([
      { extensions: { code: 'CAUSAL_TIMEOUT', retryable: true } },
    ]);
    const waiting = gateway('us').ask('{ note(id: 100) { body } }', next.extensions?.causal.token);
    await pause(50);
    us.from('eu').release();
    expect((await waiting).data).toEqual({ note: { body: 'newer' } });
  });
});
