import type {
  Catalogue,
  CatalogueFunction,
  CatalogueTable,
  CatalogueType,
} from '#gateway/catalogue/catalogue.ts';

/** The answer of `CATALOGUE_QUERY`, which built it in exactly these shapes. */
export function parseCatalogue(text: string): Catalogue {
  const document = JSON.parse(text) as {
    readonly tables: readonly CatalogueTable[];
    readonly types: readonly CatalogueType[];
    readonly functions: readonly CatalogueFunction[];
  };
  return {
    tables: document.tables,
    types: new Map(document.types.map((type) => [type.oid, type])),
    functions: document.functions,
  };
}
