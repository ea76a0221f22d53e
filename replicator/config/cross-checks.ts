import { COLUMN_TYPE_NAMES, parseColumnType } from '#core/column-type-text.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { nameParts } from '#replicator/config/object-name.ts';
import { pathText } from '#replicator/config/problems.ts';
import type { ConfigProblem } from '#replicator/config/problems.ts';
import { REPLICATION_BOUNDS } from '#replicator/config/schema.ts';

const REGION = /^[a-z][a-z0-9-]{0,30}$/;

/**
 * What a schema of single values cannot say: names that refer to each other. Works on the raw
 * document, whatever its shape, so that these problems are told together with the schema's.
 */
export function crossChecks(document: unknown): readonly ConfigProblem[] {
  const regions = Object.entries(groupOf(groupOf(document)['regions']));
  const names = regions.map(([name]) => name);
  return [
    ...(isGroup(groupOf(document)['regions']) && names.length === 0
      ? [{ path: 'regions', message: 'is empty; describe at least one region' }]
      : []),
    ...names.flatMap(regionName),
    ...regions.flatMap(([name, region]) =>
      peerNames(name, groupOf(groupOf(region)['peers']), names),
    ),
    ...sequenceOffsets(document, regions),
    ...Object.keys(groupOf(groupOf(document)['columns'])).flatMap(columnName),
    ...Object.entries(groupOf(groupOf(document)['columns'])).flatMap(columnTypeText),
    ...Object.keys(groupOf(groupOf(document)['rows'])).flatMap(tableName),
  ];
}

/** Position in the file, unless the region says its own: new regions must be listed last, or say it. */
export function sequenceOffset(region: unknown, position: number): number {
  const given = groupOf(region)['sequenceOffset'];
  return typeof given === 'number' ? given : position;
}

function regionName(name: string): readonly ConfigProblem[] {
  if (REGION.test(name)) return [];
  const message = 'is not a region name; use 1 to 31 of a-z, 0-9 and "-", starting with a letter';
  return [{ path: pathText(['regions', name]), message }];
}

function peerNames(
  region: string,
  peers: Readonly<Record<string, unknown>>,
  names: readonly string[],
): readonly ConfigProblem[] {
  const others = names.filter((name) => name !== region);
  return Object.keys(peers)
    .filter((peer) => !others.includes(peer))
    .map((peer) => ({
      path: pathText(['regions', region, 'peers', peer]),
      message: `is no other region; allowed are ${others.join(', ') || '(none)'}.${didYouMean(peer, others)}`,
    }));
}

function sequenceOffsets(
  document: unknown,
  regions: readonly (readonly [string, unknown])[],
): readonly ConfigProblem[] {
  const given = groupOf(groupOf(document)['replication'])['sequenceStride'];
  const stride = typeof given === 'number' ? given : REPLICATION_BOUNDS.sequenceStride.default;
  const holders = new Map<number, string>();
  return regions.flatMap(([name, region], position) => {
    const offset = sequenceOffset(region, position);
    const path = pathText(['regions', name, 'sequenceOffset']);
    if (offset < 0 || offset >= stride) {
      const message = `is ${offset}; expected 0 to ${stride - 1} (below replication.sequenceStride, which must be at least the number of regions)`;
      return [{ path, message }];
    }
    const holder = holders.get(offset);
    holders.set(offset, name);
    if (holder === undefined) return [];
    const message = `is ${offset}, which region ${holder} has too; two regions would hand out the same keys`;
    return [{ path, message }];
  });
}

function columnName(name: string): readonly ConfigProblem[] {
  if (nameParts(name)?.length === 3) return [];
  const message = 'is not a column; write schema.table.column (in double quotes what holds a dot)';
  return [{ path: pathText(['columns', name]), message }];
}

function tableName(name: string): readonly ConfigProblem[] {
  if (nameParts(name)?.length === 2) return [];
  const message = 'is not a table; write schema.table (in double quotes what holds a dot)';
  return [{ path: pathText(['rows', name]), message }];
}

function columnTypeText([name, type]: readonly [string, unknown]): readonly ConfigProblem[] {
  const parsed = typeof type === 'string' ? parseColumnType(type) : null;
  // The schema complains about what is no text at all.
  if (parsed === null || parsed.kind === 'ok') return [];
  const message = `${parsed.message}.${didYouMean(parsed.word, COLUMN_TYPE_NAMES)}`;
  return [{ path: pathText(['columns', name]), message }];
}

/** A group of keys, or an empty one in place of anything else (the schema complains about that). */
export function groupOf(value: unknown): Readonly<Record<string, unknown>> {
  return isGroup(value) ? value : {};
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
