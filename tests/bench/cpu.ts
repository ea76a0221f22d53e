import { readFileSync } from 'node:fs';

/** Linux counts CPU time in ticks of 1/100 s, whatever the kernel's own rate. */
const TICKS_PER_SECOND = 100;

/** A process under the name that the report uses; several may share one. */
export interface NamedProcess {
  readonly name: string;
  readonly pid: number;
}

/** CPU seconds per name between two readings, with the wall seconds between them. */
export interface CpuUse {
  readonly wallSeconds: number;
  readonly seconds: ReadonlyMap<string, number>;
}

interface Reading {
  readonly atMs: number;
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
    return { wallSeconds: (after.atMs - before.atMs) / 1000, seconds };
  };
}

/** What kept the machine busy, busiest first, in cores: `1.00` is one core all the time. */
export function describeCpu({ wallSeconds, seconds }: CpuUse): string {
  const shares = [...seconds]
    .map(([name, used]) => ({ name, cores: used / wallSeconds }))
    .filter(({ cores }) => cores >= 0.02)
    .toSorted((left, right) => right.cores - left.cores);
  return shares.map(({ name, cores }) => `${name} ${cores.toFixed(2)}`).join(', ');
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
  return { atMs: performance.now(), byPid };
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
