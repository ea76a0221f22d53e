import { peerNatsUrl } from '#replicator/config.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { serverOf } from '#replicator/config/secrets.ts';
import { readGreeting } from '#replicator/nats/greeting.ts';
import type { NatsGreeting } from '#replicator/nats/greeting.ts';
import { measureClock } from '#replicator/pg/database-clock.ts';
import type { ClockReading } from '#replicator/pg/database-clock.ts';
import { examineDatabase } from '#replicator/pg/doctor.ts';
import { fail, ok, warn } from '#replicator/pg/doctor/check.ts';
import type { Check } from '#replicator/pg/doctor/check.ts';

const OLDEST_NATS = [2, 9] as const;
const SMALL_PAYLOAD_BYTES = 262_144;
/** Beyond this, "the later write wins" stops meaning what people take it to mean. */
const CLOCK_OFFSET_MS_MAX = 500;
const PEER_TIMEOUT_MS = 2_000;

/** The whole preflight list of one region: its database, its log, and its way to the others. */
export async function examineRegion(
  config: ClusterConfig,
  region: RegionConfig,
  signal?: AbortSignal,
): Promise<readonly Check[]> {
  const peers = [...config.regions.values()].filter((peer) => peer.region !== region.region);
  const [database, log, links, clocks] = await Promise.all([
    examineDatabase(config, region, signal),
    examineLog(config, region),
    Promise.all(peers.map((peer) => examineLink(config, region, peer))),
    examineClocks(region, peers, signal),
  ]);
  return [...database, ...log, ...links, ...clocks];
}

async function examineLog(config: ClusterConfig, region: RegionConfig): Promise<readonly Check[]> {
  const id = 'nats';
  const where = `nats-server at ${serverOf(region.nats)}`;
  let greeting: NatsGreeting;
  try {
    greeting = await readGreeting(region.nats, config.replication.connectTimeoutMs);
  } catch (error) {
    const found = `${where} cannot be reached (${reasonOf(error)})`;
    const fix = `start nats-server with JetStream there, or correct regions.${region.region}.nats`;
    return [fail(id, found, fix), durability(config)];
  }
  return [natsServer(where, greeting), durability(config)];
}

function natsServer(where: string, greeting: NatsGreeting): Check {
  const id = 'nats';
  const { version, maxPayloadBytes, jetstream } = greeting;
  const found = `${where}: version ${version}, max_payload ${maxPayloadBytes} bytes`;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST_NATS[0] || (major === OLDEST_NATS[0] && minor < OLDEST_NATS[1])) {
    return fail(id, found, 'install nats-server 2.9.10 or newer');
  }
  if (!jetstream) {
    const fix = 'add "jetstream { store_dir: /var/lib/nats }" to its configuration and restart it';
    return fail(id, `${where} has no JetStream, so it keeps nothing`, fix);
  }
  if (maxPayloadBytes < SMALL_PAYLOAD_BYTES) {
    return warn(id, found, 'set max_payload: 1MB, or transactions travel in very many pieces');
  }
  return ok(id, found);
}

function durability(config: ClusterConfig): Check {
  const id = 'log-durability';
  const { syncAlways, replicas, syncIntervalMs } = config.log;
  if (syncAlways) return ok(id, 'log.syncAlways: the configuration promises sync_interval: always');
  if (replicas >= 3) return ok(id, `log.replicas = ${replicas}`);
  const found = `one copy, written to disk within ${syncIntervalMs / 1000} s: a power cut can take what peers have applied already; the slot keeps WAL for that long to fill it up again`;
  const fix =
    'set "sync_interval: always" in nats-server (2.10 or newer) and log.syncAlways: true, or log.replicas: 3 on a NATS cluster';
  return warn(id, found, fix);
}

async function examineLink(
  config: ClusterConfig,
  region: RegionConfig,
  peer: RegionConfig,
): Promise<Check> {
  const id = `peer-${peer.region}`;
  const url = peerNatsUrl(config, region, peer.region);
  try {
    const { version } = await readGreeting(url, PEER_TIMEOUT_MS);
    return ok(id, `nats-server at ${serverOf(url)} answers: version ${version}`);
  } catch (error) {
    const found = `nats-server at ${serverOf(url)} cannot be reached (${reasonOf(error)})`;
    // Regions go on without each other: a peer that is away is a warning.
    const fix = `check the network and regions.${peer.region}.nats; this region works without it and catches up later`;
    return warn(id, found, fix);
  }
}

async function examineClocks(
  region: RegionConfig,
  peers: readonly RegionConfig[],
  signal: AbortSignal | undefined,
): Promise<readonly Check[]> {
  const read = (one: RegionConfig) => measureClock(one.database, PEER_TIMEOUT_MS, signal);
  const [own, ...others] = await Promise.all([region, ...peers].map(read));
  if (own === undefined || own === null) return [];
  return peers.flatMap((peer, position) => {
    const reading = others[position] ?? null;
    return reading === null ? [] : [clockCheck(peer, own, reading)];
  });
}

function clockCheck(peer: RegionConfig, own: ClockReading, other: ClockReading): Check {
  const id = `clock-${peer.region}`;
  const offsetMs = Math.round(own.offsetMs - other.offsetMs);
  const uncertaintyMs = Math.ceil(own.uncertaintyMs + other.uncertaintyMs);
  const side = offsetMs >= 0 ? 'ahead of' : 'behind';
  const found = `${Math.abs(offsetMs)} ms ${side} ${peer.region} (±${uncertaintyMs} ms)`;
  if (Math.abs(offsetMs) - uncertaintyMs <= CLOCK_OFFSET_MS_MAX) return ok(id, found);
  const fix =
    'set the clocks by NTP (chrony): causes still come before effects, but among concurrent writes the wrong clock wins';
  return warn(id, found, fix);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
