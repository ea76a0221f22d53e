import type { HistoryEvent } from '#sim/history/event.ts';

interface Armed {
  readonly run: () => void;
  left: number;
}

/** Counts named moments of a run and begins what waits for the n-th of them. */
export class TriggerWatch {
  readonly #armed = new Map<string, Armed[]>();
  readonly #soon: (run: () => void) => void;

  /** `soon`: within the run, but after whoever reports the moment has finished. */
  constructor(soon: (run: () => void) => void) {
    this.#soon = soon;
  }

  arm(event: string, count: number, run: () => void): void {
    const waiting = this.#armed.get(event) ?? [];
    waiting.push({ run, left: count });
    this.#armed.set(event, waiting);
  }

  see(event: HistoryEvent): void {
    if (this.#armed.size === 0) return;
    for (const name of momentsOf(event)) {
      const waiting = this.#armed.get(name);
      if (waiting === undefined) continue;
      for (const armed of waiting) {
        armed.left -= 1;
        if (armed.left === 0) this.#soon(armed.run);
      }
    }
  }
}

/** The names of sim/scenario/fault-vocabulary.ts that an event stands for. */
export function momentsOf(event: HistoryEvent): readonly string[] {
  switch (event.kind) {
    case 'commit': {
      const { region, by, conflicts, quarantine } = event;
      return [
        by === 'user' ? `${region}.commit` : `${region}.apply`,
        ...conflicts.filter(({ kind }) => kind === 'add').map(() => `${region}.conflict`),
        ...quarantine.filter(({ kind }) => kind === 'put').map(() => `${region}.quarantine`),
      ];
    }
    case 'logged': {
      if (event.transactions.length === 0) return [];
      const own = event.replica.startsWith(`${event.region}.`);
      return [`${event.region}.${own ? 'logged' : 'copied'}`];
    }
    case 'confirm':
      return [`${event.region}.confirm`];
    default:
      return [];
  }
}
