// Where a CPU profile's time went: node24 tests/bench/profile-summary.ts FILE… [--rows N] [--top N].
// Self time by function and by file; with --rows also in microseconds per row.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
  readonly startTime: number;
  readonly endTime: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string' }, top: { type: 'string', default: '30' } },
});
for (const file of positionals) summarise(file);

function summarise(file: string): void {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  const names = new Map(profile.nodes.map((node) => [node.id, node]));
  const functions = new Map<string, number>();
  const files = new Map<string, number>();
  let busyUs = 0;
  for (const [at, id] of profile.samples.entries()) {
    const node = names.get(id);
    // A sample stands for the time until the next one.
    const us = profile.timeDeltas[at + 1] ?? 0;
    if (node === undefined || node.callFrame.functionName === '(idle)') continue;
    busyUs += us;
    const { functionName, url, lineNumber } = node.callFrame;
    const where = place(url);
    const line = url === '' ? '' : `:${lineNumber + 1}`;
    add(functions, `${functionName || '(anonymous)'}  ${where}${line}`, us);
    add(files, where || functionName, us);
  }
  const wallUs = profile.endTime - profile.startTime;
  const share = ((busyUs / wallUs) * 100).toFixed(0);
  write(
    `${file}: ${(wallUs / 1e6).toFixed(2)} s, busy ${(busyUs / 1e6).toFixed(2)} s (${share} %)`,
  );
  table('by file', files, busyUs, 15);
  table('by function', functions, busyUs, Number(values.top));
}

function table(
  title: string,
  times: ReadonlyMap<string, number>,
  busyUs: number,
  top: number,
): void {
  write(` ${title}`);
  const rows = values.rows === undefined ? null : Number(values.rows);
  const sorted = [...times].toSorted(([, left], [, right]) => right - left).slice(0, top);
  for (const [name, us] of sorted) {
    const share = `${((us / busyUs) * 100).toFixed(1)} %`.padStart(8);
    const perRow = rows === null ? '' : `${(us / rows).toFixed(2)} us/row`.padStart(15);
    write(`${share}${`${(us / 1000).toFixed(0)} ms`.padStart(10)}${perRow}  ${name}`);
  }
}

/** The path below the project or below node_modules. */
function place(url: string): string {
  const inPackages = url.split('/node_modules/').at(-1);
  if (inPackages !== undefined && inPackages !== url) return inPackages;
  const inProject = /\/((?:core|conflict|replicator|deploy|tests)\/.*)$/.exec(url)?.[1];
  return inProject ?? url;
}

function add(times: Map<string, number>, name: string, us: number): void {
  times.set(name, (times.get(name) ?? 0) + us);
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
