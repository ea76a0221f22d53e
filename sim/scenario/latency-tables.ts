import type { RegionId } from '#core/region.ts';
import type { LinkLatency } from '#sim/run/world.ts';

/** Places in degrees; one-way time is 2 ms and the great circle at two thirds of light's speed on a detour. */
const PLACES: Readonly<Record<string, readonly [latitude: number, longitude: number]>> = {
  eu: [53.3, -6.3],
  us: [38.9, -77.4],
  ap: [1.3, 103.8],
  sa: [-23.5, -46.6],
  au: [-33.9, 151.2],
  jp: [35.7, 139.7],
  in: [19.1, 72.9],
  za: [-33.9, 18.4],
  uk: [51.5, -0.1],
  de: [50.1, 8.7],
};

const EARTH_KM = 6_371;
const KM_PER_MS = 150;

export const LATENCY_TABLES = ['near', 'geo', 'auditor'] as const;
export type LatencyTable = (typeof LATENCY_TABLES)[number];

/** One-way latencies between all pairs. `near`: one continent, 8 ms. `auditor`: 40 to 90 ms. */
export function latencyTable(
  name: LatencyTable,
  regions: readonly RegionId[],
  jitterMs: number,
): readonly LinkLatency[] {
  return regions.flatMap((from, f) =>
    regions.flatMap((to, t) =>
      f === t ? [] : [{ from, to, ms: oneWayMs(name, from, to, f, t), jitterMs }],
    ),
  );
}

function oneWayMs(name: LatencyTable, from: RegionId, to: RegionId, f: number, t: number): number {
  if (name === 'near') return 8;
  // 40, 65 and 90 ms around a triangle; larger clusters repeat them.
  if (name === 'auditor') return 40 + 25 * ((f + t - 1) % 3);
  const [a, b] = [PLACES[from], PLACES[to]];
  if (a === undefined || b === undefined) return 50;
  return Math.round(2 + kilometres(a, b) / KM_PER_MS);
}

function kilometres(
  [lat1, lon1]: readonly [number, number],
  [lat2, lon2]: readonly [number, number],
): number {
  const rad = (degrees: number): number => (degrees * Math.PI) / 180;
  const h =
    Math.sin(rad(lat2 - lat1) / 2) ** 2 +
    Math.cos(rad(lat1)) * Math.cos(rad(lat2)) * Math.sin(rad(lon2 - lon1) / 2) ** 2;
  return 2 * EARTH_KM * Math.asin(Math.sqrt(h));
}
