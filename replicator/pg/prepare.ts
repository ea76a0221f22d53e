import { must } from '#core/assert.ts';
import { EverywriteError } from '#core/errors.ts';
import { relationId } from '#core/relation.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { openAdminClient } from '#replicator/pg/admin-client.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { counted } from '#replicator/pg/counted.ts';
import { lockPreparation, migrate } from '#replicator/pg/migrations.ts';
import type { PrepareAction, PrepareReport } from '#replicator/pg/prepare-report.ts';
import { PUBLICATION, ensurePublication } from '#replicator/pg/publication.ts';
import { quoteTable } from '#replicator/pg/quote.ts';
import { insertRegionRow, readRegionRow, requireSameRegion } from '#replicator/pg/region-row.ts';
import type { RegionIdentity, RegionRow } from '#replicator/pg/region-row.ts';
import { selectTables, settingsTables } from '#replicator/pg/select-tables.ts';
import type { TableSelection } from '#replicator/pg/select-tables.ts';
import { stripeSequences } from '#replicator/pg/sequences.ts';
import { readServerFacts, requireServer } from '#replicator/pg/server-facts.ts';
import type { ServerFacts } from '#replicator/pg/server-facts.ts';
import { writeSettings } from '#replicator/pg/settings-row.ts';
import { createSlot, readSlot, slotName } from '#replicator/pg/slot.ts';
import type { SlotState } from '#replicator/pg/slot.ts';
import { readUserTables } from '#replicator/pg/user-tables.ts';

// ALTER TABLE queues behind every reader and everybody queues behind it: better to give up soon.
const LOCK_TIMEOUT_MS = 5_000;
const FIRST_EPOCH = 1;

/** Everything that is read before anything is changed. */
interface Survey {
  readonly facts: ServerFacts;
  readonly identity: RegionIdentity;
  readonly slot: string;
  readonly row: RegionRow | null;
  readonly slotState: SlotState | null;
  readonly selection: TableSelection;
}

/**
 * Prepares one region's database: idempotent, and all or nothing up to the slot, which comes last. Says
 * what it did and what was so already.
 */
export async function prepareRegion(
  config: ClusterConfig,
  region: RegionConfig,
  signal?: AbortSignal,
): Promise<PrepareReport> {
  const client = await openAdminClient({
    url: region.database,
    connectTimeoutMs: config.replication.connectTimeoutMs,
    signal,
  });
  try {
    await lockPreparation(client);
    const survey = await examine(client, config, region);
    await client.execute(`BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    const { actions, settings } = await changeDatabase(client, survey);
    await client.execute('COMMIT');
    const slotAction = await ensureSlot(client, survey, config.replication.failoverSlot);
    return {
      cluster: survey.identity.cluster,
      region: region.region,
      epoch: survey.row?.epoch ?? FIRST_EPOCH,
      slot: survey.slot,
      publication: PUBLICATION,
      settings,
      tables: survey.selection.replicated.map(({ table }) => relationId(table)),
      leftOut: survey.selection.leftOut,
      actions: [...actions, slotAction],
    };
  } finally {
    // Ends an unfinished transaction too.
    await client.close();
  }
}

async function examine(
  client: AdminClient,
  config: ClusterConfig,
  region: RegionConfig,
): Promise<Survey> {
  const facts = await readServerFacts(client);
  requireServer(facts);
  const identity: RegionIdentity = {
    cluster: config.cluster,
    region: region.region,
    stride: config.replication.sequenceStride,
    offset: region.sequenceOffset,
  };
  const row = await readRegionRow(client);
  if (row !== null) requireSameRegion(row, identity, facts);
  const slot = slotName(config.cluster);
  const slotState = await readSlot(client, slot);
  requireSlot(slot, slotState, row, facts);
  const tables = await readUserTables(client);
  const selection = selectTables(tables, config.tables, config.columns, config.rows);
  requireSelection(selection);
  return { facts, identity, slot, row, slotState, selection };
}

function requireSlot(
  slot: string,
  state: SlotState | null,
  row: RegionRow | null,
  facts: ServerFacts,
): void {
  if (state !== null && state.database !== facts.database) {
    throw refused(
      'DATABASE_NOT_PREPARED',
      `Slot ${slot} of this server belongs to database ${state.database}; two regions of one cluster need two PostgreSQL servers.`,
    );
  }
  if (state !== null && row === null) {
    throw refused(
      'DATABASE_NOT_PREPARED',
      `Slot ${slot} exists, but this database is not prepared: it is left over from an earlier set-up; run SELECT pg_drop_replication_slot('${slot}'); and then init again.`,
    );
  }
  if (state === null && row?.slotCreated === true) {
    throw refused(
      'SLOT_MISSING',
      `Slot ${slot} was here and is gone, so commits since then are in no log and a new slot would skip them in silence; this region must join again.`,
    );
  }
  if (state?.walStatus === 'lost') {
    throw refused(
      'SLOT_LOST',
      `PostgreSQL removed WAL that slot ${slot} still needed (max_slot_wal_keep_size), so commits are in no log; this region must join again.`,
    );
  }
  if (state === null && facts.slotsUsed >= facts.slotsMax) {
    throw refused(
      'DATABASE_NOT_PREPARED',
      `All ${facts.slotsMax} replication slots are in use; raise max_replication_slots and restart PostgreSQL, or drop a slot that nobody uses.`,
    );
  }
}

function requireSelection(selection: TableSelection): void {
  if (selection.problems.length > 0) {
    const lines = selection.problems.map((problem) => `  ${problem.path} ${problem.message}`);
    throw refused(
      'CONFIG_INVALID',
      `Some column types do not fit this database, correct them:\n${lines.join('\n')}`,
    );
  }
  const foreign = selection.replicated.filter(({ table }) => !table.owned);
  if (foreign.length === 0) return;
  const owners = [...new Set(foreign.map(({ table }) => table.owner))];
  const names = foreign.map(({ table }) => relationId(table)).join(', ');
  throw refused(
    'PRIVILEGE_MISSING',
    `Only their owner may set the replica identity of ${names}; run init as ${owners.join(' or ')}, or GRANT that role to ours, or list the tables under tables.exclude.`,
  );
}

interface Changes {
  readonly actions: readonly PrepareAction[];
  readonly settings: number;
}

async function changeDatabase(client: AdminClient, survey: Survey): Promise<Changes> {
  const { facts, identity, selection } = survey;
  const tables = selection.replicated.map(({ table }) => table);
  const actions: PrepareAction[] = [];
  const ran = await migrate(client);
  actions.push({
    step: 'schema',
    target: 'everywrite',
    outcome: ran.length > 0 ? 'done' : 'unchanged',
    detail:
      ran.map(({ version, name }) => `migration ${version} ${name}`).join(', ') || 'up to date',
  });
  actions.push(...(await setReplicaIdentities(client, survey)));
  const settings = await writeSettings(client, settingsTables(selection.replicated));
  actions.push({
    step: 'settings',
    target: `everywrite.settings ${settings.id}`,
    outcome: settings.written ? 'done' : 'unchanged',
    detail: counted(tables.length, 'table'),
  });
  actions.push(...(await ensurePublication(client, facts.version, tables)));
  const oids = tables.map((table) => table.oid);
  actions.push(...(await stripeSequences(client, oids, identity)));
  actions.push(await writeRegion(client, survey, settings.id));
  return { actions, settings: settings.id };
}

async function setReplicaIdentities(
  client: AdminClient,
  survey: Survey,
): Promise<readonly PrepareAction[]> {
  const actions: PrepareAction[] = [];
  for (const { table } of survey.selection.replicated) {
    // Partitions log their own rows, so each needs it; the root's is what pgoutput reports.
    const members = table.members.filter((member) => !member.replicaIdentityFull);
    for (const member of members) {
      await client.execute(`ALTER TABLE ONLY ${quoteTable(member)} REPLICA IDENTITY FULL`);
    }
    actions.push({
      step: 'replica-identity',
      target: relationId(table),
      outcome: members.length > 0 ? 'done' : 'unchanged',
      detail:
        table.kind === 'partitioned'
          ? `full, ${counted(table.members.length - 1, 'partition')}`
          : 'full',
    });
  }
  return actions;
}

async function writeRegion(
  client: AdminClient,
  survey: Survey,
  settings: number,
): Promise<PrepareAction> {
  const { facts, identity, row, slot, slotState } = survey;
  const target = `${identity.region} of ${identity.cluster}`;
  if (row === null) {
    await insertRegionRow(client, {
      ...identity,
      epoch: FIRST_EPOCH,
      systemIdentifier: facts.systemIdentifier,
      timeline: must(facts.timeline, 'timeline of a primary'),
      slot,
      publication: PUBLICATION,
      initialSettings: settings,
    });
    return { step: 'region', target, outcome: 'done', detail: `epoch ${FIRST_EPOCH}` };
  }
  // An earlier init ended before its slot existed: the slot will begin after these settings.
  if (slotState === null && row.initialSettings !== settings) {
    await client.execute(`UPDATE everywrite.region SET initial_settings = ${settings}`);
  }
  return { step: 'region', target, outcome: 'unchanged', detail: `epoch ${row.epoch}` };
}

async function ensureSlot(
  client: AdminClient,
  survey: Survey,
  failover: boolean,
): Promise<PrepareAction> {
  const { slot, slotState, facts, row } = survey;
  if (slotState === null) {
    await createSlot(client, { slot, version: facts.version, failover });
  }
  if (row?.slotCreated !== true) {
    await client.execute('UPDATE everywrite.region SET slot_created_at = now()');
  }
  return {
    step: 'slot',
    target: slot,
    outcome: slotState === null ? 'done' : 'unchanged',
    detail: slotState === null ? 'created: from here on, every commit is captured' : 'exists',
  };
}

function refused(
  code:
    | 'CONFIG_INVALID'
    | 'PRIVILEGE_MISSING'
    | 'DATABASE_NOT_PREPARED'
    | 'SLOT_MISSING'
    | 'SLOT_LOST',
  message: string,
): EverywriteError {
  return new EverywriteError({ code, recovery: 'operator', message });
}
