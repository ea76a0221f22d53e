import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareStamps, formatDot } from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import type { ConflictSink } from '#conflict/conflict-sink.ts';
import { decodeState, encodeState } from '#conflict/key-state-codec.ts';
import { onTopOf } from '#conflict/column-type.ts';
import { KeyState } from '#conflict/key-state.ts';
import { causalOrder, draws, play, RELATION } from '#tests/conflict/history.ts';
import type { HistoryStep } from '#tests/conflict/history.ts';

const COLUMNS = ['id', 'a', 'b', 'n'];

class Recorder implements ConflictSink {
  readonly open = new Set<string>();

  add(
    column: string,
    kind: string,
    left: { by: TransactionHeader },
    right: { by: TransactionHeader },
  ) {
    this.open.add(`${kind} ${pair(column, left.by, right.by)}`);
  }

  retract(column: string, left: TransactionHeader, right: TransactionHeader) {
    for (const entry of this.open) {
      if (entry.endsWith(` ${pair(column, left, right)}`)) this.open.delete(entry);
    }
  }
}

function pair(column: string, left: TransactionHeader, right: TransactionHeader): string {
  const [low, high] = compareStamps(left, right) < 0 ? [left, right] : [right, left];
  return `${column} ${formatDot(low)} ${formatDot(high)}`;
}

function foldAll(steps: readonly HistoryStep[], recorder: Recorder): KeyState {
  return steps.reduce((state, step) => state.fold(step.by, step.op, recorder), KeyState.EMPTY);
}

function summary(state: KeyState) {
  const alive = state.alive();
  return { alive, row: state.image(COLUMNS) };
}

test('every causal order of arrival gives the same row and the same open conflicts', () => {
  fc.assert(
    fc.property(draws, fc.infiniteStream(fc.nat()), (steps, choices) => {
      const history = play(steps);
      const choose = (count: number): number => (choices.next().value ?? 0) % Math.max(count, 1);
      const recorders = [new Recorder(), new Recorder()] as const;
      const first = foldAll(
        causalOrder(history, () => 0),
        recorders[0],
      );
      const second = foldAll(causalOrder(history, choose), recorders[1]);
      expect(summary(second)).toEqual(summary(first));
      if (first.alive() === true) expect(first.image(COLUMNS)).not.toBeNull();
      expect([...recorders[1].open].toSorted()).toEqual([...recorders[0].open].toSorted());
    }),
    { numRuns: 600 },
  );
});

test('forgetting what is stable changes neither the row nor later conflicts', () => {
  fc.assert(
    fc.property(draws, fc.nat(), (steps, cut) => {
      const history = causalOrder(play(steps), () => 0);
      const at = history.length === 0 ? 0 : cut % history.length;
      // An operation is stable once every operation still to come has seen it.
      const later = history.slice(at);
      const stable = (by: TransactionHeader): boolean =>
        history.slice(0, at).some((s) => s.by === by) &&
        later.every(
          (s) => s.by.replica === by.replica || (s.by.deps.get(by.replica) ?? 0) >= by.sequence,
        );
      const whole = new Recorder();
      const pruned = new Recorder();
      const before = foldAll(history.slice(0, at), whole);
      foldAll(history.slice(0, at), pruned);
      const table = before.image(COLUMNS);
      const rest = before.prune(stable);
      const full = later.reduce((s, step) => s.fold(step.by, step.op, whole), before);
      const short = later.reduce(
        (s, step) => s.fold(step.by, step.op, pruned),
        rest ?? KeyState.EMPTY,
      );
      expect([...pruned.open].toSorted()).toEqual([...whole.open].toSorted());
      if (later.length > 0) expect(short.alive() ?? before.alive()).toEqual(full.alive());
      const revived = before.alive() === false && full.alive() === true;
      if (revived) expect(short.image(COLUMNS)).toEqual(full.image(COLUMNS));
      if (before.alive() === true && full.alive() === true && table !== null) {
        const late = later.filter((s) => s.op.kind === 'update');
        for (const [position, name] of COLUMNS.entries()) {
          const state = short.column(name);
          const stored = storedAfter(table[position] ?? null, late, name, short);
          const projected =
            state?.winner() === undefined && short.insert === null
              ? stored
              : short.project(name, onTopOf(stored));
          expect(projected).toEqual(full.project(name, onTopOf(null)));
        }
      }
    }),
    { numRuns: 600 },
  );
});

/** What incremental apply leaves in the table: deltas are added to the stored value as they come. */
function storedAfter(
  stored: string | null,
  late: readonly HistoryStep[],
  name: string,
  state: KeyState,
): string | null {
  if (state.column(name)?.winner() !== undefined || stored === null) return stored;
  let value = stored;
  for (const { op } of late) {
    if (op.kind !== 'update') continue;
    op.columns.forEach((position, at) => {
      const cell = op.cells[at];
      if (op.relation.columns[position]?.name !== name) return;
      if (typeof cell === 'object' && cell?.kind === 'add')
        value = String(Number(value) + Number(cell.amount));
    });
  }
  return value;
}

test('a state written out and read back goes on as if it had stayed', () => {
  fc.assert(
    fc.property(draws, fc.nat(), (steps, cut) => {
      const history = causalOrder(play(steps), () => 0);
      const at = history.length === 0 ? 0 : cut % (history.length + 1);
      const numbers = { numberOf: () => 0, relation: () => RELATION };
      const whole = new Recorder();
      const parted = new Recorder();
      const older = foldAll(history.slice(0, at), parted);
      const stored = decodeState(encodeState(older, numbers), numbers);
      const later = history.slice(at).reduce((s, { by, op }) => s.fold(by, op, parted), stored);
      const direct = foldAll(history, whole);
      expect(summary(later)).toEqual(summary(direct));
      expect([...parted.open].toSorted()).toEqual([...whole.open].toSorted());
      const names = later.latest.map(formatDot).toSorted();
      expect(names).toEqual(direct.latest.map(formatDot).toSorted());
    }),
    { numRuns: 600 },
  );
});
