// One region's replicator as a process of its own, which can profile itself: SIGUSR2 begins a CPU profile, the
// next one writes it. Arguments: configuration file, region, directory for profiles ('' for none).
import { Session } from 'node:inspector/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRegionId } from '#core/region.ts';
import { loadConfig } from '#replicator/config.ts';
import { startReplicator } from '#replicator/replicator.ts';
import { systemLogger } from '#replicator/system-ports.ts';

const SAMPLE_INTERVAL_US = 200;

const [configPath = '', name = '', profileDir = ''] = process.argv.slice(2);
const region = parseRegionId(name);
const config = await loadConfig(configPath, process.env);
const replicator = await startReplicator(config, region, systemLogger({ region }, 'info'));

let profiler: Session | null = null;
let profiles = 0;

async function toggleProfile(): Promise<void> {
  if (profiler === null) {
    profiler = new Session();
    profiler.connect();
    await profiler.post('Profiler.enable');
    await profiler.post('Profiler.setSamplingInterval', { interval: SAMPLE_INTERVAL_US });
    await profiler.post('Profiler.start');
    return;
  }
  const { profile } = await profiler.post('Profiler.stop');
  profiler.disconnect();
  profiler = null;
  profiles += 1;
  writeFileSync(join(profileDir, `${name}-${profiles}.cpuprofile`), JSON.stringify(profile));
}

if (profileDir !== '') process.on('SIGUSR2', () => void toggleProfile());
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void replicator.stop().then(() => process.exit(0)));
}
