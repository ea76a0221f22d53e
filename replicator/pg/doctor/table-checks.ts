import { relationId } from '#core/relation.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { counted } from '#replicator/pg/counted.ts';
import { fail, ok, warn } from '#replicator/pg/doctor/check.ts';
import type { Check } from '#replicator/pg/doctor/check.ts';
import { OWN_PUBLISHED, optionFaults } from '#replicator/pg/publication.ts';
import type { PublicationState } from '#replicator/pg/publication.ts';
import { quoteIdentifier, quoteTable } from '#replicator/pg/quote.ts';
import type { TableSelection } from '#replicator/pg/select-tables.ts';
import { decideStripe, readPosition, readSequences } from '#replicator/pg/sequences.ts';
import type { Striping } from '#replicator/pg/sequences.ts';

const RUN_INIT = 'run "everywrite init"';

/** What would be replicated, and what is left out and why. */
export function checkSelection(selection: TableSelection, role: string): readonly Check[] {
  const tables = selection.replicated.map(({ table }) => table);
  const notOurs = tables.filter((table) => !table.owned);
  const hidden = tables.filter((table) => table.rowSecurityActive);
  return [
    tables.length > 0
      ? ok('tables', `${counted(tables.length, 'table')} to replicate`)
      : warn('tables', 'no table is replicated', 'look at tables.include in the configuration'),
    ...selection.leftOut.map(({ table, reason, fix }) =>
      warn('table-left-out', `${table} ${reason}`, fix),
    ),
    ...selection.problems.map(({ path, message }) =>
      fail('column-type', `${path} ${message}`, 'correct the configuration or the comment'),
    ),
    ...notOurs.map((table) =>
      fail(
        'table-owner',
        `${relationId(table)} belongs to ${table.owner}`,
        `GRANT ${quoteIdentifier(table.owner)} TO ${quoteIdentifier(role)};`,
      ),
    ),
    ...hidden.map((table) =>
      fail(
        'row-security',
        `row-level security hides rows of ${relationId(table)} from role ${role}`,
        `as a superuser: ALTER ROLE ${quoteIdentifier(role)} BYPASSRLS;`,
      ),
    ),
  ];
}

/** What init has set up, and somebody may have changed since. */
export function checkReplicaIdentity(selection: TableSelection): Check {
  const id = 'replica-identity';
  const wrong = selection.replicated.flatMap(({ table }) =>
    table.members.filter((member) => !member.replicaIdentityFull),
  );
  if (wrong.length === 0) return ok(id, 'full on every replicated table');
  const names = wrong.map((member) => relationId(member)).join(', ');
  const fix = wrong.map((member) => `ALTER TABLE ${quoteTable(member)} REPLICA IDENTITY FULL;`);
  return fail(id, `not full on ${names}: old values would be unknown`, fix.join(' '));
}

export function checkPublication(
  state: PublicationState | null,
  selection: TableSelection,
  version: number,
): Check {
  const id = 'publication';
  if (state === null) return fail(id, 'there is no publication "everywrite"', RUN_INIT);
  const wanted = [...selection.replicated.map(({ table }) => table), ...OWN_PUBLISHED].map(
    relationId,
  );
  const current = state.tables.map(relationId);
  const faults = [
    ...optionFaults(state, version),
    ...(state.allTables ? ['it is FOR ALL TABLES'] : []),
    ...state.tables
      .filter((table) => table.filtered)
      .map((table) => `${relationId(table)} has a row filter or a column list`),
    ...wanted.filter((name) => !current.includes(name)).map((name) => `${name} is not in it`),
    ...current
      .filter((name) => !wanted.includes(name))
      .map((name) => `${name} should not be in it`),
  ];
  if (faults.length === 0)
    return ok(id, `${counted(current.length, 'table')}, whole, all operations`);
  return fail(id, faults.join('; '), RUN_INIT);
}

export async function checkSequences(
  client: AdminClient,
  selection: TableSelection,
  striping: Striping,
): Promise<readonly Check[]> {
  const id = 'sequences';
  const oids = selection.replicated.map(({ table }) => table.oid);
  const checks: Check[] = [];
  const sequences = await readSequences(client, oids);
  for (const sequence of sequences) {
    const name = relationId(sequence);
    const decision = decideStripe(sequence, await readPosition(client, sequence), striping);
    if (decision.kind === 'restart') {
      checks.push(fail(id, `${name} could hand out a key that a peer hands out too`, RUN_INIT));
    } else if (decision.kind === 'refused') {
      checks.push(fail(id, `${name} cannot be striped`, decision.why));
    }
  }
  if (checks.length > 0) return checks;
  return [
    ok(id, `${sequences.length} in use, each at residue ${striping.offset} of ${striping.stride}`),
  ];
}
