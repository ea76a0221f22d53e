import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DemoReport } from '#deploy/demo/demo-report.ts';

const COMMAND = join(import.meta.dirname, '../../../deploy/bin/everywrite.mjs');

test('the demo writes everywhere, cuts a region off, and ends equal with nothing lost', async () => {
  const { code, out, err } = await new Promise<{ code: number; out: string; err: string }>(
    (resolve) => {
      const args = [COMMAND, 'demo', '--seconds', '8', '--json'];
      const options = { maxBuffer: 16 * 1024 * 1024 };
      execFile(process.execPath, args, options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), out: stdout, err: stderr });
      });
    },
  );
  const report = JSON.parse(out) as DemoReport;
  expect(report).toMatchObject({ ok: true, converged: true, regions: ['eu', 'us', 'ap'] });
  expect(code).toBe(0);
  expect(report.verify.tables.map(({ table, verdict }) => `${table} ${verdict}`)).toEqual([
    'public.customers equal',
    'public.notes equal',
    'public.order_lines equal',
    'public.orders equal',
    'public.products equal',
    'public.pulse equal',
  ]);
  for (const commits of Object.values(report.commits)) expect(commits).toBeGreaterThan(20);
  expect(report.increments).toBeGreaterThan(50);
  expect(report.inserts).toBeGreaterThan(50);
  expect(report.conflicts).toBeGreaterThan(0);
  expect(report.examples.length).toBeGreaterThan(0);
  expect(report.cut?.commitsAlone).toBeGreaterThan(0);
  expect(report.torn).toMatchObject({ seen: 0 });
  expect(report.lag?.samples).toBeGreaterThan(100);
  // Progress goes to the other stream, line by line, because nobody watches.
  expect(err).toContain('together: all regions write the same rows');
  expect(err).not.toContain('\u001B');
});
