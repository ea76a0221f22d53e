/** What PostgreSQL has acknowledged to the writers, kept apart from every database. */
export class Ledger {
  readonly commits = new Map<string, number>();
  /** `table.column key` → sum of all acknowledged increments. */
  readonly counters = new Map<string, number>();
  /** Order id → how many lines it was committed with. */
  readonly orders = new Map<string, number>();
  readonly notes = new Set<string>();
  readonly deletedNotes = new Set<string>();
  /** Transactions that PostgreSQL refused or that gave way, whole. */
  refused = 0;
  increments = 0;

  committed(region: string, facts: readonly Fact[]): void {
    this.commits.set(region, (this.commits.get(region) ?? 0) + 1);
    for (const fact of facts) this.#enter(fact);
  }

  get transactions(): number {
    return [...this.commits.values()].reduce((sum, count) => sum + count, 0);
  }

  get inserts(): number {
    const lines = [...this.orders.values()].reduce((sum, count) => sum + count, 0);
    return this.orders.size + lines + this.notes.size;
  }

  #enter(fact: Fact): void {
    switch (fact.kind) {
      case 'added': {
        const name = counterName(fact);
        this.counters.set(name, (this.counters.get(name) ?? 0) + fact.delta);
        this.increments += 1;
        return;
      }
      case 'ordered':
        this.orders.set(fact.order, fact.lines);
        return;
      case 'noted':
        this.notes.add(fact.note);
        return;
      default:
        this.deletedNotes.add(fact.note);
    }
  }
}

/** One thing that an acknowledged transaction did, as far as it can be checked afterwards. */
export type Fact =
  | (Counter & { readonly kind: 'added'; readonly delta: number })
  | { readonly kind: 'ordered'; readonly order: string; readonly lines: number }
  | { readonly kind: 'noted'; readonly note: string }
  | { readonly kind: 'deleted'; readonly note: string };

export interface Counter {
  readonly column: 'products.stock' | 'products.sold' | 'customers.points';
  readonly key: string;
}

export function counterName({ column, key }: Counter): string {
  return `${column} ${key}`;
}
