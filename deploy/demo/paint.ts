/** Colours, or none: what is red is also said in words. */
export interface Paint {
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
  bold(text: string): string;
  dim(text: string): string;
}

export const PLAIN: Paint = { good: same, warn: same, bad: same, bold: same, dim: same };

export const COLOURED: Paint = {
  good: sgr(32, 39),
  warn: sgr(33, 39),
  bad: sgr(31, 39),
  bold: sgr(1, 22),
  dim: sgr(2, 22),
};

function sgr(on: number, off: number): (text: string) => string {
  return (text) => (text === '' ? '' : `\u001B[${on}m${text}\u001B[${off}m`);
}

function same(text: string): string {
  return text;
}
