import { regionOf } from '#core/region.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { PipelineParts } from '#replicator/engine/region/pipeline.ts';
import type { RegionOptions, RegionPorts } from '#replicator/engine/region/ports.ts';
import { describeError, lagOf } from '#replicator/engine/region/status.ts';
import type { OriginStatus, RegionStatus } from '#replicator/engine/region/status.ts';

export function pipelineStatus(
  ports: RegionPorts,
  options: RegionOptions,
  parts: PipelineParts,
): RegionStatus {
  const { applier, capture, index, inbox, matrix, publisher, quarantine, fence } = parts;
  const nowUs = ports.clock.wallUs();
  const nowMs = ports.clock.monotonicMs();
  const origins: Record<string, OriginStatus> = {};
  for (const [origin, copier] of parts.copiers) {
    const { vector } = applier.applied;
    const replica = [...vector.keys()].findLast((r) => regionOf(r) === origin);
    const applied = replica === undefined ? 0 : sequenceOf(vector, replica);
    const { received, receivedMs, offsetUs } = parts.progress.origin(origin);
    const depth = inbox.depth(origin);
    const newest = copier.status.last;
    origins[origin] = {
      source: copier.status.source,
      error: describeError(copier.status.error),
      copied: newest?.lastSequence ?? 0,
      received: received?.lastSequence ?? 0,
      applied,
      inboxItems: depth.items,
      inboxBytes: depth.bytes,
      ...lagOf(newest, applied, inbox.oldestUs(origin), nowUs),
      lagBytes: depth.bytes,
      silentMs: receivedMs === null ? null : nowMs - receivedMs,
      clockOffsetMs: offsetUs === null ? null : Math.round(offsetUs / 1000),
    };
  }
  const { conflicts, lockTimeouts, batches, rows, slowRows, transactions } = applier.counters;
  const counters = { conflicts, lockTimeouts, batches, rows, slowRows, transactions };
  return {
    region: options.region,
    replica: parts.footing.replica,
    phase: 'running',
    error: describeError(publisher.lastError ?? applier.lastError),
    applied: Object.fromEntries(applier.applied.vector),
    stable: Object.fromEntries(matrix.stable()),
    captured: capture.state.sequence,
    unpublishedBytes: publisher.queuedBytes,
    indexKeys: index.size,
    spilledKeys: parts.spill.count,
    dirtyKeys: index.dirtyCount,
    quarantined: quarantine.size,
    counters: { ...counters, fences: fence.passed },
    origins,
  };
}
