import { must } from '#core/assert.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import type { PrepareAction } from '#replicator/pg/prepare-report.ts';
import { quoteIdentifier, quoteTable } from '#replicator/pg/quote.ts';

/** Steps of `stride`, always at this region's residue: regions never hand out the same value. */
export interface Striping {
  readonly stride: number;
  readonly offset: number;
}

/** A sequence that fills columns of replicated tables. */
export interface SequenceInUse {
  readonly schema: string;
  readonly name: string;
  readonly increment: string;
  readonly minimum: string;
  readonly maximum: string;
  readonly cycles: boolean;
  readonly columns: readonly SequenceColumn[];
}

export interface SequenceColumn {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly numeric: boolean;
}

export interface SequencePosition {
  readonly lastValue: string;
  readonly isCalled: boolean;
  /** The greatest value in any column it fills; null when there is none. */
  readonly greatest: string | null;
}

export type StripeDecision =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'restart'; readonly next: bigint }
  | { readonly kind: 'refused'; readonly why: string };

/** What striping means for a sequence where it stands. Never goes back, never repeats a used key. */
export function decideStripe(
  sequence: SequenceInUse,
  position: SequencePosition,
  striping: Striping,
): StripeDecision {
  const stride = BigInt(striping.stride);
  const offset = BigInt(striping.offset);
  const increment = BigInt(sequence.increment);
  const last = BigInt(position.lastValue);
  const greatest = position.greatest === null ? null : BigInt(position.greatest);
  if (increment < 0n) {
    const why = 'it counts down; give the column a sequence that counts up, or uuid keys';
    return { kind: 'refused', why };
  }
  if (sequence.cycles) {
    const why =
      'it starts again at its end, where keys are used already; ALTER SEQUENCE … NO CYCLE';
    return { kind: 'refused', why };
  }
  const next = position.isCalled ? last + increment : last;
  const behind = greatest !== null && next <= greatest;
  if (increment === stride && residue(next, stride) === offset && !behind) {
    return { kind: 'unchanged' };
  }
  const floors = [position.isCalled ? last + 1n : last, BigInt(sequence.minimum)];
  if (greatest !== null) floors.push(greatest + 1n);
  const floor = floors.reduce((left, right) => (left > right ? left : right));
  const start = floor + residue(offset - floor, stride);
  if (start <= BigInt(sequence.maximum)) return { kind: 'restart', next: start };
  const why = `its next value here would be ${start}, above its maximum ${sequence.maximum}; give the column a wider type`;
  return { kind: 'refused', why };
}

/** Stripes every sequence of the given tables, inside the caller's transaction. */
export async function stripeSequences(
  client: AdminClient,
  tableOids: readonly number[],
  striping: Striping,
): Promise<readonly PrepareAction[]> {
  const actions: PrepareAction[] = [];
  for (const sequence of await readSequences(client, tableOids)) {
    let decision = decideStripe(sequence, await readPosition(client, sequence), striping);
    if (decision.kind === 'restart') {
      // ALTER SEQUENCE keeps nextval() out until commit, so the position is read again behind it.
      await client.execute(
        `ALTER SEQUENCE ${quoteTable(sequence)} INCREMENT BY ${striping.stride}`,
      );
      decision = decideStripe(sequence, await readPosition(client, sequence), striping);
      if (decision.kind === 'restart') {
        await client.execute(
          `ALTER SEQUENCE ${quoteTable(sequence)} RESTART WITH ${decision.next}`,
        );
      }
    }
    actions.push(actionOf(sequence, decision, striping));
  }
  return actions;
}

export async function readSequences(
  client: AdminClient,
  tableOids: readonly number[],
): Promise<readonly SequenceInUse[]> {
  return client.select<SequenceInUse>(SEQUENCES, [tableOids]);
}

export async function readPosition(
  client: AdminClient,
  sequence: SequenceInUse,
): Promise<SequencePosition> {
  const greatest = sequence.columns
    .filter((column) => column.numeric)
    .map(({ schema, table, column }) => {
      const from = quoteTable({ schema, name: table });
      return `(SELECT floor(max(${quoteIdentifier(column)})) FROM ${from})`;
    });
  const [position] = await client.select<SequencePosition>(
    `SELECT last_value::text AS "lastValue", is_called AS "isCalled",
       greatest(NULL::numeric, ${['NULL', ...greatest].join(', ')})::text AS greatest
     FROM ${quoteTable(sequence)}`,
  );
  return must(position, 'sequence position');
}

// Owned (serial, identity), or used by a default that names the sequence as a regclass constant.
const SEQUENCES = `
  SELECT n.nspname AS schema, s.relname AS name, q.seqincrement::text AS increment,
    q.seqmin::text AS minimum, q.seqmax::text AS maximum, q.seqcycle AS cycles,
    json_agg(json_build_object('schema', tn.nspname, 'table', t.relname, 'column', a.attname,
      'numeric', a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype))
      ORDER BY tn.nspname, t.relname, a.attnum) AS columns
  FROM (
    SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS attnum FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
    UNION
    SELECT d.refobjid, f.adrelid, f.adnum FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
  ) used
  JOIN pg_sequence q ON q.seqrelid = used.sequence
  JOIN pg_class s ON s.oid = q.seqrelid JOIN pg_namespace n ON n.oid = s.relnamespace
  JOIN pg_class t ON t.oid = used.relation JOIN pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = used.attnum
  WHERE coalesce(pg_partition_root(t.oid)::oid, t.oid) = ANY ($1::oid[])
  GROUP BY n.nspname, s.relname, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle
  ORDER BY n.nspname, s.relname`;

function actionOf(
  sequence: SequenceInUse,
  decision: StripeDecision,
  striping: Striping,
): PrepareAction {
  const target = `${sequence.schema}.${sequence.name}`;
  const steps = `steps of ${striping.stride}, residue ${striping.offset}`;
  switch (decision.kind) {
    case 'unchanged':
      return { step: 'sequence', target, outcome: 'unchanged', detail: steps };
    case 'restart':
      return {
        step: 'sequence',
        target,
        outcome: 'done',
        detail: `${steps}, next ${decision.next}`,
      };
    case 'refused':
      return { step: 'sequence', target, outcome: 'refused', detail: decision.why };
    default:
      return decision satisfies never;
  }
}

function residue(value: bigint, stride: bigint): bigint {
  return ((value % stride) + stride) % stride;
}
