import fc from 'fast-check';
import { expect, test } from 'vitest';
import { onTopOf } from '#conflict/column-type.ts';
import { KeyState } from '#conflict/key-state.ts';
import { Recorder } from '#tests/conflict/recorder.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import type { RowKey } from '#core/row-key.ts';
import {
  causalOrder,
  chooser,
  COLUMNS,
  draws,
  keyOf,
  playRegions,
  rowIn,
} from '#tests/conflict/region-histories.ts';
import {
  operationsOn,
  specifiedAlive,
  specifiedConflicts,
  specifiedValue,
} from '#tests/conflict/specification.ts';

const RUNS = { numRuns: 500 };
const KEY = keyOf(0);
const choices = fc.infiniteStream(fc.nat());
const STABLE = new Map([[KEY, [KEY, 'x', '7']]]);

function fold(history: readonly ChangeTransaction[], key: RowKey, recorder: Recorder): KeyState {
  return operationsOn(history, key).reduce(
    (state, { by, op }) => state.fold(by, op, recorder),
    KeyState.EMPTY,
  );
}

test('a row that operations made is what they mean, in every order of arrival', () => {
  fc.assert(
    fc.property(draws(2, 30), choices, (steps, numbers) => {
      const history = playRegions(steps);
      const state = fold(causalOrder(history, chooser(numbers)), KEY, new Recorder());
      const ops = operationsOn(history, KEY);
      expect(state.alive()).toBe(specifiedAlive(ops));
      if (state.alive() === true)
        expect(state.image(COLUMNS)).toEqual(rowIn(history, KEY, new Map()));
    }),
    RUNS,
  );
});

test('a row older than all operations is what they make of it', () => {
  fc.assert(
    fc.property(draws(1, 24), choices, (steps, numbers) => {
      const history = playRegions(steps, STABLE);
      const state = fold(causalOrder(history, chooser(numbers)), KEY, new Recorder());
      const ops = operationsOn(history, KEY);
      expect(state.alive()).toBe(specifiedAlive(ops));
      if (state.alive() === false) return;
      const row = STABLE.get(KEY) ?? [];
      const projected = COLUMNS.map((name, at) => state.project(name, onTopOf(row[at] ?? null)));
      expect(projected).toEqual(
        COLUMNS.map((name, at) => specifiedValue(ops, name, row[at] ?? null)),
      );
    }),
    RUNS,
  );
});

test('the open conflicts are the canonical pairs, found by looking at all pairs', () => {
  fc.assert(
    fc.property(draws(1, 24), choices, (steps, numbers) => {
      const history = playRegions(steps);
      const recorder = new Recorder();
      fold(causalOrder(history, chooser(numbers)), KEY, recorder);
      expect(recorder.open).toEqual(specifiedConflicts(operationsOn(history, KEY), COLUMNS));
    }),
    RUNS,
  );
});

test('a TRUNCATE that is met again changes nothing', () => {
  fc.assert(
    fc.property(draws(1, 24), (steps) => {
      const history = playRegions(steps);
      const recorder = new Recorder();
      const state = fold(history, KEY, recorder);
      const truncates = operationsOn(history, KEY).filter(({ op }) => op.kind === 'truncate');
      const open = recorder.open;
      const again = truncates.reduce((s, { by, op }) => s.fold(by, op, recorder), state);
      const alone = truncates.every(({ by }) => by.ops.at(-1)?.kind === 'truncate');
      if (!alone) return;
      expect(again.alive()).toBe(state.alive());
      expect(recorder.open).toEqual(open);
    }),
  );
});
