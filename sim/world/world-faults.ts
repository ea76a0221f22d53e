import { must } from '#core/assert.ts';
import type { RegionId } from '#core/region.ts';
import type { Kernel } from '#sim/kernel/kernel.ts';
import type { Network } from '#sim/network/network.ts';
import type { Path } from '#sim/network/path.ts';
import type { Link, WorldFault } from '#sim/run/world.ts';
import type { SimRegion } from '#sim/world/sim-region.ts';
import type { Witness } from '#sim/world/witness.ts';

export interface FaultTargets {
  readonly kernel: Kernel;
  readonly network: Network;
  readonly regions: ReadonlyMap<RegionId, SimRegion>;
  readonly witness: Witness;
}

type End = () => void;
type FaultOf<Kind extends WorldFault['do']> = Extract<WorldFault, { readonly do: Kind }>;
type Injector<Kind extends WorldFault['do']> = (world: FaultTargets, fault: FaultOf<Kind>) => End;

const NOTHING: End = () => undefined;
/** How long a server needs to come back, where the fault does not say. */
const RECOVERY_US = 500_000;
const DATABASE_RECOVERY_US = 200_000;

const INJECTORS: { readonly [Kind in WorldFault['do']]: Injector<Kind> } = {
  kill: (world, fault) => {
    const restartUs = fault.restartMs === null ? null : Math.round(fault.restartMs * 1000);
    return all(parts(world, fault.target, (part, region) => kill(world, region, part, restartUs)));
  },
  pause: (world, { target }) => all(parts(world, target, (part, region) => pause(region, part))),
  partition: (world, { links, mode }) =>
    all(paths(world, links).map((path) => (mode === 'jammed' ? path.jam() : path.stop()))),
  slow: (world, { links, addMs, jitterMs }) =>
    all(paths(world, links).map((path) => path.slow(us(addMs), us(jitterMs)))),
  loss: (world, { links, probability }) =>
    all(paths(world, links).map((path) => path.lose(probability))),
  'clock.jump': (world, { target, byMs }) => {
    const { clock } = regionOf(world, target);
    clock.jump(us(byMs));
    return () => clock.jump(-us(byMs));
  },
  'clock.drift': (world, { target, ppm }) => {
    const { clock } = regionOf(world, target);
    clock.drift(ppm);
    return () => clock.drift(0);
  },
  'log.lose-tail': (world, { target, windowMs }) => {
    const { log } = regionOf(world, target);
    world.witness.process(log.name, 'down', 'power failure');
    log.losePower(us(windowMs));
    world.kernel.after(RECOVERY_US, () => startLog(world, regionOf(world, target)));
    return NOTHING;
  },
  'log.recreate': (world, { target }) => {
    regionOf(world, target).log.deleteStreams();
    return NOTHING;
  },
  'log.full': (world, { target }) => regionOf(world, target).log.full(),
  'log.lose-replies': (world, { target, probability }) =>
    regionOf(world, target).log.loseReplies(probability),
  'slot.rewind': (world, { target }) => killDatabase(world, regionOf(world, target), RECOVERY_US),
  'pg.promote': (world, { target, lostMs }) => {
    const region = regionOf(world, target);
    const lsn = region.pg.lsnAt(world.kernel.nowUs() - us(lostMs));
    return replaceDatabase(world, region, 'promoted', () => region.pg.promoteStandby(lsn));
  },
  'pg.restore': (world, { target, ageMs }) => {
    const region = regionOf(world, target);
    const lsn = region.pg.lsnAt(world.kernel.nowUs() - us(ageMs));
    return replaceDatabase(world, region, 'restored', () => region.pg.restore(lsn, 'pitr'));
  },
  'pg.disk-full': (world, { target }) => {
    const { pg } = regionOf(world, target);
    pg.diskFull('data', true);
    return () => pg.diskFull('data', false);
  },
  'pg.slow-io': (world, { target, fsyncMs }) => {
    const { pg } = regionOf(world, target);
    pg.slowDisk(us(fsyncMs));
    return () => pg.slowDisk(0);
  },
  'pg.power-loss': (world, { target }) => {
    const { pg } = regionOf(world, target);
    pg.powerLoss();
    world.witness.process(`${target}.pg`, 'down', 'power failure');
    world.kernel.after(RECOVERY_US, () => {
      pg.start(DATABASE_RECOVERY_US);
      world.witness.process(`${target}.pg`, 'up', 'started');
    });
    return NOTHING;
  },
  'pg.cut': (world, { target }) => {
    regionOf(world, target).pg.cutConnections();
    return NOTHING;
  },
  'pg.sync-standby': (world, { target, delayMs }) => {
    const { pg } = regionOf(world, target);
    pg.syncStandby(us(delayMs));
    return () => pg.syncStandby(null);
  },
  'pg.slow-stream': ({ network }, { target, addMs }) =>
    network.path(`${target}.pg`, target).slow(us(addMs), 0),
  double: (world, { target }) => {
    const second = regionOf(world, target).startReplicator();
    return () => second.process.kill();
  },
};

/** Begins a fault; the returned function ends it, once. */
export function injectFault(world: FaultTargets, fault: WorldFault): End {
  const inject = INJECTORS[fault.do] as Injector<WorldFault['do']>;
  const end = inject(world, fault);
  let over = false;
  return () => {
    if (over) return;
    over = true;
    end();
  };
}

type Part = 'repl' | 'pg' | 'log';

/** What `eu.pg` or `eu` names, each with its region. */
function parts(
  world: FaultTargets,
  target: string,
  run: (part: Part, region: SimRegion) => End,
): readonly End[] {
  const [name = '', part] = target.split('.');
  const region = regionOf(world, name as RegionId);
  const named: readonly Part[] = part === undefined ? ['repl', 'pg', 'log'] : [part as Part];
  return named.map((one) => run(one, region));
}

function kill(world: FaultTargets, region: SimRegion, part: Part, restartUs: number | null): End {
  if (part === 'repl') return region.killReplicators(restartUs);
  if (part === 'pg') return killDatabase(world, region, restartUs);
  region.log.kill();
  world.witness.process(region.log.name, 'down', 'killed');
  const end = (): void => startLog(world, region);
  if (restartUs !== null) world.kernel.after(restartUs, end);
  return end;
}

function killDatabase(world: FaultTargets, region: SimRegion, restartUs: number | null): End {
  region.pg.kill();
  world.witness.process(`${region.name}.pg`, 'down', 'killed');
  const end = (): void => {
    if (region.pg.state !== 'down' && region.pg.state !== 'off') return;
    region.pg.start(DATABASE_RECOVERY_US);
    world.witness.process(`${region.name}.pg`, 'up', 'started');
  };
  if (restartUs !== null) world.kernel.after(restartUs, end);
  return end;
}

/** Another server takes its place at once. */
function replaceDatabase(
  world: FaultTargets,
  region: SimRegion,
  why: string,
  replace: () => void,
): End {
  world.witness.process(`${region.name}.pg`, 'down', why);
  replace();
  region.pg.start(DATABASE_RECOVERY_US);
  world.witness.process(`${region.name}.pg`, 'up', why);
  return NOTHING;
}

function startLog({ witness }: FaultTargets, { log }: SimRegion): void {
  if (log.process !== null) return;
  log.start();
  witness.process(log.name, 'up', 'started');
}

function pause(region: SimRegion, part: Part): End {
  if (part === 'pg') {
    region.pg.freeze();
    return () => region.pg.thaw();
  }
  const frozen =
    part === 'log' ? [region.log.process] : region.replicators.map(({ process }) => process);
  for (const process of frozen) process?.freeze();
  return () => {
    for (const process of frozen) process?.thaw();
  };
}

function paths({ network }: FaultTargets, links: readonly Link[]): readonly Path[] {
  return links.map(({ from, to }) => network.path(from, to));
}

function regionOf({ regions }: FaultTargets, name: RegionId): SimRegion {
  return must(regions.get(name), `region ${name}`);
}

function all(ends: readonly End[]): End {
  return () => {
    for (const end of ends) end();
  };
}

function us(ms: number): number {
  return Math.round(ms * 1000);
}
