import type { Kernel } from '#sim/kernel/kernel.ts';
import type { PortStage } from '#sim/kernel/sim-process.ts';

/** One place of a run where a process can die: its nth port call, before it, after its effect, after its reply. */
export interface CrashPoint {
  /** `eu.repl` */
  readonly process: string;
  readonly number: number;
  readonly stage: PortStage;
}

export const CRASH_STAGES: readonly PortStage[] = ['before', 'effect', 'reply'];

/** Kills the process there, once. `crashed` tells whether the run came by. */
export function armCrash(kernel: Kernel, point: CrashPoint): { readonly crashed: () => boolean } {
  let crashed = false;
  const stop = kernel.onPortCall((process, { number, stage }) => {
    const here = process.name === point.process && number === point.number;
    if (!here || stage !== point.stage || !process.alive) return;
    crashed = true;
    stop();
    process.kill();
  });
  return { crashed: () => crashed };
}

/** How many port calls each process has made: what a sweep enumerates. */
export function countPortCalls(kernel: Kernel): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  kernel.onPortCall(({ name }, { number }) => counts.set(name, number));
  return counts;
}
