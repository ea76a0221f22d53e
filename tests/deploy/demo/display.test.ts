import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { choose, conflictSentences } from '#deploy/demo/conflict-sentences.ts';
import type { RecordedConflict } from '#deploy/demo/conflict-sentences.ts';
import { blockDisplay, lineDisplay, terminalOf } from '#deploy/demo/display.ts';
import { COLOURED, PLAIN } from '#deploy/demo/paint.ts';
import { progressBlock, stepLine } from '#deploy/demo/progress-block.ts';
import { demoSteps } from '#deploy/demo/scenario.ts';
import type { PairProgress, Progress } from '#deploy/demo/progress.ts';

const NAMES = ['eu', 'us', 'ap'];

function pair(from: string, to: string): PairProgress {
  const lag = { p50: 123.4, p99: 1_234.5, samples: 100 };
  const link = from === 'ap' || to === 'ap' ? ({ kind: 'cut', sinceMs: 7_400 } as const) : null;
  return { from, to, latencyMs: 90, link: link ?? { kind: 'open', lag } };
}

const PROGRESS: Progress = {
  steps: [
    { name: 'servers', what: 'starting', state: { kind: 'done', elapsedMs: 3_210, result: null } },
    {
      name: 'cut',
      what: 'ap cannot reach anybody; everybody goes on writing',
      state: { kind: 'doing', elapsedMs: 4_000, totalMs: 8_000 },
    },
    { name: 'healed', what: 'ap is back', state: { kind: 'to-do' } },
  ],
  regions: NAMES.map((region) => {
    const history = Array.from({ length: 24 }, (_, at) => at * 10);
    return { region, commits: 123_456, perSecond: 1_234.5, history };
  }),
  pairs: NAMES.flatMap((from) => NAMES.filter((to) => to !== from).map((to) => pair(from, to))),
  conflicts: 12_345,
};

test('the block fits 80 columns and 24 rows, coloured or not', () => {
  const lines = progressBlock(PROGRESS, COLOURED).flatMap((line) => line.split('\n'));
  const plain = lines.map((line) => stripVTControlCharacters(line).trimEnd());
  expect(Math.max(...plain.map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(plain.length + 5).toBeLessThanOrEqual(24);
  const uncoloured = progressBlock(PROGRESS, PLAIN).flatMap((line) => line.split('\n'));
  expect(plain).toEqual(uncoloured.map((line) => line.trimEnd()));
  expect(plain.join('\n')).toContain('━━━━━━━━━━━━━━━━━━━━━━━━ 4 of 8 s');
  expect(plain.join('\n')).toContain('cut for 7 s');
});

test('every step fits the line, with its time', () => {
  for (const step of demoSteps().steps()) {
    const line = stepLine(
      { ...step, state: { kind: 'doing', elapsedMs: 12_345, totalMs: null } },
      PLAIN,
    );
    expect(line.length).toBeLessThanOrEqual(80);
  }
});

test('only a living terminal gets the block, and NO_COLOR is obeyed', () => {
  const tty = { isTTY: true, rows: 30 };
  expect(terminalOf(tty, { TERM: 'xterm' })).toEqual({
    interactive: true,
    coloured: true,
    rows: 30,
  });
  expect(terminalOf(tty, { NO_COLOR: '1' })).toMatchObject({ interactive: true, coloured: false });
  expect(terminalOf(tty, { TERM: 'dumb' }).interactive).toBe(false);
  expect(terminalOf(tty, { CI: 'true' }).interactive).toBe(false);
  expect(terminalOf({}, {}).interactive).toBe(false);
});

test('the block is drawn over itself, and the cursor comes back', () => {
  let out = '';
  const display = blockDisplay((text) => void (out += text), {
    interactive: true,
    coloured: true,
    rows: 10,
  });
  display.show(PROGRESS);
  out = '';
  display.show(PROGRESS);
  // No more than what fits into the window can be drawn over.
  expect(out).toContain('\u001B[8A');
  display.end();
  expect(out.endsWith('\u001B[?25h')).toBe(true);
});

test('without a terminal each step is told once, in plain lines', () => {
  let out = '';
  const display = lineDisplay((text) => void (out += text));
  display.show(PROGRESS);
  display.show(PROGRESS);
  expect(out).toBe(
    'servers: done (3.2 s)\ncut: ap cannot reach anybody; everybody goes on writing\n',
  );
});

const PRICE: RecordedConflict = {
  relation: 'public.products',
  key: '17',
  column: 'price',
  kind: 'update-update',
  winnerRegion: 'us',
  winnerValue: '12.90',
  loserRegion: 'eu',
  loserValue: '13.40',
};

test('conflicts are told in plain words', () => {
  expect(conflictSentences(PRICE).join(' ')).toBe(
    "products 17, price: us wrote 12.90 while eu wrote 13.40. us's came later and stands.",
  );
  const row = {
    ...PRICE,
    column: '*',
    winnerValue: '{"delete":{"id":"17"}}',
    loserValue: '{"update":{"name":"x","tags":"{}"}}',
  };
  expect(conflictSentences(row)[0]).toBe(
    'products 17: us deleted it while eu changed its name and tags.',
  );
});

test('the examples differ in kind before they differ in anything else', () => {
  const state = { ...PRICE, column: 'state' };
  const gone = { ...PRICE, column: '*', kind: 'update-delete' };
  expect(choose([state, gone, PRICE], 2)).toEqual([state, gone]);
  expect(choose([state, gone, PRICE, { ...PRICE, column: 'tags' }], 3)).toEqual([
    state,
    gone,
    PRICE,
  ]);
});
