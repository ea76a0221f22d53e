import type { RegionId } from '#core/region.ts';
import type { TableModel } from '#sim/run/world.ts';
import type { LinkLatency } from '#sim/run/world.ts';

/** What is simulated: written by a person, drawn from a seed, or cut down from a failure. */
export interface Scenario {
  readonly name: string;
  /** What it shows, in one sentence. */
  readonly about: string;
  readonly regions: readonly RegionId[];
  readonly latency: readonly LinkLatency[];
  readonly logSyncIntervalMs: number;
  /** Limits of the engine, named as in the configuration file. */
  readonly replication: Readonly<Record<string, number>>;
  readonly tables: readonly TableModel[];
  readonly workload: readonly WorkloadItem[];
  readonly faults: readonly PlannedFault[];
  /** When all faults end; the load goes on until `loadMs`. */
  readonly healMs: number;
  readonly loadMs: number;
  readonly expect: Expectations;
}

export const WORKLOADS = {
  shop: 'orders are inserted, changed and deleted, stock is counted down, products are renamed',
  counter: 'everybody counts the same few products up and down',
  churn: 'the same keys are deleted and inserted again',
  unique: 'users are registered under names that other regions take at the same time',
  family: 'children are inserted while their parents are deleted',
  bulk: 'large transactions of `rows` rows each',
  hold: 'transactions that stay open for `hold` before they commit',
  pair: 'two rows in opposite orders: deadlocks',
  truncate: 'a table is emptied while others write to it',
  tables: 'inserts, updates and deletes in every table of the schema: for your own',
  read: 'reads of random rows',
  probe: 'half of the clients write, half read, at a fixed pace: what RTO is measured by',
} as const;
export type WorkloadName = keyof typeof WORKLOADS;

export interface WorkloadItem {
  readonly use: WorkloadName;
  /** Operations a second over all clients of one region. */
  readonly ratePerSecond: number;
  /** Clients in each region. */
  readonly clients: number;
  readonly regions: readonly RegionId[];
  /** How many keys it works on; few are hot. */
  readonly keys: number;
  readonly rows: number;
  readonly holdMs: number;
  /** Rows are chosen by Zipf's law with this exponent; 0 is uniform. */
  readonly zipf: number;
}

export type Trigger =
  | { readonly kind: 'at'; readonly ms: number }
  | { readonly kind: 'after'; readonly event: string; readonly count: number };

export type FaultValue = string | number | readonly string[];

/** `fields` are those of its word in the vocabulary, read and checked. */
export interface PlannedFault {
  readonly trigger: Trigger;
  readonly do: string;
  readonly fields: Readonly<Record<string, FaultValue>>;
  /** Null: until the heal. */
  readonly forMs: number | null;
}

export interface Expectations {
  /** Ids of properties that must hold; those that could not be judged are said to be unknown. */
  readonly properties: readonly string[];
  /** Ids of properties that are known not to hold here yet, each with the reason. */
  readonly except: Readonly<Record<string, string>>;
  readonly rpo: {
    readonly lost: number;
    readonly strandedMaxAgeMs: number | null;
    readonly exposureP99Ms: number | null;
  };
  readonly rto: { readonly writeP95Ms: number | null; readonly readP95Ms: number | null };
  readonly convergeWithinMs: number;
  /** What a run must at least have done, so that it proves anything. */
  readonly atLeast: {
    readonly writes: number;
    readonly conflicts: number;
    readonly faults: number;
  };
}
