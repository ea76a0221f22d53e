import type { Io } from '#deploy/cli/command.ts';
import { COLOURED, PLAIN } from '#deploy/demo/paint.ts';
import type { Paint } from '#deploy/demo/paint.ts';
import { lagNumber, progressBlock } from '#deploy/demo/progress-block.ts';
import type { PairProgress, Progress, Step } from '#deploy/demo/progress.ts';

const LINE_EVERY_MS = 5_000;
const HIDE_CURSOR = '\u001B[?25l';
const SHOW_CURSOR = '\u001B[?25h';
const CLEAR_BELOW = '\u001B[J';
/** The terminal draws between these at once, where it knows them: no flicker. */
const BEGIN_FRAME = '\u001B[?2026h';
const END_FRAME = '\u001B[?2026l';

/** Where the progress is shown. */
export interface Display {
  readonly paint: Paint;
  show(progress: Progress): void;
  /** Leaves the last picture standing and gives the cursor back. */
  end(): void;
}

/** What the display needs to know of the terminal. */
export interface Terminal {
  readonly interactive: boolean;
  readonly coloured: boolean;
  readonly rows: number;
}

/** A pipe, a CI log and a dumb terminal get plain lines instead of a block that is drawn again. */
export function terminalOf(
  stream: { readonly isTTY?: boolean; readonly rows?: number },
  env: Io['env'],
): Terminal {
  const interactive = stream.isTTY === true && env['TERM'] !== 'dumb' && (env['CI'] ?? '') === '';
  const rows = stream.rows ?? 24;
  return { interactive, coloured: interactive && (env['NO_COLOR'] ?? '') === '', rows };
}

export function blockDisplay(out: (text: string) => void, terminal: Terminal): Display {
  const paint = terminal.coloured ? COLOURED : PLAIN;
  let drawn = 0;
  out(HIDE_CURSOR);
  return {
    paint,
    show(progress) {
      const lines = progressBlock(progress, paint).flatMap((line) => line.split('\n'));
      // What has scrolled out of the window cannot be drawn over: then the older steps go first.
      const shown = lines.slice(-Math.max(1, terminal.rows - 2));
      const back = drawn > 0 ? `\u001B[${drawn}A\r` : '';
      out(`${BEGIN_FRAME}${back}${CLEAR_BELOW}${shown.join('\n')}\n${END_FRAME}`);
      drawn = shown.length;
    },
    end: () => out(SHOW_CURSOR),
  };
}

/** A line when a step begins or ends, and one every few seconds in between. */
export function lineDisplay(out: (text: string) => void): Display {
  let lastAt = performance.now();
  const told = new Map<string, Step['state']['kind']>();
  return {
    paint: PLAIN,
    show(progress) {
      for (const { name, what, state } of progress.steps) {
        if (state.kind === 'to-do' || told.get(name) === state.kind) continue;
        told.set(name, state.kind);
        lastAt = performance.now();
        const took = state.kind === 'done' ? ` (${(state.elapsedMs / 1_000).toFixed(1)} s)` : '';
        const text = state.kind === 'done' ? (state.result ?? 'done') : what;
        out(`${name}: ${text}${took}\n`);
      }
      if (performance.now() - lastAt < LINE_EVERY_MS || progress.regions.length === 0) return;
      lastAt = performance.now();
      out(`  ${figures(progress)}\n`);
    },
    end: () => undefined,
  };
}

function figures({ regions, pairs, conflicts }: Progress): string {
  const rates = regions.map(({ region, perSecond }) => `${region} ${perSecond.toFixed(0)}/s`);
  const lags = pairs.map((pair) => `${pair.from}>${pair.to} ${stateOf(pair)}`);
  return `commits ${rates.join(' ')}; lag ms ${lags.join(', ')}; ${conflicts} conflicts`;
}

function stateOf({ link }: PairProgress): string {
  switch (link.kind) {
    case 'cut':
      return 'cut';
    case 'catching-up':
      return 'catching up';
    default:
      return link.lag === null ? '-' : `${lagNumber(link.lag.p50)}/${lagNumber(link.lag.p99)}`;
  }
}
