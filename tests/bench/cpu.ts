import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Linux counts CPU time in ticks of 1/100 s, whatever the kernel's own rate. */
const TICKS_PER_SECOND = 100;
/** From this share on something counts as busy all the time. */
const BUSY = 0.85;

/** A process under the name that the report uses; several may share one. */
export interface NamedProcess {
  readonly name: string;
  readonly pid: number;
}

/** CPU seconds per name between two readings, with the wall seconds between them. */
export interface CpuUse {
  readonly wallSeconds: number;
  readonly seconds: ReadonlyMap<string, number>;
  /** What everything else on this machine used: the figures of a busy machine are worth less. */
  readonly elsewhereSeconds: number;
}

interface Reading {
  readonly atMs: number;
  readonly machineSeconds: number;
  readonly byPid: ReadonlyMap<number, number>;
}

/** Starts counting. Processes that are born meanwhile count whole; those that end are not seen. */
export async function startCpuCount(
  list: () => Promise<readonly NamedProcess[]>,
): Promise<() => Promise<CpuUse>> {
  const before = read(await list());
  return async () => {
    const processes = await list();
    const after = read(processes);
    const seconds = new Map<string, number>();
    for (const { name, pid } of processes) {
      const used = (after.byPid.get(pid) ?? 0) - (before.byPid.get(pid) ?? 0);
      seconds.set(name, (seconds.get(name) ?? 0) + used);
    }
    const machine = after.machineSeconds - before.machineSeconds;
    return {
      wallSeconds: (after.atMs - before.atMs) / 1000,
      seconds,
      elsewhereSeconds: Math.max(0, machine - total(seconds)),
    };
  };
}

/** What kept the machine busy, busiest first, in cores: `1.00` is one core all the time. */
export function describeCpu(use: CpuUse): string {
  const { wallSeconds, elsewhereSeconds } = use;
  const shares = sharesOf(use).filter(({ cores }) => cores >= 0.02);
  const listed = shares.map(({ name, cores }) => `${name} ${cores.toFixed(2)}`);
  return [...listed, `elsewhere ${(elsewhereSeconds / wallSeconds).toFixed(2)}`].join(', ');
}

/** What held the work up, as far as CPU time tells. */
export function limitOf(use: CpuUse): string {
  const [busiest] = sharesOf(use);
  if (busiest !== undefined && busiest.cores >= BUSY) {
    return `one process was busy all the time: ${busiest.name}`;
  }
  const cores = availableParallelism();
  const { wallSeconds, elsewhereSeconds } = use;
  const used = (total(use.seconds) + elsewhereSeconds) / wallSeconds;
  if (used >= BUSY * cores) {
    const others = ((elsewhereSeconds / wallSeconds / used) * 100).toFixed(0);
    return `all ${cores} cores were busy, ${others} % of that with other work`;
  }
  return 'no process and not the machine was busy all the time: they waited for one another';
}

/** CPU time of all processes together for each of so many rows, in microseconds. */
export function cpuPerRow(use: CpuUse, rows: number): number {
  return (total(use.seconds) * 1e6) / rows;
}

function sharesOf({
  wallSeconds,
  seconds,
}: CpuUse): { readonly name: string; readonly cores: number }[] {
  return [...seconds]
    .map(([name, used]) => ({ name, cores: used / wallSeconds }))
    .toSorted((left, right) => right.cores - left.cores);
}

function total(seconds: ReadonlyMap<string, number>): number {
  return [...seconds.values()].reduce((sum, used) => sum + used, 0);
}

/** Resident memory in bytes; 0 for a process that is gone, or where there is no /proc. */
export function residentBytes(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function read(processes: readonly NamedProcess[]): Reading {
  const byPid = new Map(processes.map(({ pid }) => [pid, cpuSeconds(pid)]));
  return { atMs: performance.now(), machineSeconds: machineSeconds(), byPid };
}

/** Busy time of all cores: neither idle nor waiting for a disk. */
function machineSeconds(): number {
  try {
    const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
    const [user, nice, system, , , irq, softirq, steal] = line.split(/\s+/).slice(1).map(Number);
    const busy = [user, nice, system, irq, softirq, steal];
    return busy.reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

function cpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command may hold spaces and parentheses; user and system time are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}
