import { NO_BASE } from '#conflict/column-type.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { LocalRelation } from '#replicator/engine/apply/local-tables.ts';
import type { PlannedKey } from '#replicator/engine/apply/planned-key.ts';

const verdicts = new WeakMap<Relation, WeakMap<LocalRelation, readonly string[]>>();

/** True when some operation on the row says something of a column that this region does not have. */
export function lacksColumn(planned: PlannedKey, local: LocalRelation): boolean {
  return planned.ops.some(({ op }) => missingIn(op.relation, local).length > 0);
}

/** The row's values of columns that this region does not have (yet), by name. */
export function missingValues(
  planned: PlannedKey,
  local: LocalRelation,
): ReadonlyMap<string, PgText> {
  const values = new Map<string, PgText>();
  for (const { op } of planned.ops) {
    for (const name of missingIn(op.relation, local)) {
      values.set(name, planned.state.project(name, NO_BASE));
    }
  }
  return values;
}

function missingIn(relation: Relation, local: LocalRelation): readonly string[] {
  let byLocal = verdicts.get(relation);
  if (byLocal === undefined) verdicts.set(relation, (byLocal = new WeakMap()));
  let missing = byLocal.get(local);
  if (missing === undefined) {
    const names = relation.columns.map(({ name }) => name);
    missing = names.filter((name) => !local.columns.includes(name));
    byLocal.set(local, missing);
  }
  return missing;
}
