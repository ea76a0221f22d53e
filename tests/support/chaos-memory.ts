import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosCluster } from './chaos-cluster.ts';

const SAMPLE_MS = 250;

export interface MemoryWatch {
  /** The most that any replicator process had resident; 0 where /proc is missing. */
  readonly mostMib: number;
  stop(): Promise<void>;
}

/** Samples the resident memory of every replicator until it is stopped. */
export function watchMemory(cluster: ChaosCluster): MemoryWatch {
  const state = { running: true, mostMib: 0 };
  const sampling = (async () => {
    while (state.running) {
      for (const { replicator } of cluster.regions.values()) {
        state.mostMib = Math.max(state.mostMib, replicator.residentMib());
      }
      await sleep(SAMPLE_MS);
    }
  })();
  return {
    get mostMib() {
      return state.mostMib;
    },
    stop: async () => {
      state.running = false;
      await sampling;
    },
  };
}
