import { Kind, executeSync } from 'graphql';
import type { DocumentNode, OperationDefinitionNode } from 'graphql';
import type { Plan, PlanStatement, RootPart } from '#gateway/compile/plan.ts';
import { rootRows, rootSql } from '#gateway/compile/root-field.ts';
import { select } from '#gateway/compile/selection.ts';
import type { Selected, Source } from '#gateway/compile/selection.ts';
import { Compilation } from '#gateway/compile/statement.ts';
import type { RowLimits } from '#gateway/compile/statement.ts';

export interface Operation {
  readonly document: DocumentNode;
  readonly node: OperationDefinitionNode;
  readonly source: Source;
}

/** A query: one statement for all of its root fields. */
export function queryPlan(operation: Operation, limits: RowLimits): Plan {
  const { source, node } = operation;
  const type = source.schema.getQueryType();
  if (type === null || type === undefined) throw new Error('the schema has no Query');
  const compilation = new Compilation(source, limits);
  const roots = select(source, type, [node.selectionSet]);
  const data = roots.filter((root) => root.means !== null);
  const [only] = data;
  const parts = new Map<string, RootPart>();
  const statements: PlanStatement[] = [];
  if (only !== undefined && data.length === 1) {
    const { sql, write } = rootRows(only, compilation);
    parts.set(only.key, { key: only.key, write: ([rows = []]) => [write(rows)] });
    if (sql !== null) {
      statements.push({ ...compilation.statement(sql), key: only.key });
    }
  } else if (data.length > 1) {
    const columns = data.map((root) => rootSql(root, compilation));
    for (const [at, { key }] of data.entries()) {
      parts.set(key, { key, write: ([rows = []]) => [rows[0]?.[at] ?? 'null'] });
    }
    const text = `SELECT ${columns.join(', ')}`;
    statements.push({ ...compilation.statement(text), key: null });
  }
  return {
    kind: 'query',
    statements,
    parts: roots.map((root) => parts.get(root.key) ?? introspection(root, operation)),
    checks: compilation.checks,
    cost: compilation.cost(),
    replay: null,
  };
}

/** `__typename`, `__schema` and `__type` are answered by graphql-js from the schema alone. */
export function introspection(root: Selected, { document, source }: Operation): RootPart {
  const { key } = root;
  if (root.field === null && root.nodes[0]?.name.value === '__typename') {
    return { key, write: () => [JSON.stringify(root.parent.name)] };
  }
  const definitions = document.definitions.map((definition) => {
    if (definition.kind !== Kind.OPERATION_DEFINITION) return definition;
    const selections = [...root.nodes];
    return { ...definition, selectionSet: { ...definition.selectionSet, selections } };
  });
  const own = { ...document, definitions: definitions.filter(isNeeded(root, document)) };
  return {
    key,
    write: (_, variables) => {
      const result = executeSync({
        schema: source.schema,
        document: own,
        variableValues: rawVariables(variables.coerced),
      });
      return [JSON.stringify(result.data?.[key] ?? null)];
    },
  };
}

function rawVariables(coerced: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { ...coerced };
}

/** The operation that the root stands in, and all fragments. */
function isNeeded(
  root: Selected,
  document: DocumentNode,
): (definition: DocumentNode['definitions'][number], at: number) => boolean {
  return (definition, at) => {
    if (definition.kind !== Kind.OPERATION_DEFINITION) return true;
    const original = document.definitions[at];
    if (original?.kind !== Kind.OPERATION_DEFINITION) return false;
    const [start, end] = [original.loc?.start ?? 0, original.loc?.end ?? 0];
    const place = root.nodes[0]?.loc?.start ?? 0;
    const alone =
      document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION).length === 1;
    return alone || (place >= start && place <= end);
  };
}
