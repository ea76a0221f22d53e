import type { CaptureSettings, TableSettings } from '#core/settings.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { quoteLiteral } from '#replicator/pg/quote.ts';

export interface SettingsOutcome {
  readonly id: number;
  readonly written: boolean;
}

/** The newest settings; null before the first. */
export async function readLatestSettings(client: AdminClient): Promise<CaptureSettings | null> {
  const [row] = await client.select<{ readonly id: number; readonly value: string }>(
    'SELECT id, value FROM everywrite.settings ORDER BY id DESC LIMIT 1',
  );
  if (row === undefined) return null;
  return { ...(JSON.parse(row.value) as CaptureSettings), id: row.id };
}

/**
 * A new row of everywrite.settings, if these tables differ from the newest one. Capture meets it in
 * the WAL, and uses it from there on.
 */
export async function writeSettings(
  client: AdminClient,
  tables: Readonly<Record<string, TableSettings>>,
): Promise<SettingsOutcome> {
  const latest = await readLatestSettings(client);
  if (latest !== null && JSON.stringify(latest.tables) === JSON.stringify(tables)) {
    return { id: latest.id, written: false };
  }
  const id = (latest?.id ?? 0) + 1;
  const settings: CaptureSettings = { id, tables, clockOffsetUs: latest?.clockOffsetUs ?? 0 };
  await client.execute(
    `INSERT INTO everywrite.settings (id, value) VALUES (${id}, ${quoteLiteral(JSON.stringify(settings))})`,
  );
  return { id, written: true };
}
