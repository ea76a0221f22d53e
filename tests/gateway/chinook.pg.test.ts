import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { validateSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { liveGateway, loadFile } from '#tests/gateway/live-gateway.ts';
import type { LiveGateway } from '#tests/gateway/live-gateway.ts';
import { withPostgres } from '#tests/support/servers.ts';

const FILE = join(import.meta.dirname, '../../../shared/data/chinook.sql');
const present = existsSync(FILE);
if (!present) {
  process.stderr.write(
    `skipping the gateway over Chinook: ../shared/data/chinook.sql is not there\n`,
  );
}

describe.skipIf(!present)('Chinook, served as it is', () => {
  const postgres = withPostgres();
  let gateway: LiveGateway;
  beforeAll(async () => {
    const url = await postgres.freshDatabase();
    await loadFile(url, FILE);
    gateway = await liveGateway(url);
  }, 60_000);
  afterAll(() => gateway.close());

  test('every table is there, and nothing is left out', () => {
    expect(gateway.problems).toEqual([]);
    expect(validateSchema(gateway.schema.engine.schema)).toEqual([]);
    expect([...gateway.schema.engine.model.tables.keys()].toSorted()).toEqual([
      'Album',
      'Artist',
      'Customer',
      'Employee',
      'Genre',
      'Invoice',
      'InvoiceLine',
      'MediaType',
      'Playlist',
      'PlaylistTrack',
      'Track',
    ]);
  });

  test('every column and every relation of every table answers, both as a list and as a connection', async () => {
    for (const table of gateway.schema.engine.model.tables.values()) {
      const columns = table.columns.map((column) => column.field).join(' ');
      const relations = table.relations.map(({ kind, field, target }) => {
        const inner = target.columns.map((column) => column.field).join(' ');
        return kind === 'one'
          ? `${field} { nodeId ${inner} }`
          : `${field}(first: 3) { totalCount nodes { ${inner} } pageInfo { hasNextPage } } ${field}List(first: 2) { ${inner} }`;
      });
      const query = `{
        ${table.pluralField}(first: 20) { totalCount edges { cursor node { nodeId ${columns} ${relations.join(' ')} } } }
        ${table.pluralField}List(first: 5) { ${columns} ${relations.join(' ')} }
      }`;
      const answer = await gateway.ask(query);
      expect(answer.errors, table.typeName).toBeUndefined();
      const [{ n } = { n: -1 }] = await gateway.sql(
        `SELECT count(*)::int AS n FROM ${table.sqlName}`,
      );
      const connection = answer.data?.[table.pluralField] as { totalCount: number };
      expect(connection.totalCount).toBe(n);
    }
  });

  test('relations lead to the rows that SQL finds', async () => {
    const answer = await gateway.ask(`{
      playlist(playlistId: 12) { name playlistTracks(first: 1000) { totalCount } }
      customer(customerId: 5) { supportRep { lastName employeeByReportsTo { lastName } } }
      employees(where: { customersBySupportRep: { some: { country: { eq: "Brazil" } } } }) {
        nodes { lastName customersBySupportRep { aggregates { count } } }
      }
    }`);
    expect(answer).toEqual({
      data: {
        playlist: { name: 'Classical', playlistTracks: { totalCount: 75 } },
        customer: {
          supportRep: { lastName: 'Park', employeeByReportsTo: { lastName: 'Edwards' } },
        },
        employees: {
          nodes: [
            { lastName: 'Peacock', customersBySupportRep: { aggregates: { count: '21' } } },
            { lastName: 'Park', customersBySupportRep: { aggregates: { count: '20' } } },
            { lastName: 'Johnson', customersBySupportRep: { aggregates: { count: '18' } } },
          ],
        },
      },
    });
  });

  test('cursors lead through a whole table in both directions, in any order', async () => {
    for (const order of ['[]', '[NAME_ASC]', '[COMPOSER_DESC, MILLISECONDS_ASC]']) {
      for (const way of ['first', 'last'] as const) {
        const seen: number[] = [];
        let cursor: string | null = null;
        do {
          const place = way === 'first' ? 'after' : 'before';
          const { data } = await gateway.ask(
            `query ($cursor: Cursor) { tracks(${way}: 900, ${place}: $cursor, orderBy: ${order}) {
              nodes { trackId } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
            { cursor },
          );
          const page = data?.['tracks'] as {
            nodes: readonly { trackId: number }[];
            pageInfo: Record<string, string | boolean | null>;
          };
          const ids = page.nodes.map((node) => node.trackId);
          if (way === 'first') seen.push(...ids);
          else seen.unshift(...ids);
          const more = page.pageInfo[way === 'first' ? 'hasNextPage' : 'hasPreviousPage'];
          const next = page.pageInfo[way === 'first' ? 'endCursor' : 'startCursor'];
          cursor = more === true ? String(next) : null;
        } while (cursor !== null);
        const sqlOrder = { '[]': 'track_id', '[NAME_ASC]': 'name, track_id' }[order];
        const rows = await gateway.sql(
          `SELECT track_id FROM track ORDER BY ${sqlOrder ?? 'composer DESC, milliseconds, track_id'}`,
        );
        expect(seen).toEqual(rows.map((row) => row['track_id']));
      }
    }
  });
});
