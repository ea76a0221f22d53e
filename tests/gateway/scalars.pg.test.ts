import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { liveGateway, loadSql } from '#tests/gateway/live-gateway.ts';
import type { LiveGateway } from '#tests/gateway/live-gateway.ts';
import { withPostgres } from '#tests/support/servers.ts';

/** Each with texts that PostgreSQL prints as it got them, and their JSON. */
const SAMPLES: readonly (readonly [type: string, text: string, json: string])[] = [
  ['smallint', '-32768', '-32768'],
  ['integer', '2147483647', '2147483647'],
  ['bigint', '-9223372036854775808', '"-9223372036854775808"'],
  [
    'numeric',
    '123456789012345678901234567890.000000000100',
    '"123456789012345678901234567890.000000000100"',
  ],
  ['numeric', 'NaN', '"NaN"'],
  ['real', '1e-20', '1e-20'],
  ['double precision', '0.1', '0.1'],
  ['double precision', 'NaN', '"NaN"'],
  ['double precision', '-Infinity', '"-Infinity"'],
  ['boolean', 'true', 'true'],
  ['boolean', 'false', 'false'],
  [
    'text',
    'a "quoted" \\ line\nnext\ttab \u0001 é 😀 </script>',
    JSON.stringify('a "quoted" \\ line\nnext\ttab \u0001 é 😀 </script>'),
  ],
  ['varchar(20)', '', '""'],
  ['char(5)', 'ab', '"ab   "'],
  ['uuid', '123e4567-e89b-12d3-a456-426614174000', '"123e4567-e89b-12d3-a456-426614174000"'],
  [
    'json',
    '{"b":1,  "a":[1e400, 12345678901234567890]}',
    '{"b":1,  "a":[1e400, 12345678901234567890]}',
  ],
  ['jsonb', '{"a": [null, 12345678901234567890.10]}', '{"a": [null, 12345678901234567890.10]}'],
  ['timestamptz', '2026-01-02 03:04:05.000006+02', '"2026-01-02T01:04:05.000006+00:00"'],
  ['timestamptz', 'infinity', '"infinity"'],
  ['timestamptz', '0044-03-15 12:00:00+00 BC', '"0044-03-15T12:00:00+00:00 BC"'],
  ['timestamp', '2026-01-02 03:04:05', '"2026-01-02T03:04:05"'],
  ['date', '2026-01-02', '"2026-01-02"'],
  ['time', '23:59:59.999999', '"23:59:59.999999"'],
  ['timetz', '12:00:00+05:30', '"12:00:00+05:30"'],
  ['interval', '1 year 2 days 03:04:05.6', '"P1Y2DT3H4M5.6S"'],
  ['bytea', '\\x00ff10', '"AP8Q"'],
  ['inet', '10.1.2.3/8', '"10.1.2.3/8"'],
  ['point', '(1.5,2)', '"(1.5,2)"'],
  ['tsvector', "'a' 'b\"c'", JSON.stringify("'a' 'b\"c'")],
  ['int4range', '[1,5)', '"[1,5)"'],
  ['mood', 'so-so', '"so_so"'],
  ['mood', 'good', '"good"'],
  ['rank', 'high', '"high"'],
  ['positive', '7', '7'],
  ['integer[]', '{1,NULL,3}', '[1,null,3]'],
  ['bigint[]', '{9223372036854775807}', '["9223372036854775807"]'],
  ['text[]', '{}', '[]'],
  ['mood[]', '{so-so,good}', '["so_so", "good"]'],
  ['bytea[]', '{"\\\\x00"}', '["AA=="]'],
  ['timestamptz[]', '{"2026-01-02 03:04:05+00"}', '["2026-01-02T03:04:05+00:00"]'],
  ['pair', '(1,"x ""y""")', '{"one":1,"two":"x \\"y\\""}'],
  ['pair[]', '{"(2,)"}', '[{"one":2,"two":null}]'],
];

const SCHEMA = `
CREATE TYPE mood AS ENUM ('good', 'so-so');
CREATE TYPE rank AS ENUM ('low', 'high');
CREATE TYPE pair AS (one int, two text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE sample (id int PRIMARY KEY, ${SAMPLES.map(([type], at) => `c${at} ${type}`).join(', ')});
`;

const FIELDS = SAMPLES.map(
  ([type], at) => `c${at}${type.startsWith('pair') ? ' { one two }' : ''}`,
);

describe('values of every type', () => {
  const postgres = withPostgres();
  let gateway: LiveGateway;
  beforeAll(async () => {
    const url = await postgres.freshDatabase();
    await loadSql(url, SCHEMA);
    gateway = await liveGateway(url);
    const places = SAMPLES.map((_, at) => `$${at + 1}`);
    const values = SAMPLES.map(([, text]) => text);
    await gateway.sql(`INSERT INTO sample VALUES (1, ${places.join(', ')})`, values);
    await gateway.sql('INSERT INTO sample VALUES (2)');
  }, 60_000);
  afterAll(() => gateway.close());

  async function members(query: string): Promise<string> {
    const executed = await gateway.execute(query);
    expect(executed.unexpected).toEqual([]);
    return executed.members(null);
  }

  test('are written without loss by Node', async () => {
    const expected = SAMPLES.map(([, , json], at) => `"c${at}":${json}`).join(',');
    const nulls = SAMPLES.map((_, at) => `"c${at}":null`).join(',');
    expect(await members(`{ one: sample(id: 1) { ${FIELDS.join(' ')} } }`)).toBe(
      `"data":{"one":{${expected}}}`,
    );
    expect(await members(`{ two: sample(id: 2) { ${FIELDS.join(' ')} } }`)).toBe(
      `"data":{"two":{${nulls}}}`,
    );
  });

  test('are written the same by PostgreSQL, beside another field', async () => {
    const both = await members(
      `{ one: sample(id: 1) { ${FIELDS.join(' ')} } two: sample(id: 2) { id } }`,
    );
    const expected = SAMPLES.map(([, , json], at) => `"c${at}":${json}`).join(',');
    expect(both).toBe(`"data":{"one":{${expected}},"two":{"id":2}}`);
  });

  test('come back as they went in, by literal and by variable', async () => {
    const { data } = await gateway.ask(`{ sample(id: 1) { ${FIELDS.join(' ')} } }`);
    const values = { ...(data?.['sample'] as Record<string, unknown>), id: 3 };
    // Numbers in JSON documents have been JavaScript's in between.
    const input = { ...values, c15: { a: 1 }, c16: { a: [0.5] } };
    const created = await gateway.ask(
      'mutation ($input: SampleInput!) { createSample(input: $input) { affectedCount } }',
      { input: { ...input, c7: null, c8: null } },
    );
    expect(created).toEqual({ data: { createSample: { affectedCount: 1 } } });
    const columns = SAMPLES.map((_, at) => at).filter((at) => ![7, 8, 15, 16].includes(at));
    const [row] = await gateway.sql(
      `SELECT ${columns.map((at) => `a.c${at}::text IS NOT DISTINCT FROM b.c${at}::text AS c${at}`).join(', ')} FROM sample a, sample b WHERE a.id = 1 AND b.id = 3`,
    );
    expect(Object.entries(row ?? {}).filter(([, same]) => same !== true)).toEqual([]);
  });

  test('a JSON literal keeps its digits', async () => {
    await gateway.ask(
      'mutation { updateSample(id: 2, set: { c16: { n: 12345678901234567890.10 } }) { affectedCount } }',
    );
    expect(await members('{ sample(id: 2) { c16 } }')).toBe(
      '"data":{"sample":{"c16":{"n": 12345678901234567890.10}}}',
    );
  });

  test('can be filtered by their own text', async () => {
    for (const [at, [type]] of SAMPLES.entries()) {
      if (/^(json|pair|point|bytea\[\])/.test(type)) continue;
      const { data } = await gateway.ask(`{ sample(id: 1) { c${at} } }`);
      const row = data?.['sample'] as Record<string, unknown> | undefined;
      const value = row?.[`c${at}`];
      if (typeof value === 'string' && /NaN|Infinity/.test(value) && type === 'double precision') {
        continue;
      }
      const column = gateway.schema.engine.model.tables.get('Sample')?.columns[at + 1];
      const name =
        column === undefined
          ? ''
          : column.type.kind === 'list'
            ? `[${column.type.name}]`
            : column.type.name;
      const found = await gateway.ask(
        `query ($value: ${name}) { samplesList(where: { c${at}: { eq: $value }, id: { eq: 1 } }) { id } }`,
        { value },
      );
      expect(found, type).toEqual({ data: { samplesList: [{ id: 1 }] } });
    }
  });
});
