import { must } from '#core/assert.ts';
import type { CaptureSettings, TableSettings } from '#core/settings.ts';
import { Backend } from '#sim/pg/backend.ts';
import { insertRow } from '#sim/pg/rows.ts';
import { ownTable } from '#sim/pg/server-core.ts';
import type { ServerCore } from '#sim/pg/server-core.ts';
import { Slot } from '#sim/pg/slot.ts';
import type { Step } from '#sim/pg/wait.ts';

export interface RegionPreparation {
  readonly cluster: string;
  readonly region: string;
  readonly epoch?: number;
  readonly tables: readonly ReplicatedTable[];
  readonly clockOffsetUs?: number;
  readonly slot: string;
  readonly publication: string;
  readonly failoverSlot?: boolean;
}

export interface ReplicatedTable {
  /** `schema.name`; the table must have been created. */
  readonly name: string;
  /** Only columns that are not `lww`. */
  readonly columns?: Readonly<Record<string, string>>;
}

const OWN_PUBLISHED = ['everywrite.applied', 'everywrite.settings'];
const FIRST_SETTINGS = '1';

/** What `everywrite init` leaves behind in a database; the slot comes last. */
export function* prepareRegion(core: ServerCore, wanted: RegionPreparation): Step<void> {
  const { publications } = core;
  const settings = settingsOf(core, wanted);
  publications.set(
    wanted.publication,
    new Set([...Object.keys(settings.tables), ...OWN_PUBLISHED]),
  );
  const backend = new Backend(core, `${core.name} init`);
  const { identity } = core;
  const rows: readonly (readonly [string, readonly (string | null)[]])[] = [
    [
      'region',
      [
        '1',
        wanted.region,
        `${wanted.epoch ?? 1}`,
        identity.systemIdentifier,
        `${identity.timeline}`,
        wanted.slot,
        FIRST_SETTINGS,
      ],
    ],
    ['applied', ['1', '0', '', '0']],
    ['checkpoint', ['1', '', '']],
    ['settings', [FIRST_SETTINGS, JSON.stringify(settings)]],
  ];
  yield* backend.statement(function* () {
    for (const [name, values] of rows) {
      yield* insertRow(backend, ownTable(core, name), values, 'error');
    }
  });
  backend.leave();
  const at = core.wal.insertLsn;
  core.slots.set(wanted.slot, new Slot(wanted.slot, at, wanted.failoverSlot ?? false));
}

function settingsOf(core: ServerCore, wanted: RegionPreparation): Omit<CaptureSettings, 'id'> {
  const tables: Record<string, TableSettings> = {};
  for (const { name, columns = {} } of wanted.tables) {
    const { definition } = must(core.tables.get(name), name);
    const generated = definition.columns.filter((column) => column.generated !== undefined);
    const names = generated.map((column) => column.name);
    tables[name] = { key: definition.key, columns, generated: names };
  }
  return { tables, clockOffsetUs: wanted.clockOffsetUs ?? 0 };
}
