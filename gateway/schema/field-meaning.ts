import type { GraphQLField } from 'graphql';
import type {
  ColumnModel,
  FunctionModel,
  RelationModel,
  TableModel,
} from '#gateway/model/schema-model.ts';
import type { ValueType } from '#gateway/model/value-type.ts';

export type AggregateName = 'sum' | 'avg' | 'min' | 'max';
export type PageInfoName = 'hasNextPage' | 'hasPreviousPage' | 'startCursor' | 'endCursor';
export type WriteAction = 'create' | 'update' | 'upsert' | 'delete';

/** What a field of the schema stands for: all that the compiler needs to know of it. */
export type FieldMeaning =
  | { readonly kind: 'column'; readonly column: ColumnModel }
  | { readonly kind: 'attribute'; readonly column: string; readonly type: ValueType }
  | { readonly kind: 'nodeId' }
  | { readonly kind: 'relation'; readonly relation: RelationModel; readonly as: Shape }
  | { readonly kind: 'table'; readonly table: TableModel; readonly as: 'connection' | 'list' }
  | { readonly kind: 'byKey'; readonly table: TableModel; readonly columns: readonly ColumnModel[] }
  | { readonly kind: 'node' }
  | { readonly kind: 'function'; readonly function: FunctionModel }
  | { readonly kind: 'connectionPart'; readonly part: ConnectionPart }
  | { readonly kind: 'edgePart'; readonly part: 'cursor' | 'node' }
  | { readonly kind: 'pageInfoPart'; readonly part: PageInfoName }
  | { readonly kind: 'aggregateCount' }
  | { readonly kind: 'aggregateGroup'; readonly function: AggregateName }
  | { readonly kind: 'aggregateValue'; readonly column: ColumnModel }
  | { readonly kind: 'write'; readonly write: WriteMeaning }
  | { readonly kind: 'payloadPart'; readonly part: PayloadPart };

export type Shape = 'one' | 'connection' | 'list';
export type ConnectionPart = 'edges' | 'nodes' | 'pageInfo' | 'totalCount' | 'aggregates';
export type PayloadPart = 'record' | 'records' | 'affectedCount' | 'causalToken' | 'result';

export interface WriteMeaning {
  readonly action: WriteAction;
  readonly table: TableModel;
  readonly many: boolean;
}

/** To be spread into a field's configuration. */
export function meaning(of: FieldMeaning): { readonly extensions: Record<string, unknown> } {
  return { extensions: { everywrite: of } };
}

/** Null for fields that are not the compiler's: introspection, and what others add to the schema. */
export function meaningOf(field: GraphQLField<unknown, unknown>): FieldMeaning | null {
  return (field.extensions['everywrite'] as FieldMeaning | undefined) ?? null;
}
