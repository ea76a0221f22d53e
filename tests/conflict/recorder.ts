import { formatDot } from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import type { ConflictSink, Contender } from '#conflict/conflict-sink.ts';

/** Keeps the open conflicts as a set of texts, as the conflicts table would. */
export class Recorder implements ConflictSink {
  readonly #open = new Map<string, string>();

  get open(): readonly string[] {
    return [...this.#open.values()].toSorted();
  }

  add(column: string, kind: string, left: Contender, right: Contender): void {
    this.#open.set(name(column, left.by, right.by), `${column} ${kind} ${dots(left.by, right.by)}`);
  }

  retract(column: string, left: TransactionHeader, right: TransactionHeader): void {
    this.#open.delete(name(column, left, right));
  }
}

function name(column: string, left: TransactionHeader, right: TransactionHeader): string {
  return `${column} ${dots(left, right)}`;
}

function dots(left: TransactionHeader, right: TransactionHeader): string {
  return [formatDot(left), formatDot(right)].toSorted().join(' ');
}
