/** Durations, rates and counts as a person writes them in a scenario. */

const UNITS_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
};

/** `800ms`, `3s`, `2m`, `1.5h`, with a sign; milliseconds, or null. */
export function parseDurationMs(text: string): number | null {
  const match = /^([+-]?\d+(?:\.\d+)?)\s*(us|ms|s|min|m|h)$/.exec(text.trim());
  if (match === null) return null;
  return Number(match[1]) * (UNITS_MS[match[2] ?? ''] ?? Number.NaN);
}

/** `60/s`, `10/m`; events a second, or null. */
export function parseRate(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*\/\s*(s|m|h)$/.exec(text.trim());
  if (match === null) return null;
  return (Number(match[1]) * 1_000) / (UNITS_MS[match[2] ?? ''] ?? Number.NaN);
}

/** `2.5 s`, `340 ms`, `0.4 ms`: for people. */
export function formatUs(us: number): string {
  const ms = us / 1_000;
  if (Math.abs(ms) < 1) return ms === 0 ? '0 ms' : `${ms.toFixed(1)} ms`;
  if (Math.abs(ms) < 1_000) return `${ms.toFixed(0)} ms`;
  if (Math.abs(ms) < 100_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (Math.abs(ms) < 6_000_000) return `${(ms / 60_000).toFixed(1)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** `t+01:02.500`, true time since the run began. */
export function formatInstant(us: number): string {
  const totalMs = Math.round(us / 1_000);
  const minutes = Math.floor(totalMs / 60_000);
  const seconds = (totalMs - minutes * 60_000) / 1_000;
  return `t+${String(minutes).padStart(2, '0')}:${seconds.toFixed(3).padStart(6, '0')}`;
}

/** A duration as a scenario has it: the largest unit that leaves a whole number. */
export function writeDuration(ms: number): string {
  if (ms !== 0 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  if (ms % 1_000 === 0) return `${ms / 1_000}s`;
  return `${ms}ms`;
}
