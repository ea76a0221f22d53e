/** The time axis that all figures share. */
export const WIDTH = 1100;
export const LEFT = 76;

export function xOf(us: number, endUs: number): number {
  return Math.round((LEFT + (us / endUs) * (WIDTH - LEFT)) * 10) / 10;
}

/** Ticks at round seconds, ten or so. */
export function axis(endUs: number, y: number): string {
  const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600].map((seconds) => seconds * 1_000_000);
  const step = steps.find((candidate) => endUs / candidate <= 14) ?? endUs;
  const ticks: string[] = [];
  for (let us = 0; us <= endUs; us += step) {
    ticks.push(
      `<text x="${xOf(us, endUs)}" y="${y + 14}" text-anchor="${us === 0 ? 'start' : 'middle'}">${us / 1_000_000} s</text>`,
    );
  }
  return ticks.join('');
}
