import type { Display } from '#deploy/demo/display.ts';
import type { Isolation } from '#deploy/demo/isolation.ts';
import type { LagRecorder } from '#deploy/demo/lag-recorder.ts';
import type { Ledger } from '#deploy/demo/ledger.ts';
import type { Observer } from '#deploy/demo/observer.ts';
import type { PairProgress, RegionProgress } from '#deploy/demo/progress.ts';
import { latencyMs, REGIONS } from '#deploy/demo/stage.ts';
import type { StepList } from '#deploy/demo/step-list.ts';

const FRAME_MS = 250;
const FRAMES_PER_SECOND = 1_000 / FRAME_MS;
const HISTORY = 24;
/** Rates and lags are those of the last seconds. */
const RATE_WINDOW_MS = 2_000;
export const LAG_WINDOW_MS = 5_000;

/** What the writers are doing; nothing of it is there while servers start. */
export interface Action {
  readonly ledger: Ledger;
  readonly lag: LagRecorder;
  readonly isolation: Isolation;
  readonly observer: Observer;
}

/** Draws the demo four times a second, until it is stopped. */
export class LiveView {
  readonly #display: Display;
  readonly #steps: StepList;
  readonly #timer: NodeJS.Timeout;
  readonly #commits: { readonly at: number; readonly counts: ReadonlyMap<string, number> }[] = [];
  readonly #history = new Map<string, number[]>();
  #action: Action | null = null;
  #frames = 0;
  #stopped = false;

  constructor(display: Display, steps: StepList) {
    this.#display = display;
    this.#steps = steps;
    this.#timer = setInterval(() => this.draw(), FRAME_MS);
    this.draw();
  }

  follow(action: Action): void {
    this.#action = action;
  }

  draw(): void {
    const now = performance.now();
    const action = this.#action;
    action?.isolation.check(now);
    this.#display.show({
      steps: this.#steps.steps(),
      regions: action === null ? [] : this.#regions(action, now),
      pairs: action === null ? [] : pairs(action, now),
      conflicts: action?.observer.conflicts ?? 0,
    });
  }

  /** The last picture stays; stopping again does nothing. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#timer);
    this.draw();
    this.#display.end();
  }

  #regions({ ledger }: Action, now: number): readonly RegionProgress[] {
    this.#commits.push({ at: now, counts: new Map(ledger.commits) });
    while ((this.#commits[1]?.at ?? now) < now - RATE_WINDOW_MS) this.#commits.shift();
    this.#frames += 1;
    const [oldest] = this.#commits;
    return REGIONS.map((region) => {
      const commits = ledger.commits.get(region) ?? 0;
      const seconds = oldest === undefined ? 0 : (now - oldest.at) / 1_000;
      const before = oldest?.counts.get(region) ?? 0;
      const perSecond = seconds > 0 ? (commits - before) / seconds : 0;
      const history = this.#history.get(region) ?? [];
      this.#history.set(region, history);
      if (this.#frames % FRAMES_PER_SECOND === 0) history.push(perSecond);
      if (history.length > HISTORY) history.shift();
      return { region, commits, perSecond, history };
    });
  }
}

function pairs({ isolation, lag }: Action, now: number): readonly PairProgress[] {
  return REGIONS.flatMap((from) =>
    REGIONS.filter((to) => to !== from).map((to): PairProgress => {
      const state = isolation.pair(from, to);
      const pair = { from, to, latencyMs: latencyMs(from, to) };
      switch (state.kind) {
        case 'cut':
          return { ...pair, link: { kind: 'cut', sinceMs: now - state.since } };
        case 'catching-up':
          return {
            ...pair,
            link: { kind: 'catching-up', behindMs: now - lag.seenUntil(from, to) },
          };
        default:
          return {
            ...pair,
            link: { kind: 'open', lag: lag.figures(from, to, now - LAG_WINDOW_MS) },
          };
      }
    }),
  );
}
