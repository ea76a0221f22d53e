const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `17 B`, `4.2 MB`: three digits are enough to judge by. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value.toFixed(0) : threeDigits(value)} ${UNITS[unit] ?? ''}`;
}

/** `3.1 ms`, `42 ms`, `1.4 s`, `5 min`. */
export function formatMs(ms: number): string {
  if (ms < 1_000) return `${ms < 10 ? trimmed(ms.toFixed(1)) : ms.toFixed(0)} ms`;
  if (ms < 120_000) return `${threeDigits(ms / 1_000)} s`;
  return ms < 7_200_000 ? `${(ms / 60_000).toFixed(0)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

/** `12,345`: the same everywhere, whatever the locale. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

function threeDigits(value: number): string {
  return trimmed(value < 10 ? value.toFixed(1) : value.toFixed(0));
}

function trimmed(text: string): string {
  return text.replace(/\.0$/, '');
}
