import type { Logger } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';
import type { Fence } from '#replicator/engine/apply/fence.ts';
import type { KnownVersions } from '#replicator/engine/apply/known-versions.ts';
import type { LocalTables } from '#replicator/engine/apply/local-tables.ts';
import type { Quarantine } from '#replicator/engine/apply/quarantine.ts';
import type { Spill } from '#replicator/engine/index/spill.ts';
import type { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';

/** What an apply transaction works with; all of it belongs to one server incarnation. */
export interface ApplyContext {
  readonly region: RegionId;
  readonly index: UnstableIndex;
  readonly versions: KnownVersions;
  readonly tables: LocalTables;
  readonly quarantine: Quarantine;
  readonly fence: Fence;
  readonly spill: Spill;
  readonly logger: Logger;
  readonly useOrigin: boolean;
  readonly lockTimeoutMs: number;
  readonly fenceTimeoutMs: number;
}
