import type { ColumnState } from '#conflict/column-state.ts';
import type { Base, ColumnType, Verdict } from '#conflict/column-type.ts';
import { latest, registerType } from '#conflict/families/register.ts';

/**
 * A boolean in which, of concurrent writes, the preferred value stands; NULL gives way to both. Who has
 * seen a value may change it: a flag is not stuck where it was once set.
 */
export function flagType(preferred: 't' | 'f'): ColumnType {
  const order = (value: string | null): number => {
    if (value === null) return 0;
    return value === preferred ? 2 : 1;
  };
  return {
    ...registerType,
    text: preferred === 't' ? 'flag' : 'flag(disable-wins)',
    joinsAssignments: true,
    apply: (value) => value,
    project(column: ColumnState, base: Base) {
      const writes = column.beginnings(base);
      const best = Math.max(...writes.map(({ folded }) => order(folded)));
      const winner = latest(writes.filter(({ folded }) => order(folded) === best));
      return winner === undefined ? base.value : winner.folded;
    },
    judge(left, right): Verdict {
      const difference = order(left) - order(right);
      if (difference === 0) return 'agree';
      return difference > 0 ? 'left' : 'right';
    },
  };
}
