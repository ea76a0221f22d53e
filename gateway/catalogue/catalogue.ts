/** What the gateway reads of a database's catalogue, before anything is named for GraphQL. */
export interface Catalogue {
  readonly tables: readonly CatalogueTable[];
  readonly types: ReadonlyMap<string, CatalogueType>;
  readonly functions: readonly CatalogueFunction[];
}

export interface CatalogueTable {
  readonly oid: string;
  /** The oid of its row type. */
  readonly rowType: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'view' | 'materialized view' | 'foreign table';
  readonly comment: string | null;
  readonly columns: readonly CatalogueColumn[];
  readonly keys: readonly CatalogueKey[];
  readonly foreignKeys: readonly CatalogueForeignKey[];
  readonly writes: { readonly insert: boolean; readonly update: boolean; readonly delete: boolean };
}

export interface CatalogueColumn {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** `always` cannot be written at all (generated, GENERATED ALWAYS AS IDENTITY). */
  readonly written: 'freely' | 'never';
  readonly comment: string | null;
}

/** A primary key or a UNIQUE constraint over plain columns. */
export interface CatalogueKey {
  readonly name: string;
  readonly primary: boolean;
  readonly columns: readonly string[];
  readonly comment: string | null;
}

export interface CatalogueForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  /** The oid of the table it points to. */
  readonly target: string;
  readonly targetColumns: readonly string[];
  readonly comment: string | null;
}

export interface CatalogueType {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'base' | 'composite' | 'domain' | 'enum' | 'range' | 'multirange' | 'pseudo';
  readonly comment: string | null;
  /** The element type of a true array, else null. */
  readonly element: string | null;
  /** What a domain is made of. */
  readonly base: string | null;
  readonly notNull: boolean;
  readonly labels: readonly string[];
  readonly attributes: readonly { readonly name: string; readonly type: string }[];
  /** There is an order (a btree), so that it can be compared and sorted. */
  readonly ordered: boolean;
}

export interface CatalogueFunction {
  readonly schema: string;
  readonly name: string;
  readonly volatility: 'immutable' | 'stable' | 'volatile';
  readonly arguments: readonly {
    readonly name: string;
    readonly type: string;
    readonly optional: boolean;
  }[];
  readonly returns: string;
  readonly returnsSet: boolean;
  readonly comment: string | null;
}
