import type { RegionId } from '#core/region.ts';
import type { ClientAction } from '#sim/history/event.ts';
import type { ClientStep } from '#sim/run/world.ts';

/** One operation of a client, due at a fixed time whatever became of those before: open loop. */
export interface PlannedOperation {
  readonly atUs: number;
  readonly client: string;
  readonly home: RegionId;
  readonly action: ClientAction;
  readonly what: string;
  readonly steps: readonly ClientStep[];
  readonly holdMs: number;
  /** Whether the client turns to another region when its own does not answer. */
  readonly roams: boolean;
}
