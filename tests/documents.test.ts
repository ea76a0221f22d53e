import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GatewayMetrics } from '#gateway/http/metrics.ts';
import { COMMANDS } from '#deploy/cli/commands.ts';
import { EXIT_CODES_HELP } from '#deploy/cli/exit-codes.ts';
import { parseConfig } from '#replicator/config.ts';
import { metricsText } from '#replicator/metrics.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

/** Documents are promises: what can be checked about them is. */

const README = read('README.md');
const OPERATIONS = read('deploy/OPERATIONS.md');
const DOCUMENTS = [README, OPERATIONS, read('ARCHITECTURE.md'), read('replicator/PROTOCOL.md')];

test('the configuration in the README is valid', () => {
  const [, yaml = ''] = /```yaml\n([^]*?)```/.exec(README) ?? [];
  const config = parseConfig(yaml, { EU_PASSWORD: 'a', US_PASSWORD: 'b' });
  expect([...config.regions.keys()]).toEqual(['eu', 'us']);
  expect(config.columns).toMatchObject([{ table: 'products', type: 'counter' }]);
});

test('every command that a document calls exists', () => {
  const names = COMMANDS.map(({ name }) => name);
  const called = DOCUMENTS.flatMap((text) =>
    [...text.matchAll(/(?:^|[`"])everywrite ([a-z]+)\b/gm)].map(([, name]) => name),
  );
  expect(called.filter((name) => name !== undefined && !names.includes(name))).toEqual([]);
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: object };
  const ran = DOCUMENTS.flatMap((text) =>
    [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name),
  );
  expect(ran.filter((name) => name !== undefined && !(name in scripts))).toEqual([]);
});

test('every option that the README gives a command is in its help', async () => {
  for (const entry of COMMANDS) {
    const lines = README.matchAll(new RegExp(`everywrite ${entry.name}\\b([^\\n\`#]*)`, 'g'));
    const { help } = await entry.load();
    for (const [line, options = ''] of lines) {
      for (const [option] of options.matchAll(/--[a-z-]+/g)) expect(help, line).toContain(option);
    }
  }
});

test('every error code is explained', () => {
  const [, union = ''] = /export type ErrorCode =([^;]*);/.exec(read('core/errors.ts')) ?? [];
  const codes = [...union.matchAll(/'([A-Z_]+)'/g)].map(([, code = '']) => code);
  expect(codes.length).toBeGreaterThan(20);
  expect(codes.filter((code) => !OPERATIONS.includes(`\n| \`${code}\` `))).toEqual([]);
});

test('every metric is explained', () => {
  const origin = { lagMs: 0, lagTransactions: 0, inboxBytes: 0, source: null };
  const status = { region: 'eu', counters: {}, origins: { us: origin } };
  const text = metricsText(status as unknown as RegionStatus);
  const names = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name = '']) => name);
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name) => !OPERATIONS.includes(`\`${name}`))).toEqual([]);
});

test('every metric of the gateway is explained', async () => {
  const none = (): number => 0;
  const metrics = new GatewayMetrics('eu', {
    sockets: none,
    subscriptions: none,
    groups: none,
    causalWaiters: none,
    poolActive: none,
    poolWaiting: none,
    feedRunning: () => true,
    stalenessMs: () => new Map([['us', 1]]),
  });
  const names = [...(await metrics.text()).matchAll(/^# TYPE (everywrite_\w+)/gm)];
  expect(names.length).toBeGreaterThan(8);
  const unexplained = names.filter(([, name = '']) => !OPERATIONS.includes(`\`${name}`));
  expect(unexplained).toEqual([]);
});

test('exit codes in the README are those of the command', () => {
  const lines = EXIT_CODES_HELP.split('\n').slice(1);
  for (const line of lines) {
    const [, code = '', meaning = ''] = /^ *(\d+) +(.*)$/.exec(line) ?? [];
    expect(README).toContain(`| ${code} | ${meaning} |`);
  }
});

test('every case that the README compares is backed by a test that exists', () => {
  const [, section = ''] = /### Case by case([^]*?)\n## /.exec(README) ?? [];
  const rows = [...section.matchAll(/^\|.*\| (\d+) \|$/gm)].map(([, number]) => number);
  const behind = [...section.matchAll(/^(\d+)\. `([^`]+)`: (.+)$/gm)];
  expect(rows.length).toBeGreaterThan(15);
  expect(behind.map(([, number]) => number)).toEqual(rows);
  for (const [, number, path = '', title = ''] of behind) {
    const titles = [...read(path).matchAll(/(?:^|[\s[(])(['`])(.+?)\1,/gm)].map(
      ([, , text]) => text,
    );
    const found = titles.some((text) => text?.includes(title) === true);
    expect(found, `${number}: "${title}" in ${path}`).toBe(true);
  }
});

test('links lead somewhere', () => {
  const files = ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md'].concat(
    'deploy/OPERATIONS.md',
    'replicator/PROTOCOL.md',
  );
  for (const file of files) {
    for (const [, target = ''] of read(file).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [path = '', anchor] = target.split('#');
      const text = read(path === '' ? file : join(file, '..', path));
      if (anchor === undefined) continue;
      const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => slug(title));
      expect(anchors, `${file} → ${target}`).toContain(anchor);
    }
  }
});

function slug(title: string): string {
  const kept = title.toLowerCase().replace(/[^\p{L}\p{N}\s-]/gu, '');
  return kept.trim().replaceAll(' ', '-');
}

function read(path: string): string {
  return readFileSync(join(import.meta.dirname, '..', path), 'utf8');
}
