import type { RegionId } from '#core/region.ts';
import type { HistoryEvent } from '#sim/history/event.ts';
import type { Link, World, WorldFault } from '#sim/run/world.ts';
import type { PlannedFault } from '#sim/scenario/scenario.ts';
import { FAULT_WORDS } from '#sim/scenario/fault-vocabulary.ts';
import { TriggerWatch } from '#sim/run/trigger-watch.ts';

/** Begins faults at their times and triggers, ends them, and writes both into the history. */
export class FaultDriver {
  readonly #world: World;
  readonly #regions: readonly RegionId[];
  readonly #record: (event: HistoryEvent) => void;
  readonly #watch: TriggerWatch;
  readonly #open = new Map<number, { readonly end: () => void; readonly planned: PlannedFault }>();
  #nextId = 1;
  #healed = false;
  readonly lostRegions = new Set<RegionId>();
  clockErrorUs = 0;
  begun = 0;

  constructor(
    world: World,
    regions: readonly RegionId[],
    record: (event: HistoryEvent) => void,
    faults: readonly PlannedFault[],
  ) {
    this.#world = world;
    this.#regions = regions;
    this.#record = record;
    this.#watch = new TriggerWatch((run) => world.after(0, run));
    for (const fault of faults) this.#arm(fault);
  }

  /** Shows the driver what happened, for faults that wait for it. */
  see(event: HistoryEvent): void {
    this.#watch.see(event);
  }

  /** Ends every fault but those that are for ever; none begins any more. */
  heal(): void {
    this.#healed = true;
    for (const [id, { planned }] of this.#open) {
      if (planned.do !== 'lose-region') this.#end(id);
    }
  }

  #arm(fault: PlannedFault): void {
    const { trigger } = fault;
    if (trigger.kind === 'after') {
      this.#watch.arm(trigger.event, trigger.count, () => this.#begin(fault));
      return;
    }
    const delayUs = Math.max(0, Math.round(trigger.ms * 1_000) - this.#world.nowUs());
    this.#world.after(delayUs, () => this.#begin(fault));
  }

  #begin(planned: PlannedFault): void {
    if (this.#healed) return;
    const id = this.#nextId++;
    this.begun += 1;
    const what = describeFault(planned);
    const targets = faultTargets(planned, this.#regions);
    const { do: name } = planned;
    this.#record({
      kind: 'fault',
      atUs: this.#world.nowUs(),
      id,
      phase: 'begin',
      name,
      what,
      targets,
    });
    const end = this.#inject(planned);
    const instant = FAULT_WORDS.some((word) => word.name === name && word.instant);
    this.#open.set(id, { end, planned });
    if (instant && name !== 'lose-region') this.#end(id);
    else if (name === 'kill')
      this.#endAfter(id, planned.forMs ?? durationField(planned, 'restart'));
    else if (planned.forMs !== null) this.#endAfter(id, planned.forMs);
  }

  #endAfter(id: number, ms: number): void {
    this.#world.after(Math.round(ms * 1_000), () => this.#end(id));
  }

  #end(id: number): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    open.end();
    this.#record({
      kind: 'fault',
      atUs: this.#world.nowUs(),
      id,
      phase: 'end',
      name: open.planned.do,
      what: describeFault(open.planned),
      targets: faultTargets(open.planned, this.#regions),
    });
  }

  #inject(planned: PlannedFault): () => void {
    if (planned.do === 'clock.jump')
      this.#clockWrong(Math.abs(durationField(planned, 'by')) * 1_000);
    // A drifting clock is wrong by at most its drift over the rest of the run.
    if (planned.do === 'clock.drift')
      this.#clockWrong(Math.abs(durationField(planned, 'ppm')) * 600);
    if (planned.do === 'lose-region') this.lostRegions.add(regionField(planned));
    if (planned.do === 'flap') return this.#flap(planned);
    const ends = worldFaults(planned, this.#regions).map((fault) => this.#world.inject(fault));
    return () => {
      for (const end of ends) end();
    };
  }

  #clockWrong(us: number): void {
    this.clockErrorUs = Math.max(this.clockErrorUs, us);
  }

  #flap(planned: PlannedFault): () => void {
    const links = linksOf([`${regionField(planned)}|*`], this.#regions);
    const periodUs = durationField(planned, 'period') * 1_000;
    const downUs = Math.round(periodUs * durationField(planned, 'down'));
    let over = false;
    let up: () => void = () => undefined;
    const cut = (): void => {
      if (over) return;
      up = this.#world.inject({ do: 'partition', links, mode: 'stopped' });
      this.#world.after(downUs, () => up());
      this.#world.after(Math.round(periodUs), cut);
    };
    cut();
    return () => {
      over = true;
      up();
    };
  }
}

/** The faults of the world that a word of the scenario stands for. */
export function worldFaults(
  planned: PlannedFault,
  regions: readonly RegionId[],
): readonly WorldFault[] {
  const { do: name, fields } = planned;
  const target = textField(planned, 'target') as RegionId;
  const mode = fields['mode'] === 'jammed' ? 'jammed' : 'stopped';
  const links = linksOf(listField(planned, 'links'), regions);
  const probability = Number(fields['probability'] ?? 0);
  switch (name) {
    case 'kill':
      return [{ do: 'kill', target, restartMs: null }];
    case 'isolate':
      return [{ do: 'partition', links: linksOf([`${target}|*`], regions), mode }];
    case 'partition':
      return [{ do: 'partition', links, mode }];
    case 'slow':
      return [
        {
          do: 'slow',
          links,
          addMs: durationField(planned, 'add'),
          jitterMs: durationField(planned, 'jitter'),
        },
      ];
    case 'loss':
      return [{ do: 'loss', links, probability }];
    case 'clock.jump':
      return [{ do: 'clock.jump', target, byMs: durationField(planned, 'by') }];
    case 'clock.drift':
      return [{ do: 'clock.drift', target, ppm: durationField(planned, 'ppm') }];
    case 'log.lose-tail':
      return [{ do: 'log.lose-tail', target, windowMs: durationField(planned, 'window') }];
    case 'log.lose-replies':
      return [{ do: 'log.lose-replies', target, probability }];
    case 'pg.promote':
      return [{ do: 'pg.promote', target, lostMs: durationField(planned, 'lost') }];
    case 'pg.restore':
      return [{ do: 'pg.restore', target, ageMs: durationField(planned, 'age') }];
    case 'pg.slow-io':
      return [{ do: 'pg.slow-io', target, fsyncMs: durationField(planned, 'fsync') }];
    case 'pg.sync-standby':
      return [{ do: 'pg.sync-standby', target, delayMs: durationField(planned, 'delay') }];
    case 'pg.slow-stream':
      return [{ do: 'pg.slow-stream', target, addMs: durationField(planned, 'add') }];
    case 'lose-region':
      return lostRegion(target, fields['log'] === 'keeps');
    case 'pause':
    case 'log.recreate':
    case 'log.full':
    case 'slot.rewind':
    case 'pg.disk-full':
    case 'pg.power-loss':
    case 'pg.cut':
    case 'double':
      return [{ do: name, target }];
    default:
      throw new Error(`the fault ${name} has no meaning`);
  }
}

// Where the log stays readable, peers still fetch what it holds.
function lostRegion(target: RegionId, logKept: boolean): readonly WorldFault[] {
  const parts = logKept ? ['pg', 'repl'] : ['pg', 'repl', 'log'];
  return parts.map((part) => ({ do: 'kill', target: `${target}.${part}`, restartMs: null }));
}

export function linksOf(texts: readonly string[], regions: readonly RegionId[]): readonly Link[] {
  const links = texts.flatMap((text) => {
    const [left = '', right = ''] = text.split(/[>|]/);
    const one = pairs(left, right, regions);
    return text.includes('|') ? [...one, ...pairs(right, left, regions)] : one;
  });
  const names = new Set<string>();
  return links.filter(({ from, to }) => {
    const name = `${from}>${to}`;
    if (names.has(name)) return false;
    names.add(name);
    return true;
  });
}

function pairs(left: string, right: string, regions: readonly RegionId[]): readonly Link[] {
  const named = (name: string): readonly RegionId[] =>
    regions.filter((region) => name === '*' || region === name);
  return named(left).flatMap((from) =>
    named(right)
      .filter((to) => to !== from)
      .map((to) => ({ from, to })),
  );
}

export function describeFault({ do: name, fields, forMs }: PlannedFault): string {
  const words = Object.entries(fields).map(([key, value]) => {
    const text = typeof value === 'object' ? value.join(' ') : String(value);
    return key === 'target' || key === 'links' || key === 'mode' ? text : `${key} ${text}`;
  });
  return [name, ...words, ...(forMs === null ? [] : [`for ${forMs} ms`])].join(' ');
}

/** What a fault touches: processes, regions and links, for the report and for judging availability. */
export function faultTargets(
  planned: PlannedFault,
  regions: readonly RegionId[],
): readonly string[] {
  const { fields, do: name } = planned;
  const target = fields['target'];
  const links = linksOf(listField(planned, 'links'), regions);
  if (links.length > 0) return links.map(({ from, to }) => `${from}>${to}`);
  if (typeof target !== 'string') return [];
  if (name === 'isolate' || name === 'flap')
    return linksOf([`${target}|*`], regions).map(({ from, to }) => `${from}>${to}`);
  if (target.includes('.')) return [target];
  if (name.startsWith('pg.') || name === 'slot.rewind') return [`${target}.pg`];
  if (name.startsWith('log.')) return [`${target}.log`];
  if (name.startsWith('clock.')) return [`${target}.clock`];
  return name === 'double' ? [`${target}.repl`] : [target];
}

function durationField({ fields }: PlannedFault, key: string): number {
  return Number(fields[key] ?? 0);
}

function regionField(fault: PlannedFault): RegionId {
  return textField(fault, 'target').split('.')[0] as RegionId;
}

function textField({ fields }: PlannedFault, key: string): string {
  const value = fields[key];
  return typeof value === 'string' ? value : '';
}

function listField({ fields }: PlannedFault, key: string): readonly string[] {
  const value = fields[key];
  return typeof value === 'object' ? value : [];
}
