import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { CaptureSettings } from '#core/settings.ts';
import type { Quarantine } from '#replicator/engine/apply/quarantine.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';

/** What the last incarnation had to leave out, before anything is folded on top of it. */
export async function loadQuarantine(
  session: DatabaseSession,
  quarantine: Quarantine,
  { tables }: CaptureSettings,
): Promise<void> {
  const [result] = await session.flight([{ kind: 'readQuarantine' }]);
  if (result?.kind !== 'quarantined') return;
  for (const row of result.rows) {
    const at = row.relation.indexOf('.');
    const names = tables[row.relation]?.key ?? [];
    const relation: Relation = {
      schema: row.relation.slice(0, at),
      name: row.relation.slice(at + 1),
      columns: names.map((name) => ({ name, typeOid: 0 })),
      keyColumns: names.map((_, position) => position),
    };
    if (names.length > 0) quarantine.suspend(relation, row.key as RowKey, row);
  }
}
