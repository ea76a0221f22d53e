import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startNats } from '#deploy/local/nats-server.ts';
import { freePort } from '#deploy/local/ports.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import type { PrepareReport } from '#replicator/pg/prepare-report.ts';
import type { Check } from '#replicator/pg/doctor/check.ts';
import { scratchDatabase, scratchServer } from '#tests/replicator/pg/scratch-database.ts';

const COMMAND = join(import.meta.dirname, '../../../deploy/bin/everywrite.mjs');

interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function everywrite(args: readonly string[], env: Record<string, string> = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env } };
    execFile(process.execPath, [COMMAND, ...args], options, (error, out, err) => {
      const code = error === null ? 0 : Number(error.code);
      resolve({ code, out, err });
    });
  });
}

test('doctor, init, init again, doctor: as an operator would', async () => {
  await using scratch = await scratchServer();
  const directory = await temporaryDirectory('cli');
  const nats = await startNats({
    name: 'cli',
    storeDir: join(directory.path, 'nats'),
    port: await freePort(),
  });
  try {
    await using database = await scratchDatabase(
      scratch,
      'shop',
      'CREATE TABLE account (id serial PRIMARY KEY, balance int); CREATE TABLE keyless (n int);',
    );
    const file = join(directory.path, 'everywrite.yaml');
    const peer = `nats://127.0.0.1:${await freePort()}`;
    await writeFile(
      file,
      `cluster: shop
regions:
  eu: { database: '\${SHOP_EU}', nats: '${nats.url}' }
  us: { database: 'postgres://app:hunter2@127.0.0.1:1/shop', nats: '${peer}' }
columns: { public.account.balance: counter }
`,
    );
    const where = ['--config', file, '--region', 'eu'];
    const env = { SHOP_EU: database.url };
    const before = await everywrite(['doctor', ...where], env);
    expect(before).toMatchObject({ code: 1, err: '' });
    expect(before.out).toContain('fix: run "everywrite init"');

    const first = await everywrite(['init', ...where], env);
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toContain('+ slot             everywrite_shop');
    expect(first.out).toContain('! public.keyless has no primary key');
    const again = await everywrite(['init', ...where, '--json'], env);
    const report = JSON.parse(again.out) as PrepareReport;
    expect(report.actions.every((action) => action.outcome === 'unchanged')).toBe(true);

    const after = await everywrite(['doctor', ...where, '--json'], env);
    const { checks } = JSON.parse(after.out) as { readonly checks: readonly Check[] };
    expect(checks.filter((check) => check.status === 'fail')).toEqual([]);
    expect(after.code).toBe(0);
    const status = (id: string) => checks.find((check) => check.id === id)?.status;
    expect([status('nats'), status('peer-us'), status('log-durability')]).toEqual([
      'ok',
      'warn',
      'warn',
    ]);
    expect(before.out + after.out).not.toContain('hunter2');

    await nats.stop();
    await scratch.server.stop('immediate');
    const down = await everywrite(['doctor', ...where], env);
    expect(down.code).toBe(1);
    expect(down.out).toMatch(/fail +database/);
    expect(down.out).toMatch(/fail +nats/);
    expect((await everywrite(['init', ...where], env)).code).toBe(3);
    expect((await everywrite(['init', ...where])).err).toContain('SHOP_EU is not set');
  } finally {
    await nats.stop();
    await directory.remove();
  }
});
