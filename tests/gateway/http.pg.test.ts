import { connect } from 'node:net';
import fc from 'fast-check';
import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway } from '#gateway/region-gateway.ts';
import type { RegionGateway } from '#gateway/region-gateway.ts';
import { parseConfig } from '#replicator/config.ts';
import { gatewaySettings } from '#deploy/cli/commands/gateway.ts';
import { must } from '#core/assert.ts';
import { loadSql } from '#tests/gateway/live-gateway.ts';
import { withPostgres } from '#tests/support/servers.ts';

const MALFORMED = 10_000;
const LOGGED: string[] = [];

async function serve(url: string, section: Record<string, unknown> = {}): Promise<RegionGateway> {
  const config = parseConfig(
    JSON.stringify({
      cluster: 'http',
      regions: { eu: { database: url, nats: 'nats://127.0.0.1:4222', gateway: '127.0.0.1:0' } },
      gateway: {
        auth: { anonymousRole: 'postgres' },
        ratePerSecond: 1_000_000,
        rateBurst: 1_000_000,
        ...section,
      },
    }),
    {},
  );
  const settings = gatewaySettings(config, must([...config.regions.values()][0], 'region'));
  return startGateway(
    settings,
    {
      log: (level, message, fields) => LOGGED.push(`${level} ${message} ${JSON.stringify(fields)}`),
    },
    new AbortController().signal,
  );
}

describe('the gateway over HTTP', () => {
  const postgres = withPostgres();
  let url: string;
  let gateway: RegionGateway;
  beforeAll(async () => {
    url = await postgres.freshDatabase();
    await loadSql(
      url,
      `CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL);
       INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 100) n;
       CREATE FUNCTION slow(seconds float8) RETURNS float8 STABLE LANGUAGE sql AS 'SELECT seconds FROM pg_sleep(seconds)';
       CREATE FUNCTION broken() RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN secret_column FROM item; END';`,
    );
    gateway = await serve(url, { introspection: true });
  }, 60_000);
  afterAll(() => gateway.stop(0));

  async function post(body: unknown, headers: Record<string, string> = {}, to = gateway) {
    const response = await fetch(to.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: JSON.parse(text) as { data?: unknown; errors?: { extensions: { code: string } }[] },
    };
  }

  test('passes every audit of graphql-http, warnings and notices too', async () => {
    const audits = serverAudits({ url: gateway.url });
    expect(audits).toHaveLength(61);
    const results = await Promise.all(audits.map((audit) => audit.fn()));
    expect(results.filter(({ status }) => status !== 'ok')).toEqual([]);
  });

  test('a form, plain text or no type at all is not read: no page can post without asking', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const { status, body } = await post('{"query":"{itemsList{id}}"}', { 'content-type': type });
      expect(status).toBe(415);
      expect(body.errors?.[0]?.extensions.code).toBe('BAD_REQUEST');
    }
    const changed = await fetch(
      `${gateway.url}?query=${encodeURIComponent('mutation { deleteItem(id: 1) { affectedCount } }')}`,
    );
    expect(changed.status).toBe(405);
  });

  test('a request that is too large, too deep, too wide or too costly is refused by name', async () => {
    const refusals: readonly (readonly [string, string])[] = [
      [
        `{ ${Array.from({ length: 40 }, (_, n) => `a${n}: item(id: 1) { id }`).join(' ')} }`,
        'OPERATION_TOO_COMPLEX',
      ],
      [`{ itemsList { ${'id '.repeat(5_000)} } }`, 'GRAPHQL_PARSE_FAILED'],
      [
        '{ __schema { types { fields { type { ofType { ofType { ofType { ofType { ofType { ofType { ofType { ofType { name } } } } } } } } } } } } }',
        'OPERATION_TOO_COMPLEX',
      ],
      ['{ itemsList(first: 100000) { id } }', 'BAD_USER_INPUT'],
      ['{ itemsList(first: -1) { id } }', 'BAD_USER_INPUT'],
      [
        `{ ${Array.from({ length: 20 }, (_, n) => `a${n}: itemsList(first: 1000) { id }`).join(' ')} b: itemsList { id } }`,
        'OPERATION_TOO_COMPLEX',
      ],
      [
        `query { ...A } ${Array.from({ length: 20 }, (_, n) => `fragment ${String.fromCharCode(65 + n)}x on Query { ...${String.fromCharCode(66 + n)}x ...${String.fromCharCode(66 + n)}x }`).join(' ')} fragment A on Query { ...Ax ...Ax }`,
        'OPERATION_TOO_COMPLEX',
      ],
    ];
    for (const [query, code] of refusals) {
      const { body } = await post({ query });
      expect(body.errors?.[0]?.extensions.code, query.slice(0, 80)).toBe(code);
      expect(body).not.toHaveProperty('data');
    }
    const large = await post({
      query: '{ itemsList { id } }',
      variables: { x: 'x'.repeat(1_100_000) },
    });
    expect(large.status).toBe(413);
  });

  test('an error says neither SQL nor stack nor a name that is not in the schema', async () => {
    const { text, body } = await post({ query: '{ broken }' });
    expect(body.errors?.[0]?.extensions.code).toBe('INTERNAL_SERVER_ERROR');
    expect(text).not.toMatch(/secret_column|SELECT|\bat |\.ts|plpgsql/);
    expect(LOGGED.join('\n')).toContain('secret_column');
    const closed = await serve(url);
    try {
      const misspelt = await post({ query: '{ itemList { id } }' }, {}, closed);
      expect(misspelt.text).not.toContain('Did you mean');
      const asked = await post({ query: '{ __schema { types { name } } }' }, {}, closed);
      expect(asked.body.errors?.[0]?.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
    } finally {
      await closed.stop(0);
    }
  });

  test('whoever hangs up stops his statement', async () => {
    const abort = new AbortController();
    const asked = fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ slow(seconds: 9) }' }),
      signal: abort.signal,
    });
    setTimeout(() => abort.abort(), 150);
    await expect(asked).rejects.toThrow();
    await expect.poll(() => gateway.pool.active, { timeout: 3_000 }).toBe(0);
  });

  test('with a list of trusted documents no other is answered', async () => {
    const { writeFile } = await import('node:fs/promises');
    const { temporaryDirectory } = await import('#deploy/local/temporary-directory.ts');
    const { sha256 } = await import('#gateway/http/stored-documents.ts');
    const directory = await temporaryDirectory('documents');
    const known = '{ item(id: 1) { name } }';
    const path = `${directory.path}/documents.json`;
    await writeFile(path, JSON.stringify({ [sha256(known)]: known }));
    const trusting = await serve(url, { trustedDocuments: path });
    try {
      const byId = await post({ documentId: `sha256:${sha256(known)}` }, {}, trusting);
      expect(byId.body).toEqual({ data: { item: { name: 'item 1' } } });
      const stranger = await post({ query: '{ item(id: 2) { name } }' }, {}, trusting);
      expect(stranger.status).toBe(403);
      expect(stranger.body.errors?.[0]?.extensions.code).toBe('OPERATION_NOT_ALLOWED');
    } finally {
      await trusting.stop(0);
      await directory.remove();
    }
    const persisted = { persistedQuery: { version: 1, sha256Hash: sha256(known) } };
    const unknown = await post({ extensions: persisted });
    expect(unknown.body.errors?.[0]?.extensions.code).toBe('PERSISTED_QUERY_NOT_FOUND');
    await post({ query: known, extensions: persisted });
    expect((await post({ extensions: persisted })).body).toEqual({
      data: { item: { name: 'item 1' } },
    });
  });

  test('more requests than a second allows are told to wait', async () => {
    const strict = await serve(url, { ratePerSecond: 1, rateBurst: 3 });
    try {
      const answers = [];
      for (let n = 0; n < 5; n++) answers.push(await post({ query: '{ __typename }' }, {}, strict));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429]);
      expect(answers[4]?.body.errors?.[0]?.extensions.code).toBe('RATE_LIMITED');
      expect(answers[4]?.headers.get('retry-after')).toBe('1');
    } finally {
      await strict.stop(0);
    }
  });

  test(`${MALFORMED} malformed requests give only errors, and leave the gateway as it was`, async () => {
    const token = fc.constantFrom(
      '{',
      '}',
      '(',
      ')',
      '[',
      ']',
      ':',
      '!',
      '$',
      '@',
      '...',
      '"',
      '"""',
      '#',
      '\\',
      'query',
      'mutation',
      'subscription',
      'fragment',
      'on',
      'items',
      'itemsList',
      'item',
      'id',
      'name',
      'first',
      'where',
      'orderBy',
      'ID_ASC',
      'after',
      'eq',
      'not',
      'null',
      'true',
      '1',
      '-1',
      '1e999',
      '99999999999999999999',
      '$v',
      '=',
      '\u0000',
      '\ud800',
      "'; DROP TABLE item; --",
      'createItem',
      'set',
      'atMost',
      'node',
      'WyJJdGVtIiwgIjEiXQ',
      '__typename',
      '__schema',
    );
    const soup = fc.array(token, { maxLength: 40 }).map((parts) => parts.join(' '));
    const sound = fc.constantFrom(
      'query ($v: Int) { itemsList(first: $v) { id } }',
      'query ($v: ItemFilter) { itemsList(where: $v) { id } }',
      'query ($v: Cursor) { items(after: $v) { nodes { id } } }',
      'query ($v: ID!) { node(id: $v) { nodeId } }',
      'query ($v: [ItemOrderBy!]) { items(orderBy: $v) { totalCount } }',
      'mutation ($v: ItemInput!) { createItem(input: $v) { affectedCount } }',
      'mutation ($v: ItemPatch!) { updateItems(where: { id: { eq: -5 } }, set: $v, atMost: 1) { affectedCount } }',
    );
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        'WyJpZCIsICJ4Il0',
        'WyJpZCIsIG51bGxd',
        'WyJJdGVtIiwgIngiXQ',
        { id: { in: [null] } },
        { or: [] },
        { name: { like: '\\' } },
        { name: { eq: '\u0000' } },
        { not: null },
        { id: -5, name: '\u0000' },
      ),
    );
    const body = fc.oneof(
      fc
        .record({ query: fc.oneof(soup, fc.string({ unit: 'binary' })), variables: fc.jsonValue() })
        .map((made) => JSON.stringify(made)),
      fc
        .record({ query: sound, variables: fc.record({ v: value }) })
        .map((made) => JSON.stringify(made)),
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc
        .record({
          query: sound,
          operationName: fc.jsonValue(),
          extensions: fc.jsonValue(),
          documentId: fc.jsonValue(),
        })
        .map((made) => JSON.stringify(made)),
    );
    const requests = fc.sample(body, { numRuns: MALFORMED, seed: 20_261_123 });
    const codes = new Map<string, number>();
    const odd: string[] = [];
    const before = LOGGED.length;
    await Promise.all(
      Array.from({ length: 8 }, async (_, worker) => {
        for (let at = worker; at < requests.length; at += 8) {
          const request = requests[at] ?? '';
          const { status, body: answer } = await post(request);
          const code =
            answer.errors?.[0]?.extensions.code ?? (answer.data === undefined ? 'none' : 'data');
          codes.set(code, (codes.get(code) ?? 0) + 1);
          if (status >= 500 || code === 'INTERNAL_SERVER_ERROR' || code === 'none')
            odd.push(`${status} ${code} ${request}`);
        }
      }),
    );
    expect(odd.slice(0, 5)).toEqual([]);
    expect(LOGGED.slice(before)).toEqual([]);
    // It was not one and the same refusal all the time.
    expect(codes.size).toBeGreaterThanOrEqual(5);
    expect((await post({ query: '{ items { totalCount } }' })).body.data).toBeDefined();
    expect(gateway.pool.active).toBe(0);
  }, 60_000);

  test('bytes that are no HTTP close the connection and nothing else', async () => {
    const { port } = new URL(gateway.url);
    for (const bytes of [
      '\u0000\u0001\u0002\r\n\r\n',
      'GET /graphql\r\n\r\n',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: application/json\r\n\r\nab',
    ]) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      socket.end(bytes);
      await new Promise((resolve) => socket.once('close', resolve).resume());
    }
    expect((await post({ query: '{ __typename }' })).status).toBe(200);
  });
});
