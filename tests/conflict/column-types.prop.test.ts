import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ROW_POLICIES } from '#core/relation.ts';
import type { PgText } from '#core/relation.ts';
import { isDelta, onTopOf } from '#conflict/column-type.ts';
import { columnType } from '#conflict/column-types.ts';
import { KeyState } from '#conflict/key-state.ts';
import { Recorder } from '#tests/conflict/recorder.ts';
import { causalOrder, chooser } from '#tests/conflict/region-histories.ts';
import { operationsOn, specifiedAlive } from '#tests/conflict/specification.ts';
import { specifiedTyped } from '#tests/conflict/typed-specification.ts';
import { KEY, TypedRegions, typedDraws } from '#tests/conflict/typed-regions.ts';
import { nextValues, TYPES } from '#tests/conflict/typed-values.ts';

const RUNS = { numRuns: 300 };

test.each(TYPES)('%s: regions that know the same agree, and on what is specified', (type) => {
  const next = nextValues(type);
  fc.assert(
    fc.property(typedDraws, fc.nat(9), (draws, seed) => {
      const stored = seed < 2 ? null : columnType(type).normal(next(null, seed));
      const regions = new TypedRegions(type, stored);
      regions.play(draws, next);
      regions.meet();
      const [first, ...others] = regions.rows;
      for (const other of others) expect(other).toBe(first);
      const ops = operationsOn(regions.history, KEY);
      const alive = specifiedAlive(ops) ?? true;
      expect(first !== undefined).toBe(alive);
      if (alive) expect(first).toBe(specifiedTyped(type, ops, 'v', stored));
    }),
    RUNS,
  );
});

test.each(ROW_POLICIES)(
  'rows that are %s: regions agree on which there are, and what is in them',
  (rows) => {
    const next = nextValues('set');
    // Deletes and inserts, much more often.
    const draws = typedDraws.map((all) =>
      all.map((draw) => (draw.action < 6 ? { ...draw, action: 9 + (draw.action % 3) } : draw)),
    );
    fc.assert(
      fc.property(draws, fc.boolean(), (steps, present) => {
        const stored = present ? '{a}' : undefined;
        const regions = new TypedRegions('set', stored, rows);
        regions.play(steps, next);
        regions.meet();
        const [first, ...others] = regions.rows;
        for (const other of others) expect(other).toBe(first);
        const ops = operationsOn(regions.history, KEY);
        const alive = specifiedAlive(ops, rows) ?? present;
        expect(first !== undefined).toBe(alive);
        if (alive) expect(first).toBe(specifiedTyped('set', ops, 'v', stored ?? null));
      }),
      RUNS,
    );
  },
);

test.each(TYPES)(
  '%s: every causal order gives the same value and the same open conflicts',
  (type) => {
    const next = nextValues(type);
    fc.assert(
      fc.property(typedDraws, fc.infiniteStream(fc.nat()), (draws, numbers) => {
        const regions = new TypedRegions(type, columnType(type).normal(next(null, 7)));
        regions.play(draws, next);
        const outcomes = [0, 1].map(() => {
          const recorder = new Recorder();
          const state = causalOrder(regions.history, chooser(numbers)).reduce(
            (known, by) => by.ops.reduce((s, op) => s.fold(by, op, recorder), known),
            KeyState.EMPTY,
          );
          return { value: state.project('v', onTopOf(null)), open: recorder.open };
        });
        expect(outcomes[1]).toEqual(outcomes[0]);
      }),
      RUNS,
    );
  },
);

test.each(TYPES)('%s: what an UPDATE is read as gives the new value back', (type) => {
  const next = nextValues(type);
  const column = columnType(type);
  fc.assert(
    fc.property(fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 6 }), (seeds) => {
      const values = seeds.reduce<PgText[]>((v, seed) => [...v, next(v.at(-1) ?? null, seed)], []);
      const after = values.at(-1) ?? null;
      const before = column.normal(values.at(-2) ?? null);
      expect(column.diff(after, after)).toBeUndefined();
      expect(column.normal(column.normal(after))).toBe(column.normal(after));
      const cell = column.diff(before, after);
      if (cell === undefined) return;
      const read = isDelta(cell) ? column.apply(before, cell) : cell;
      if (column.normal(after) === after && column.askew?.(before, after) === true)
        expect(read).toBe(before);
      else expect(read).toBe(column.normal(after));
    }),
    RUNS,
  );
});
