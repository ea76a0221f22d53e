import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { liveGateway, loadSql } from '#tests/gateway/live-gateway.ts';
import type { Answer, LiveGateway } from '#tests/gateway/live-gateway.ts';
import { withPostgres } from '#tests/support/servers.ts';

const SCHEMA = `
CREATE TABLE author (id int PRIMARY KEY, name text NOT NULL, email text UNIQUE);
CREATE TABLE note (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  author_id int REFERENCES author,
  title text NOT NULL CHECK (title <> 'forbidden'),
  likes bigint NOT NULL DEFAULT 0,
  tags text[], prefs jsonb, body text,
  owner text NOT NULL DEFAULT current_setting('request.jwt.claims', true)::json ->> 'sub'
);
COMMENT ON COLUMN note.likes IS '@everywrite counter';
COMMENT ON COLUMN note.tags IS '@everywrite set';
COMMENT ON COLUMN note.prefs IS '@everywrite map';
COMMENT ON COLUMN note.body IS '@everywrite text';
CREATE TABLE everywrite_operations (
  op_id uuid PRIMARY KEY, field text NOT NULL, affected int, keys jsonb, at timestamptz NOT NULL DEFAULT now());
CREATE FUNCTION rename_author(author_id int, new_name text) RETURNS author LANGUAGE sql
  AS 'UPDATE author SET name = new_name WHERE id = author_id RETURNING *';
CREATE FUNCTION shout() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'not so loud'; END $$;
CREATE FUNCTION authors_named(part text, minimum int DEFAULT 0) RETURNS SETOF author STABLE LANGUAGE sql
  AS 'SELECT * FROM author WHERE name LIKE part AND id >= minimum ORDER BY id';
CREATE FUNCTION wipe() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM author; RETURN 1; END $$;
CREATE FUNCTION sneaky() RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN wipe(); END $$;
CREATE ROLE reader; CREATE ROLE writer;
GRANT SELECT ON author, note TO reader;
GRANT ALL ON author, note, everywrite_operations TO writer;
ALTER TABLE note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON note USING (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');
`;

function as(role: string, sub: string) {
  return { role, claims: JSON.stringify({ sub }), key: `${role} ${sub}` };
}

function recordOf({ data }: Answer, field: string): { readonly id: string } {
  const payload = data?.[field] as { readonly record: { readonly id: string } } | undefined;
  return must(payload, field).record;
}

const ANN = as('writer', 'ann');
const BOB = as('writer', 'bob');

describe('mutations', () => {
  const postgres = withPostgres();
  let gateway: LiveGateway;
  beforeAll(async () => {
    const url = await postgres.freshDatabase();
    await loadSql(url, SCHEMA);
    gateway = await liveGateway(url);
  }, 60_000);
  beforeEach(async () => {
    await gateway.sql('TRUNCATE author, note, everywrite_operations');
    await gateway.sql(
      `INSERT INTO author VALUES (1, 'Ann', 'a@x'), (2, 'Bob', 'b@x'), (3, 'Cy', NULL)`,
    );
  });
  afterAll(() => gateway.close());

  async function codes(query: string, variables = {}, who = ANN): Promise<readonly string[]> {
    const executed = await gateway.execute(query, variables, who);
    return executed.codes;
  }

  test('create, update, upsert, delete, one and many, each with what it did', async () => {
    expect(
      await gateway.ask(`mutation {
        createAuthors(inputs: [{ id: 10, name: "X" }, { id: 11, name: "Y", email: "y@x" }]) { affectedCount records { id email } }
        upsertAuthor(input: { id: 10, name: "X2" }) { record { name email } }
        byMail: upsertAuthor(input: { id: 99, name: "Y2", email: "y@x" }, onConflict: EMAIL) { record { id name } }
        updateAuthor(id: 1, set: { email: null }) { record { email name } affectedCount }
        nobody: updateAuthor(id: 77, set: { name: "?" }) { record { name } affectedCount }
        updateAuthors(where: { id: { gte: 10 } }, set: { name: "Z" }, atMost: 2) { affectedCount }
        deleteAuthors(where: { name: { eq: "Z" } }, atMost: 5) { affectedCount records { id } }
        deleteAuthor(id: 3) { record { nodeId name } causalToken }
      }`),
    ).toEqual({
      data: {
        createAuthors: {
          affectedCount: 2,
          records: [
            { id: 10, email: null },
            { id: 11, email: 'y@x' },
          ],
        },
        upsertAuthor: { record: { name: 'X2', email: null } },
        byMail: { record: { id: 11, name: 'Y2' } },
        updateAuthor: { record: { email: null, name: 'Ann' }, affectedCount: 1 },
        nobody: { record: null, affectedCount: 0 },
        updateAuthors: { affectedCount: 2 },
        deleteAuthors: { affectedCount: 2, records: [{ id: 10 }, { id: 11 }] },
        deleteAuthor: {
          record: { nodeId: 'WyJBdXRob3IiLCAiMyJd', name: 'Cy' },
          causalToken: 'token',
        },
      },
    });
  });

  test('what is read of a new row sees the change, lists that hold it included', async () => {
    const answer = await gateway.ask(
      `mutation { createNote(input: { title: "t", authorId: 2 }) { record { title author { name notesList { title likes } } } affectedCount } }`,
      {},
      ANN,
    );
    expect(answer.data).toEqual({
      createNote: {
        record: { title: 't', author: { name: 'Bob', notesList: [{ title: 't', likes: '0' }] } },
        affectedCount: 1,
      },
    });
  });

  test('one that fails takes the whole operation with it', async () => {
    const answer = await gateway.ask(`mutation {
      one: updateAuthor(id: 1, set: { name: "changed" }) { affectedCount }
      two: createAuthor(input: { id: 2, name: "again" }) { affectedCount }
      three: deleteAuthor(id: 3) { affectedCount }
    }`);
    expect(answer.data).toEqual({ one: null, two: null, three: null });
    expect(answer.errors).toMatchObject([
      { path: ['two'], extensions: { code: 'UNIQUE_VIOLATION', constraint: 'author_pkey' } },
    ]);
    expect(await gateway.sql('SELECT name FROM author ORDER BY id')).toEqual([
      { name: 'Ann' },
      { name: 'Bob' },
      { name: 'Cy' },
    ]);
  });

  test('atMost: one row more than allowed, and nothing is changed', async () => {
    for (const many of [
      'deleteAuthors(where: {}, atMost: 2)',
      'updateAuthors(where: {}, set: { name: "x" }, atMost: 2)',
    ]) {
      expect(await codes(`mutation { ${many} { affectedCount } }`)).toEqual(['TOO_MANY_ROWS']);
    }
    expect(await gateway.sql(`SELECT count(*)::int AS n FROM author WHERE name <> 'x'`)).toEqual([
      { n: 3 },
    ]);
  });

  test('columns that merge are told what is meant', async () => {
    const created = await gateway.ask(
      'mutation { createNote(input: { title: "t", likes: "5", tags: ["a", "b"], body: "hello" }) { record { id } } }',
      {},
      ANN,
    );
    const record = recordOf(created, 'createNote');
    const set = {
      likes: { increment: '3' },
      tags: { add: ['c', 'a', 'c'], remove: ['b'] },
      prefs: { set: { x: 1, y: [true] } },
      body: {
        splice: [
          { at: 5, insert: ' world' },
          { at: 0, delete: 1, insert: 'H' },
        ],
      },
    };
    const change =
      'mutation ($id: UUID!, $set: NotePatch!) { updateNote(id: $id, set: $set) { record { likes tags prefs body } } }';
    expect(await gateway.ask(change, { id: record.id, set }, ANN)).toEqual({
      data: {
        updateNote: {
          record: { likes: '8', tags: ['a', 'c'], prefs: { x: 1, y: [true] }, body: 'Hello world' },
        },
      },
    });
    const again = {
      likes: { decrement: '10' },
      prefs: { unset: ['x'], set: { z: null } },
      body: { replace: 'new' },
      tags: { remove: ['a', 'c'] },
    };
    expect((await gateway.ask(change, { id: record.id, set: again }, ANN)).data).toEqual({
      updateNote: { record: { likes: '-2', tags: [], prefs: { y: [true], z: null }, body: 'new' } },
    });
    expect(
      await codes(change, { id: record.id, set: { likes: { increment: '1', decrement: '1' } } }),
    ).toEqual(['BAD_USER_INPUT']);
    expect(await codes(change, { id: record.id, set: { likes: '7' } })).toEqual(['BAD_USER_INPUT']);
    expect(await codes(change, { id: record.id, set: { prefs: { set: [1] } } })).toEqual([
      'BAD_USER_INPUT',
    ]);
    expect(await codes(change, { id: record.id, set: {} })).toEqual(['BAD_USER_INPUT']);
  });

  test('an operation id: done once, answered again, its new row named by it', async () => {
    const opId = '0190a8a4-5f5e-7d31-9b8a-000000000001';
    const change = `mutation ($opId: UUID!) {
      createNote(input: { title: "once", likes: "1" }, opId: $opId) { affectedCount record { id title likes } } }`;
    const first = await gateway.ask(change, { opId }, ANN);
    const second = await gateway.ask(change, { opId }, ANN);
    expect(first.errors).toBeUndefined();
    expect(second).toEqual(first);
    expect(await gateway.sql('SELECT count(*)::int AS n FROM note')).toEqual([{ n: 1 }]);
    const record = recordOf(first, 'createNote');
    expect(record.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab]/);

    const likes = `mutation ($id: UUID!, $opId: UUID!) { updateNote(id: $id, set: { likes: { increment: "5" } }, opId: $opId) { record { likes } affectedCount } }`;
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => {
        return gateway.ask(
          likes,
          { id: record.id, opId: '0190a8a4-5f5e-7d31-9b8a-000000000002' },
          ANN,
        );
      }),
    );
    for (const answer of answers) {
      expect(answer.data).toEqual({ updateNote: { record: { likes: '6' }, affectedCount: 1 } });
    }
    // The same id for another change is a mistake of the client.
    expect(await codes(likes, { id: record.id, opId })).toEqual(['OPERATION_ID_REUSED']);
  });

  test('row-level security and privileges decide, by role and claims, in every statement', async () => {
    await gateway.ask(
      'mutation { createNote(input: { title: "of ann" }) { affectedCount } }',
      {},
      ANN,
    );
    const mine = '{ notesList { title owner } notes { totalCount aggregates { count } } }';
    expect((await gateway.ask(mine, {}, ANN)).data).toEqual({
      notesList: [{ title: 'of ann', owner: 'ann' }],
      notes: { totalCount: 1, aggregates: { count: '1' } },
    });
    expect((await gateway.ask(mine, {}, BOB)).data).toEqual({
      notesList: [],
      notes: { totalCount: 0, aggregates: { count: '0' } },
    });
    expect(
      (
        await gateway.ask(
          'mutation { deleteNotes(where: {}, atMost: 9) { affectedCount } }',
          {},
          BOB,
        )
      ).data,
    ).toEqual({
      deleteNotes: { affectedCount: 0 },
    });
    expect(
      await codes(
        'mutation { createNote(input: { title: "x", owner: "ann" }) { affectedCount } }',
        {},
        BOB,
      ),
    ).toEqual(['FORBIDDEN']);
    expect(
      await codes('mutation { deleteAuthor(id: 1) { affectedCount } }', {}, as('reader', 'ann')),
    ).toEqual(['FORBIDDEN']);
    // The connection is the next one's as if nothing had been set on it.
    expect((await gateway.ask('{ notes { totalCount } }')).data).toEqual({
      notes: { totalCount: 1 },
    });
  });

  test('functions: stable ones ask, volatile ones change, a liar is found out', async () => {
    expect(
      (
        await gateway.ask(
          '{ authorsNamed(part: "%", minimum: 2) { name } all: authorsNamed(part: "B%") { id notesList { title } } }',
        )
      ).data,
    ).toEqual({ authorsNamed: [{ name: 'Bob' }, { name: 'Cy' }], all: [{ id: 2, notesList: [] }] });
    expect(
      (
        await gateway.ask(
          'mutation { renameAuthor(authorId: 1, newName: "Anna") { result { id name } } }',
        )
      ).data,
    ).toEqual({
      renameAuthor: { result: { id: 1, name: 'Anna' } },
    });
    expect((await gateway.ask('mutation { shout { causalToken } }')).errors).toMatchObject([
      { message: 'not so loud', path: ['shout'], extensions: { code: 'RAISED' } },
    ]);
    expect(await codes('{ sneaky }', {}, as('writer', 'x'))).toEqual(['OPERATION_NOT_ALLOWED']);
    expect(await gateway.sql('SELECT count(*)::int AS n FROM author')).toEqual([{ n: 3 }]);
  });

  test('what the table refuses has a code of its own', async () => {
    const cases: readonly (readonly [string, string])[] = [
      ['createNote(input: { title: "forbidden" })', 'CHECK_VIOLATION'],
      ['createNote(input: { title: "t", authorId: 404 })', 'FOREIGN_KEY_VIOLATION'],
      ['updateAuthor(id: 1, set: { name: null })', 'NOT_NULL_VIOLATION'],
      ['createAuthor(input: { id: 1, name: "x" })', 'UNIQUE_VIOLATION'],
      ['createAuthor(input: { id: 5, name: "a\\u0000b" })', 'BAD_USER_INPUT'],
    ];
    for (const [field, code] of cases) {
      expect(await codes(`mutation { ${field} { affectedCount } }`), field).toEqual([code]);
    }
  });

  test('after DDL the next look has a new schema, and old documents go on', async () => {
    expect(await codes('{ authorsList { nickname } }')).toEqual(['GRAPHQL_VALIDATION_FAILED']);
    await gateway.sql('ALTER TABLE author ADD COLUMN nickname text');
    await gateway.schema.load();
    expect((await gateway.ask('{ authorsList(first: 1) { name nickname } }')).data).toEqual({
      authorsList: [{ name: 'Ann', nickname: null }],
    });
    await gateway.sql('ALTER TABLE author ALTER COLUMN nickname TYPE int USING NULL');
    const { hash } = gateway.schema;
    await gateway.schema.load();
    expect(gateway.schema.hash).not.toBe(hash);
    expect(await codes('{ authorsList(where: { nickname: { eq: 3 } }) { nickname } }')).toEqual([]);
    await gateway.sql('ALTER TABLE author DROP COLUMN nickname');
    await gateway.schema.load();
    expect(await codes('{ authorsList { name } }')).toEqual([]);
  });
});
