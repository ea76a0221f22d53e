import type { RunEnd } from '#sim/kernel/kernel.ts';
import type { TraceEntry } from '#sim/kernel/run-trace.ts';

/** One run with its trace kept. */
export interface TracedRun {
  readonly end: RunEnd;
  readonly entries: readonly TraceEntry[];
}

export type DoubleRun =
  | { readonly kind: 'same'; readonly hash: string }
  | {
      readonly kind: 'different';
      /** Index of the first point that differs. */
      readonly at: number;
      readonly common: readonly TraceEntry[];
      /** Undefined: that run had ended. */
      readonly first: TraceEntry | undefined;
      readonly second: TraceEntry | undefined;
    };

const COMMON_SHOWN = 20;

/** Runs twice and says where the two first differ: at a traced point, or between it and the one before. */
export async function runTwice(run: () => Promise<TracedRun>): Promise<DoubleRun> {
  const first = await run();
  const second = await run();
  return compareRuns(first, second);
}

export function compareRuns(first: TracedRun, second: TracedRun): DoubleRun {
  const length = Math.max(first.entries.length, second.entries.length);
  for (let at = 0; at < length; at++) {
    const left = first.entries[at];
    const right = second.entries[at];
    if (left?.low === right?.low && left?.high === right?.high) continue;
    const common = first.entries.slice(Math.max(0, at - COMMON_SHOWN), at);
    return { kind: 'different', at, common, first: left, second: right };
  }
  if (first.end.hash === second.end.hash) return { kind: 'same', hash: first.end.hash };
  const common = first.entries.slice(-COMMON_SHOWN);
  return { kind: 'different', at: length, common, first: undefined, second: undefined };
}

/** The comparison for a person: the last points in common, then the two that differ. */
export function describeDifference(result: DoubleRun): string {
  if (result.kind === 'same') return `Both runs: ${result.hash}.`;
  const lines = result.common.map((entry) => `      ${describePoint(entry)}`);
  const first = result.first === undefined ? 'no further point' : describePoint(result.first);
  const second = result.second === undefined ? 'no further point' : describePoint(result.second);
  return [...lines, `first ${first}`, `second ${second}`].join('\n');
}

export function describePoint({ atUs, name, fields }: TraceEntry): string {
  const seconds = `${Math.floor(atUs / 1_000_000)}.${String(atUs % 1_000_000).padStart(6, '0')}`;
  const said = Object.entries(fields).map(([field, value]) => `${field}=${String(value)}`);
  return [seconds, name, ...said].join(' ');
}
