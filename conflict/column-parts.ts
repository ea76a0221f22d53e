import { happenedBefore } from '#core/transaction.ts';
import type { PatchCell, TransactionHeader } from '#core/transaction.ts';
import { editsOf, forgetSeen, withEdit } from '#conflict/edit-list.ts';
import type { EditList } from '#conflict/edit-list.ts';
import { Frontier } from '#conflict/frontier.ts';
import type { IsStable, Rivalry, Write } from '#conflict/frontier.ts';
import { isWithin } from '#conflict/path.ts';

/** One part of a value as somebody left it; null: gone. */
export interface PartWrite {
  readonly by: TransactionHeader;
  readonly value: string | null;
}

interface Settled {
  /** What stays when no assignment does. */
  readonly parts: ColumnParts;
  /** What stays beside assignments that stay. */
  readonly besideAssignments: ColumnParts;
  /** Some part that stays had not seen one of the assignments. */
  readonly needsAssignments: boolean;
}

/** The parts of one column that were written apart from the whole: registers and sequences, by path. */
export class ColumnParts {
  readonly registers: ReadonlyMap<string, Frontier<PartWrite>>;
  readonly edits: ReadonlyMap<string, EditList>;

  constructor(
    registers: ReadonlyMap<string, Frontier<PartWrite>>,
    edits: ReadonlyMap<string, EditList>,
  ) {
    this.registers = registers;
    this.edits = edits;
  }

  static readonly NONE = new ColumnParts(new Map(), new Map());

  get isEmpty(): boolean {
    return this.registers.size === 0 && this.edits.size === 0;
  }

  with(
    by: TransactionHeader,
    { writes, edits }: PatchCell,
    rivalry: (path: string) => Rivalry<PartWrite>,
  ): ColumnParts {
    const registers = writes.length === 0 ? this.registers : new Map(this.registers);
    const sequences = edits.length === 0 ? this.edits : new Map(this.edits);
    if (registers instanceof Map) {
      for (const [path, value] of writes) {
        const frontier = registers.get(path) ?? new Frontier<PartWrite>([]);
        registers.set(path, frontier.fold({ by, value }, rivalry(path)));
      }
    }
    if (sequences instanceof Map) {
      for (const edit of edits) {
        sequences.set(edit[0], withEdit(sequences.get(edit[0]) ?? null, by, edit));
      }
    }
    return new ColumnParts(registers, sequences);
  }

  /**
   * A part is forgotten once it is stable, and so is every part inside or around it that had not seen
   * it: the two together say what the value is.
   */
  prune(isStable: IsStable, assignments: readonly Write[]): Settled {
    if (this.isEmpty) return NOTHING;
    const kept = new Map<string, readonly TransactionHeader[]>();
    const parts = this.#withoutSettled(isStable, kept);
    const standing = [...kept.values()].flat();
    const needsAssignments = standing.some((by) =>
      assignments.some((write) => !happenedBefore(write.by, by)),
    );
    const beside = this.#where((by) => assignments.some((a) => !happenedBefore(by, a.by)), parts);
    return { parts, besideAssignments: beside, needsAssignments };
  }

  *headers(): Iterable<TransactionHeader> {
    for (const frontier of this.registers.values()) yield* frontier.headers();
    for (const list of this.edits.values()) for (const { by } of editsOf(list)) yield by;
  }

  #withoutSettled(
    isStable: IsStable,
    kept: Map<string, readonly TransactionHeader[]>,
  ): ColumnParts {
    const registers = new Map<string, Frontier<PartWrite>>();
    const edits = new Map<string, EditList>();
    const keep = (path: string, headers: Iterable<TransactionHeader>): void => {
      kept.set(path, [...(kept.get(path) ?? []), ...headers]);
    };
    for (const [path, frontier] of this.registers) {
      const pruned = frontier.prune(isStable);
      if (pruned === null) continue;
      registers.set(path, pruned);
      keep(path, pruned.headers());
    }
    for (const [path, list] of this.edits) {
      const pruned = forgetSeen(list, isStable);
      if (pruned === null) continue;
      edits.set(path, pruned);
      keep(
        path,
        editsOf(pruned).map(({ by }) => by),
      );
    }
    if (kept.size === 0) return ColumnParts.NONE;
    // Around and inside what is kept, until nothing more is.
    for (let more = true; more;) {
      more = false;
      for (const [path, frontier] of this.registers) {
        if (registers.has(path) || !meets(path, frontier.headers(), kept)) continue;
        registers.set(path, frontier);
        keep(path, frontier.headers());
        more = true;
      }
      for (const [path, list] of this.edits) {
        const headers = editsOf(list).map(({ by }) => by);
        if (edits.get(path) === list || !meets(path, headers, kept)) continue;
        edits.set(path, list);
        keep(path, headers);
        more = true;
      }
    }
    return new ColumnParts(registers, edits);
  }

  /** These, and of all others those that `holds` for some writer of. */
  #where(holds: (by: TransactionHeader) => boolean, these: ColumnParts): ColumnParts {
    const registers = new Map(these.registers);
    const edits = new Map(these.edits);
    for (const [path, frontier] of this.registers) {
      if (!registers.has(path) && [...frontier.headers()].some(holds))
        registers.set(path, frontier);
    }
    for (const [path, list] of this.edits) {
      if (edits.get(path) !== list && editsOf(list).some(({ by }) => holds(by))) {
        edits.set(path, list);
      }
    }
    return new ColumnParts(registers, edits);
  }
}

const NOTHING: Settled = {
  parts: ColumnParts.NONE,
  besideAssignments: ColumnParts.NONE,
  needsAssignments: false,
};

function meets(
  path: string,
  headers: Iterable<TransactionHeader>,
  kept: ReadonlyMap<string, readonly TransactionHeader[]>,
): boolean {
  const own = [...headers];
  for (const [other, standing] of kept) {
    if (!isWithin(path, other) && !isWithin(other, path)) continue;
    if (standing.some((by) => own.some((mine) => !happenedBefore(mine, by)))) return true;
  }
  return false;
}
