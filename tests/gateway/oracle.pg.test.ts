import fc from 'fast-check';
import { expect, test } from 'vitest';
import { liveGateway, loadSql } from '#tests/gateway/live-gateway.ts';
import { DocumentDrawer } from '#tests/gateway/oracle/documents.ts';
import { Naive } from '#tests/gateway/oracle/naive.ts';
import { drawWorld, worldSql } from '#tests/gateway/oracle/world.ts';
import { withPostgres } from '#tests/support/servers.ts';

const SCHEMAS = Number(process.env['EVERYWRITE_ORACLE_SCHEMAS'] ?? 15);
const DOCUMENTS = 40;
const postgres = withPostgres();

test('whatever is asked of whatever schema, the answer is that of graphql-js over plain resolvers', async () => {
  const url = await postgres.freshDatabase();
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(fc.noShrink(fc.gen()), async (g) => {
      const world = drawWorld(g);
      await loadSql(url, worldSql(world));
      const gateway = await liveGateway(url);
      try {
        const { engine } = gateway.schema;
        const naive = new Naive(engine, world);
        const drawer = new DocumentDrawer(g, engine.model, world);
        for (let at = 0; at < DOCUMENTS; at++) {
          const { query, variables } = drawer.draw();
          const expected = naive.execute(query, variables);
          if (expected.errors !== undefined) throw expected.errors[0] ?? new Error('an error');
          const executed = await gateway.execute(query, variables);
          const told = `${query}\n${JSON.stringify(variables)}\n${worldSql(world)}`;
          if (executed.unexpected.length > 0)
            throw new Error(told, { cause: executed.unexpected[0] });
          const answer = JSON.parse(`{${executed.members(null)}}`) as unknown;
          // As text: the order of the fields counts as well.
          expect(JSON.stringify(answer), told).toBe(JSON.stringify({ data: expected.data }));
          compared += 1;
        }
      } finally {
        await gateway.close();
      }
    }),
    { numRuns: SCHEMAS },
  );
  expect(compared).toBeGreaterThanOrEqual(SCHEMAS * DOCUMENTS);
}, 600_000);
