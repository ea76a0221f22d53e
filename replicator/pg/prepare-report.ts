import type { RegionId } from '#core/region.ts';
import type { LeftOutTable } from '#replicator/pg/select-tables.ts';

/** One thing that `everywrite init` looked at, and what it did about it. */
export interface PrepareAction {
  readonly step:
    | 'schema'
    | 'replica-identity'
    | 'settings'
    | 'publication'
    | 'sequence'
    | 'region'
    | 'slot';
  readonly target: string;
  /** `refused`: it must stay as it is, and `detail` says why and what to do. */
  readonly outcome: 'done' | 'unchanged' | 'refused';
  readonly detail: string;
}

export interface PrepareReport {
  readonly cluster: string;
  readonly region: RegionId;
  readonly epoch: number;
  readonly slot: string;
  readonly publication: string;
  /** The row of everywrite.settings in effect now. */
  readonly settings: number;
  readonly tables: readonly string[];
  readonly leftOut: readonly LeftOutTable[];
  readonly actions: readonly PrepareAction[];
}
