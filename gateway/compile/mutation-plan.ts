import { derivedUuid } from '#gateway/compile/assignments.ts';
import type { DerivedKey } from '#gateway/compile/assignments.ts';
import type { Input } from '#gateway/compile/input.ts';
import { AFFECTED, TOKEN_SLOT, WRITTEN } from '#gateway/compile/plan.ts';
import type { Piece, Plan, PlanStatement, RootPart } from '#gateway/compile/plan.ts';
import { introspection } from '#gateway/compile/query-plan.ts';
import type { Operation } from '#gateway/compile/query-plan.ts';
import { functionSql } from '#gateway/compile/root-field.ts';
import { notingScope, rowScope } from '#gateway/compile/row-scope.ts';
import { objectTypeOf, rowsJsonSql } from '#gateway/compile/object-sql.ts';
import type { Member } from '#gateway/compile/object-sql.ts';
import { rowMembers } from '#gateway/compile/row-sql.ts';
import { below, select } from '#gateway/compile/selection.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import { Compilation, badInput } from '#gateway/compile/statement.ts';
import type { RowLimits } from '#gateway/compile/statement.ts';
import { returningSql, writeSql } from '#gateway/compile/write-sql.ts';
import type { FunctionModel, TableModel } from '#gateway/model/schema-model.ts';
import type { WriteMeaning } from '#gateway/schema/field-meaning.ts';
import { GatewayError } from '#gateway/errors.ts';
import { operationStatements } from '#gateway/compile/operation-ids.ts';
import type { Rows } from '#gateway/pg/sql-text.ts';

interface Built {
  readonly statements: readonly PlanStatement[];
  readonly write: (answers: readonly Rows[], first: number) => readonly Piece[];
}

/** A mutation: its fields one after the other, all in one transaction. */
export function mutationPlan(
  operation: Operation,
  limits: RowLimits,
  operationsTable: string | null,
): Plan {
  const { source, node } = operation;
  const type = source.schema.getMutationType();
  if (type === null || type === undefined) throw new Error('the schema has no Mutation');
  const compilation = new Compilation(source, limits);
  const statements: PlanStatement[] = [];
  const parts: RootPart[] = [];
  const replays: { statements: PlanStatement[]; parts: RootPart[] } = { statements: [], parts: [] };
  const roots = select(source, type, [node.selectionSet]);
  const ids = roots.filter((root) => operationId(root) !== undefined).length;
  if (ids > 0 && ids < roots.length) {
    throw badInput('Either every field of a mutation has an opId, or none.');
  }
  for (const root of roots) {
    const { means } = root;
    if (means?.kind === 'write') {
      const built = writeField(root, means.write, compilation, operationsTable);
      add(root, built.now, statements, parts);
      if (built.again !== null) add(root, built.again, replays.statements, replays.parts);
    } else if (means?.kind === 'function') {
      if (ids > 0) throw badInput(`${root.key}: a function takes no opId yet; leave it out.`);
      add(root, functionField(root, means.function, compilation), statements, parts);
    } else parts.push(introspection(root, operation));
  }
  return {
    kind: 'mutation',
    statements,
    parts,
    checks: compilation.checks,
    cost: compilation.cost(),
    replay: ids === 0 ? null : replays,
  };
}

function add(root: Selected, built: Built, statements: PlanStatement[], parts: RootPart[]): void {
  const first = statements.length;
  statements.push(...built.statements);
  parts.push({ key: root.key, write: (answers) => built.write(answers, first) });
}

function operationId(root: Selected): Input | undefined {
  const input = root.arguments.get('opId');
  return input?.value === null ? undefined : input;
}

function writeField(
  root: Selected,
  write: WriteMeaning,
  compilation: Compilation,
  operationsTable: string | null,
): { readonly now: Built; readonly again: Built | null } {
  const opId = operationId(root);
  if (opId !== undefined && operationsTable === null) throw notPrepared();
  const payload = below(compilation.source, objectTypeOf(root), root);
  const keyed = write.table.key.length > 0 && write.action !== 'delete';
  const apart =
    opId !== undefined || (keyed && payload.some((part) => reachesOut(part, compilation)));
  if (!apart || (!keyed && opId === undefined)) {
    return { now: inOneStatement(root, write, payload, compilation), again: null };
  }
  const change = keyedChange(root, write, opId, compilation);
  const read = readBack(root, write, payload, compilation);
  if (opId === undefined || operationsTable === null) {
    return { now: joined([change], read, payload), again: null };
  }
  const operation = operationStatements(root, operationsTable, opId, compilation);
  return {
    now: joined([operation.claim, change, operation.keep], read, payload),
    again: joined([operation.recall], read, payload),
  };
}

/** Whether what is asked of the row lies outside of it: then it is read after the change. */
function reachesOut(part: Selected, compilation: Compilation): boolean {
  if (part.means?.kind !== 'payloadPart') return false;
  if (part.means.part !== 'record' && part.means.part !== 'records') return false;
  const fields = below(compilation.source, objectTypeOf(part), part);
  return fields.some(({ means }) => means?.kind === 'relation');
}

/** The change and its answer together: count, then each part that is made of rows. */
function inOneStatement(
  root: Selected,
  write: WriteMeaning,
  payload: readonly Selected[],
  compilation: Compilation,
): Built {
  const derived = null;
  const { before, sql, guard, alias } = writeSql(root, write, derived, compilation);
  const returned = new Set<string>();
  const scope = notingScope(write.table, 'w', returned);
  const columns = ['(SELECT count(*) FROM w)', guard ?? 'NULL'];
  for (const part of payload) {
    const members = partMembers(part, scope, compilation);
    if (members !== null) columns.push(rowsOf(part, members, 'w'));
  }
  const text = `WITH ${before}w AS (${sql}${returningSql(alias, returned)}) SELECT ${columns.join(', ')}`;
  const statement = { ...compilation.statement(text), key: root.key };
  return { statements: [statement], write: payloadWriter(payload, 0, 2) };
}

function partMembers(
  part: Selected,
  scope: Parameters<typeof rowMembers>[1],
  compilation: Compilation,
): readonly Member[] | null {
  if (part.means?.kind !== 'payloadPart') return null;
  if (part.means.part !== 'record' && part.means.part !== 'records') return null;
  const { maxRows } = compilation.limits;
  return compilation.perRow(
    () =>
      part.means?.kind === 'payloadPart' && part.means.part === 'record'
        ? 1
        : Math.min(maxRows, 10),
    () => rowMembers(below(compilation.source, objectTypeOf(part), part), scope, compilation),
  );
}

function rowsOf(part: Selected, members: readonly Member[], from: string): string {
  const single = part.means?.kind === 'payloadPart' && part.means.part === 'record';
  return single ? `(${rowsJsonSql(members, `${from} LIMIT 1`)} -> 0)` : rowsJsonSql(members, from);
}

/** The change alone; the keys of what it wrote stay behind in the transaction. */
function keyedChange(
  root: Selected,
  write: WriteMeaning,
  opId: Input | undefined,
  compilation: Compilation,
): PlanStatement {
  const derived = opId === undefined ? null : derivedKey(write, opId);
  const { before, sql, guard, alias } = writeSql(root, write, derived, compilation);
  const { key } = write.table;
  const returned = new Set(key.map((column) => column.column));
  const texts = key.map((column) => `w.${column.sqlName}::text`);
  const keys = `coalesce((SELECT json_agg(json_build_array(${texts.join(', ')})) FROM w), '[]')::text`;
  const text = `WITH ${before}w AS (${sql}${returningSql(alias, returned)}) SELECT set_config('${AFFECTED}', (SELECT count(*) FROM w)::text, true), ${guard ?? 'NULL'}, set_config('${WRITTEN}', ${keys}, true)`;
  return { ...compilation.statement(text), key: root.key };
}

/** A row's uuid follows from the operation's id, if the client gives none: the same in every region. */
function derivedKey({ table, action, many }: WriteMeaning, opId: Input): DerivedKey | null {
  const [key] = table.key;
  if (action !== 'create' || table.key.length !== 1 || key?.type.name !== 'UUID') return null;
  if (!key.can.create) return null;
  return (at) => (variables) => derivedUuid(String(opId.read(variables)), many ? at : 0);
}

/** The rows that were written, as they are now. */
function readBack(
  root: Selected,
  { table }: WriteMeaning,
  payload: readonly Selected[],
  compilation: Compilation,
): PlanStatement {
  const alias = compilation.alias();
  const columns = [`current_setting('${AFFECTED}')`];
  for (const part of payload) {
    const members = partMembers(part, rowScope(table, alias), compilation);
    if (members !== null) columns.push(rowsOf(part, members, writtenFrom(table, alias)));
  }
  const text = `SELECT ${columns.join(', ')}`;
  return { ...compilation.statement(text), key: root.key };
}

function writtenFrom(table: TableModel, alias: string): string {
  const join = table.key.map((column, at) => {
    return `${alias}.${column.sqlName} = (k.v ->> ${at})::${column.type.sqlType}`;
  });
  return `json_array_elements(current_setting('${WRITTEN}')::json) WITH ORDINALITY k(v, at) JOIN ${table.sqlName} ${alias} ON ${join.join(' AND ')} ORDER BY k.at`;
}

function joined(
  before: readonly PlanStatement[],
  read: PlanStatement,
  payload: readonly Selected[],
): Built {
  return { statements: [...before, read], write: payloadWriter(payload, before.length, 1) };
}

/** `column`: where the parts that are made of rows begin in the statement's only row. */
function payloadWriter(
  payload: readonly Selected[],
  statement: number,
  column: number,
): Built['write'] {
  return (answers, first) => {
    const row = answers[first + statement]?.[0] ?? [];
    let at = column;
    const pieces: Piece[] = [];
    for (const [index, part] of payload.entries()) {
      pieces.push(`${index === 0 ? '{' : ','}${JSON.stringify(part.key)}:`);
      if (part.means?.kind !== 'payloadPart') pieces.push(JSON.stringify(part.parent.name));
      else if (part.means.part === 'affectedCount') pieces.push(row[0] ?? '0');
      else if (part.means.part === 'causalToken') pieces.push(TOKEN_SLOT);
      else {
        pieces.push(row[at] ?? 'null');
        at += 1;
      }
    }
    return [...pieces, '}'];
  };
}

function functionField(root: Selected, of: FunctionModel, compilation: Compilation): Built {
  const payload = below(compilation.source, objectTypeOf(root), root);
  const results = payload.filter((part) => {
    return part.means?.kind === 'payloadPart' && part.means.part === 'result';
  });
  if (results.length > 1) throw badInput(`${root.key}: ask for the result once.`);
  const [result] = results;
  // Called once, whether its result is asked for or not.
  const called = { ...(result ?? root), arguments: root.arguments };
  const sql =
    result === undefined && of.returns.kind === 'table'
      ? functionSql({ ...called, nodes: [] }, { ...of, returns: { kind: 'void' } }, compilation)
      : functionSql(called, of, compilation);
  const statement = {
    ...compilation.statement(`SELECT NULL, ${sql}`),
    key: root.key,
  };
  return { statements: [statement], write: payloadWriter(payload, 0, 1) };
}

function notPrepared(): GatewayError {
  return new GatewayError({
    code: 'OPERATION_IDS_NOT_PREPARED',
    message:
      'This database keeps no operation ids yet: its operator creates the table everywrite_operations (see GATEWAY.md). Leave opId out meanwhile.',
  });
}
