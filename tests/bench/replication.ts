// How fast Everywrite replicates, side by side with PostgreSQL's own logical replication on the same
// machine in the same run. Absolute figures hold for that machine only. `--help` tells the options.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort } from '#deploy/local/ports.ts';
import { startPostgres } from '#deploy/local/postgres-server.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import type { Bench, Part } from './bench.ts';
import { CATCH_UPS } from './catch-up.ts';
import { EverywritePair } from './everywrite-pair.ts';
import type { Figure } from './figure.ts';
import { LAGS } from './lag.ts';
import { LINK_BYTES } from './link-bytes.ts';
import { chooseLoad } from './load.ts';
import { MEMORY } from './memory.ts';
import { NativePair } from './native-pair.ts';
import { Node, POSTGRES_SETTINGS } from './node.ts';
import { USAGE, parseOptions } from './options.ts';
import type { BenchOptions } from './options.ts';
import { jsonText, tableText } from './report.ts';
import type { VoidPart } from './report.ts';
import { THROUGHPUT } from './throughput.ts';

const PARTS: readonly Part[] = [...LAGS, ...CATCH_UPS, THROUGHPUT, LINK_BYTES, MEMORY];

if (process.argv.includes('--help')) {
  process.stdout.write(`${USAGE}parts: ${PARTS.map(({ name }) => name).join('; ')}\n`);
} else {
  process.exitCode = await main(parseOptions(process.argv.slice(2)));
}

async function main(options: BenchOptions): Promise<number> {
  const startedMs = performance.now();
  const parts = PARTS.filter(({ name }) => name.includes(options.only ?? ''));
  if (parts.length === 0) throw new RangeError(`no part is named ${options.only}`);
  if (options.profileDir !== undefined) mkdirSync(options.profileDir, { recursive: true });
  const directory = await temporaryDirectory('bench');
  const figures: Figure[] = [];
  const voids: VoidPart[] = [];
  const bench = await startBench(options, directory.path);
  try {
    await runParts(bench, parts, figures, voids);
  } finally {
    await Promise.allSettled([bench.ours.close(), bench.native.close(), bench.alone.close()]);
    await bench.alone.server.kill();
    await directory.remove();
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const remarks = [`load: ${bench.load.name}`];
  const report = { quick: options.quick, runs: options.runs, seconds, remarks, figures, voids };
  process.stdout.write(options.json ? jsonText(report) : tableText(report));
  return voids.length === 0 ? 0 : 1;
}

async function runParts(
  bench: Bench,
  parts: readonly Part[],
  figures: Figure[],
  voids: VoidPart[],
): Promise<void> {
  for (const part of parts) {
    if (performance.now() > bench.deadlineMs) {
      const reason = `not measured: ${bench.options.secondsMax} s were over; see --only`;
      voids.push({ part: part.name, reason });
      continue;
    }
    try {
      figures.push(...(await Promise.race([part.run(bench), bench.ours.broken])));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      voids.push({ part: part.name, reason });
      bench.progress(`VOID ${part.name}: ${reason}`);
      // Figures after a divergence or a crash would mean nothing.
      return;
    }
  }
}

async function startBench(options: BenchOptions, dataDir: string): Promise<Bench> {
  const { sizes, profileDir } = options;
  const startedMs = performance.now();
  const progress = (line: string): void => {
    const at = ((performance.now() - startedMs) / 1000).toFixed(0).padStart(5);
    process.stderr.write(`${at} s  ${line}\n`);
  };
  const native = await NativePair.start(dataDir, sizes);
  const ours = await EverywritePair.start(
    dataDir,
    sizes,
    profileDir === undefined ? undefined : resolve(profileDir),
  );
  const settings = POSTGRES_SETTINGS;
  const server = await startPostgres({
    dataDir: join(dataDir, 'alone'),
    port: await freePort(),
    settings,
  });
  const alone = await Node.create(server, sizes);
  progress('servers are up');
  const load = chooseLoad(sizes.accounts);
  const deadlineMs = startedMs + options.secondsMax * 1000;
  return { options, ours, native, alone, load, deadlineMs, progress };
}
