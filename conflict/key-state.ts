import type { PgText, Relation } from '#core/relation.ts';
import { compareStamps, happenedBefore, sameDot } from '#core/transaction.ts';
import type { DeleteOp, InsertOp, RowOp, TransactionHeader, UpdateOp } from '#core/transaction.ts';
import { ColumnState } from '#conflict/column-state.ts';
import type { Assignment } from '#conflict/column-state.ts';
import type { ConflictSink } from '#conflict/conflict-sink.ts';
import { isDelta, NO_BASE } from '#conflict/column-type.ts';
import type { Base } from '#conflict/column-type.ts';
import { columnTypeAt } from '#conflict/column-types.ts';
import { claimOf, claimRivalry, decideExistence, mayRevive } from '#conflict/existence.ts';
import type { Claim } from '#conflict/existence.ts';
import { Frontier } from '#conflict/frontier.ts';
import type { IsStable } from '#conflict/frontier.ts';

interface Birth {
  readonly by: TransactionHeader;
  readonly op: InsertOp;
}

interface Death {
  readonly by: TransactionHeader;
  readonly op: DeleteOp;
}

interface Parts {
  readonly claims: Frontier<Claim>;
  readonly columns: readonly ColumnState[];
  readonly insert: Birth | null;
  readonly deletion: Death | null;
  readonly births: readonly TransactionHeader[];
  readonly latest: readonly TransactionHeader[];
}

/**
 * Everything unstable that is known of one row, and what it adds up to. Immutable; `fold` is
 * commutative over causally unordered operations and idempotent by dot, so every region that has
 * folded the same operations holds the same projection and the same open conflicts
 * (tests/conflict/key-state.prop.test.ts).
 */
export class KeyState {
  readonly claims: Frontier<Claim>;
  /** Columns written apart from the insert; the others take the insert's value. */
  readonly columns: readonly ColumnState[];
  /** The only unstable insert, unexpanded: most rows are inserted and not touched while unstable. */
  readonly insert: Birth | null;
  /**
   * The greatest unstable delete, kept after its claim is superseded: a peer where the row survived goes
   * on updating it, and here it must come back whole.
   */
  readonly deletion: Death | null;
  /** Every unstable insert's transaction: which incarnation of the row a writer saw. */
  readonly births: readonly TransactionHeader[];
  /** Newest transaction per replica that touched this row: tells late operations. */
  readonly latest: readonly TransactionHeader[];

  constructor(parts: Parts) {
    this.claims = parts.claims;
    this.columns = parts.columns;
    this.insert = parts.insert;
    this.deletion = parts.deletion;
    this.births = parts.births;
    this.latest = parts.latest;
  }

  static readonly EMPTY = new KeyState({
    claims: new Frontier<Claim>([]),
    columns: [],
    insert: null,
    deletion: null,
    births: [],
    latest: [],
  });

  fold(by: TransactionHeader, op: RowOp, sink: ConflictSink): KeyState {
    const parts: Parts = {
      claims: this.claims.fold(claimOf(by, op, this.births), claimRivalry(sink)),
      columns: this.columns,
      insert: this.insert,
      deletion: op.kind === 'delete' ? laterDeath(this.deletion, { by, op }) : this.deletion,
      births: op.kind === 'insert' ? [...this.births, by] : this.births,
      latest: withLatest(this.latest, by),
    };
    switch (op.kind) {
      case 'insert':
        return this.#foldInsert({ by, op }, parts, sink);
      case 'update':
        return this.#foldUpdate(by, op, parts, sink);
      default:
        return new KeyState(parts);
    }
  }

  /** Whether the row exists; undefined when the table's word stands. */
  alive(): boolean | undefined {
    return decideExistence(this.claims.writes);
  }

  /** True when something that touched this row was not visible to `by`. */
  hasUnseenBy(by: TransactionHeader): boolean {
    return this.latest.some((other) => !happenedBefore(other, by));
  }

  column(name: string): ColumnState | undefined {
    return this.columns.find((column) => column.name === name);
  }

  /** A column's value, given what the table holds of it. */
  project(name: string, base: Base): PgText {
    const column = this.column(name);
    if (column !== undefined && column.winner() !== undefined) return column.project(base);
    if (this.insert === null) return column === undefined ? base.value : column.project(base);
    const at = this.insert.op.relation.columns.findIndex((c) => c.name === name);
    const inserted = at < 0 ? null : (this.insert.op.values[at] ?? null);
    if (column === undefined) return inserted;
    const { by } = this.insert;
    return column.project({ value: inserted, has: (other) => happenedBefore(other, by) });
  }

  /** The whole row, from operations alone; null when no insert or delete carries an image. */
  image(columns: readonly string[]): readonly PgText[] | null {
    const { deletion } = this;
    if (deletion !== null) return columns.map((name) => this.#revived(name, deletion));
    if (this.insert !== null) return columns.map((name) => this.project(name, NO_BASE));
    // Column states alone are a whole row while an insert is unstable: later some are forgotten. A
    // column that only this region has is in none of them.
    const every = columns.every((name) => this.column(name)?.winner() !== undefined);
    return every || this.births.length > 0
      ? columns.map((name) => this.project(name, NO_BASE))
      : null;
  }

  /**
   * Forgets what is stable; null when nothing is left to remember. The image of a row that may come
   * back is the deletion's, plus what that deleter had not seen: some of that may be stable by now and
   * stays all the same.
   */
  prune(isStable: IsStable): KeyState | null {
    const claims = this.claims.prune(isStable);
    const unsure = this.deletion !== null && !isStable(this.deletion.by);
    const doubtful = unsure || (claims !== null && mayRevive(claims.writes));
    const forgotten = doubtful ? this.#settledBy(isStable) : isStable;
    const columns =
      this.columns.length === 0
        ? this.columns
        : this.columns.map((c) => c.prune(forgotten)).filter((c) => c !== null);
    const insert = this.insert !== null && !forgotten(this.insert.by) ? this.insert : null;
    if (claims === null && !unsure && columns.length === 0 && insert === null) return null;
    const latest = this.latest.filter((by) => !isStable(by));
    // A TRUNCATE that is here already need not have seen an insert that is stable by now.
    const births = doubtful ? this.births : this.births.filter((by) => !isStable(by));
    const deletion = doubtful ? this.deletion : null;
    const standing = claims ?? (doubtful ? this.claims : new Frontier<Claim>([]));
    return new KeyState({ claims: standing, columns, insert, deletion, births, latest });
  }

  /** Every transaction that this state refers to: a rebuild must fold the log from before the oldest. */
  *headers(): Iterable<TransactionHeader> {
    yield* this.claims.headers();
    for (const column of this.columns) yield* column.headers();
    if (this.insert !== null) yield this.insert.by;
    if (this.deletion !== null) yield this.deletion.by;
  }

  /**
   * Stable, and in the deletion's image. Whether the other claims have seen it does not matter: the
   * table shows it, and asking would keep half of what a rebuild brings back of a forgotten column.
   */
  #settledBy(isStable: IsStable): IsStable {
    const seers = this.deletion === null ? this.claims.writes : [this.deletion];
    return (by) => isStable(by) && seers.every((seer) => happenedBefore(by, seer.by));
  }

  /** A column of a row that was deleted: what the deleter saw, unless something it did not see decides. */
  #revived(name: string, { by, op }: Death): PgText {
    const column = this.column(name);
    const inserted = this.#isInserted(name) ? this.insert?.by : undefined;
    if (column?.winner() === undefined && inserted !== undefined && !happenedBefore(inserted, by))
      return this.project(name, NO_BASE);
    const at = op.relation.columns.findIndex((known) => known.name === name);
    const value = at < 0 ? null : (op.values[at] ?? null);
    return column === undefined ? value : column.revived(value, by);
  }

  #isInserted(name: string): boolean {
    return this.insert?.op.relation.columns.some((known) => known.name === name) === true;
  }

  #foldInsert(birth: Birth, parts: Parts, sink: ConflictSink): KeyState {
    const { by, op } = birth;
    // What this transaction deleted and inserted again is the row it inserted.
    const again = parts.deletion !== null && sameDot(parts.deletion.by, by);
    const deletion = again ? null : parts.deletion;
    const alone = this.insert === null && this.columns.length === 0;
    if (alone) return new KeyState({ ...parts, deletion, insert: birth });
    const columns = op.relation.columns.map((column, at) => {
      const value = op.values[at] ?? null;
      const type = columnTypeAt(op.relation, at);
      const state = this.#expanded(column.name) ?? ColumnState.blank(column.name, { type, by });
      return state.assign({ by, value, folded: value, fromInsert: true }, type, sink);
    });
    const names = new Set(op.relation.columns.map((column) => column.name));
    const others = this.columns.filter((column) => !names.has(column.name));
    return new KeyState({ ...parts, deletion, columns: [...columns, ...others], insert: null });
  }

  #foldUpdate(by: TransactionHeader, op: UpdateOp, parts: Parts, sink: ConflictSink): KeyState {
    const columns = [...this.columns];
    op.columns.forEach((position, at) => {
      const name = op.relation.columns[position]?.name ?? '';
      const cell = op.cells[at] ?? null;
      const known = columns.findIndex((column) => column.name === name);
      const type = columnTypeAt(op.relation, position);
      const state = columns[known] ?? this.#expanded(name) ?? ColumnState.blank(name, { type, by });
      const next = isDelta(cell)
        ? state.add(by, cell, type, sink)
        : state.assign({ by, value: cell, folded: cell, fromInsert: false }, type, sink);
      if (known < 0) columns.push(next);
      else columns[known] = next;
    });
    return new KeyState({ ...parts, columns });
  }

  /** The column's state, with the insert's value in it if the insert is all that is known. */
  #expanded(name: string): ColumnState | undefined {
    const known = this.column(name);
    if (known !== undefined || this.insert === null) return known;
    const { by, op } = this.insert;
    const at = op.relation.columns.findIndex((column) => column.name === name);
    const value = at < 0 ? null : (op.values[at] ?? null);
    const inserted = new Frontier<Assignment>([{ by, value, folded: value, fromInsert: true }]);
    return new ColumnState(name, { type: columnTypeAt(op.relation, at), by }, inserted, null);
  }
}

/** Positions of the key columns in `columns`, for callers that build statements. */
export function keyNames(relation: Relation): readonly string[] {
  return relation.keyColumns.map((position) => relation.columns[position]?.name ?? '');
}

function laterDeath(known: Death | null, next: Death): Death {
  return known !== null && compareStamps(known.by, next.by) > 0 ? known : next;
}

function withLatest(
  latest: readonly TransactionHeader[],
  by: TransactionHeader,
): readonly TransactionHeader[] {
  const at = latest.findIndex((other) => other.replica === by.replica);
  const known = latest[at];
  if (known === undefined) return [...latest, by];
  return known.sequence >= by.sequence ? latest : latest.with(at, by);
}
