import type { RegionId } from '#core/region.ts';
import { broken, holds, judge, unknown } from '#sim/check/property.ts';
import type { Verdict, Witness } from '#sim/check/property.ts';
import type { RegionReplay } from '#sim/check/region-replay.ts';
import type { Truth } from '#sim/check/truth.ts';
import { walk } from '#sim/check/walk.ts';
import type { Row } from '#sim/history/event.ts';
import type { ForeignKeyModel, TableModel } from '#sim/run/world.ts';

/** A17. Every region agrees which row owns a unique key. */
export function uniqueArbitrated(truth: Truth): Verdict {
  const finals = finalStates(truth);
  const keys = truth.frame.tables.flatMap((table) =>
    table.unique.map((columns) => ({ table, columns })),
  );
  if (keys.length === 0) return unknown('no table has a secondary unique key');
  let compared = 0;
  let waiting = 0;
  const witnesses: Witness[] = [];
  for (const { table, columns } of keys) {
    const owners = new Map<string, { readonly region: RegionId; readonly key: string }>();
    for (const [region, replay] of finals) {
      for (const [key, row] of replay.tableRows(table.name)) {
        const value = uniqueValue(columns, row);
        if (value === null) continue;
        compared += 1;
        const known = owners.get(value);
        if (known === undefined) owners.set(value, { region, key });
        else if (known.key !== key) {
          if (isWaiting(finals, table, [known.key, key])) waiting += 1;
          else witnesses.push(disagreement(truth, table, columns, value, known, { region, key }));
        }
      }
    }
  }
  if (witnesses.length === 0 && waiting > 0)
    return unknown(
      `${waiting} owners not decided: the loser waits in quarantine, and status shows it`,
    );
  return judge(compared, 'unique keys', witnesses);
}

function uniqueValue(columns: readonly string[], row: Row): string | null {
  const parts = columns.map((name) => row[name] ?? null);
  return parts.includes(null) ? null : parts.join('\u0000');
}

function isWaiting(
  finals: ReadonlyMap<RegionId, RegionReplay>,
  table: TableModel,
  keys: readonly string[],
): boolean {
  return [...finals.values()].some((replay) =>
    keys.some((key) => replay.isQuarantined(table.name, key)),
  );
}

function disagreement(
  truth: Truth,
  table: TableModel,
  columns: readonly string[],
  value: string,
  left: { readonly region: RegionId; readonly key: string },
  right: { readonly region: RegionId; readonly key: string },
): Witness {
  const name = `${table.name} (${columns.join(', ')})`;
  return {
    atUs: truth.frame.endUs,
    signature: `two owners of one unique key of ${name}`,
    text: `${name} = ${value} belongs to ${left.key} in ${left.region} and to ${right.key} in ${right.region}`,
    about: [left.region, right.region, `${table.name} ${left.key}`, `${table.name} ${right.key}`],
  };
}

/** A18. No child without its parent, in any region. */
export function foreignKeysHold(truth: Truth): Verdict {
  const finals = finalStates(truth);
  const keys = truth.frame.tables.flatMap((table) =>
    table.foreignKeys.map((key) => ({ table, key })),
  );
  if (keys.length === 0) return unknown('no table has a foreign key');
  let compared = 0;
  const witnesses: Witness[] = [];
  for (const [region, replay] of finals) {
    for (const { table, key } of keys) {
      const parent = truth.tables.get(key.references);
      if (parent === undefined) continue;
      const parents = replay.tableRows(parent.name);
      for (const [name, row] of replay.tableRows(table.name)) {
        const reference = referenceOf(key, row);
        if (reference === null) continue;
        compared += 1;
        if (parents.has(reference)) continue;
        witnesses.push({
          atUs: truth.frame.endUs,
          signature: `a child of ${parent.name} without its parent in ${table.name}`,
          text: `${region}: ${table.name} ${name} refers to ${parent.name} ${reference}, which is not there`,
          about: [region, `${table.name} ${name}`, `${parent.name} ${reference}`],
        });
      }
    }
  }
  return judge(compared, 'references', witnesses);
}

function referenceOf({ columns }: ForeignKeyModel, row: Row): string | null {
  return uniqueValue(columns, row);
}

function finalStates(truth: Truth): ReadonlyMap<RegionId, RegionReplay> {
  const surviving = new Set(truth.surviving());
  const finals = walk(truth, () => undefined);
  return new Map([...finals].filter(([region]) => surviving.has(region)));
}

/** A24. A row that a table refuses stops nothing else, and waits with its reason. */
export function poisonIsolated(truth: Truth): Verdict {
  const put = truth.events.flatMap((event) =>
    event.kind === 'commit' ? event.quarantine.filter(({ kind }) => kind === 'put') : [],
  );
  if (put.length === 0) return unknown('no row was refused');
  const finals = finalStates(truth);
  const standing = [...finals.values()].reduce((sum, replay) => sum + replay.quarantined, 0);
  const shown = truth.events.filter(
    (event) => event.kind === 'gauge' && event.atUs >= truth.frame.healUs,
  );
  const blind = shown.some(
    (event) =>
      event.kind === 'gauge' &&
      event.atUs === truth.frame.endUs &&
      (event.values['quarantined'] ?? standing) === 0 &&
      (finals.get(event.region)?.quarantined ?? 0) > 0,
  );
  if (!blind) return holds(`${put.length} refusals, ${standing} rows still wait`);
  return broken('rows wait unseen', [
    {
      atUs: truth.frame.endUs,
      signature: 'a refused row does not show in status',
      text: `${standing} rows wait in quarantine, status shows none`,
      about: [],
    },
  ]);
}
