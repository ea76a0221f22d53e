import { parseConfig } from '#replicator/config.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { EverywriteError } from '#core/errors.ts';
import type { ScenarioProblem } from '#sim/scenario/reader.ts';
import type { WorkloadName } from '#sim/scenario/scenario.ts';
import { FAMILY_TABLES, PROBE_TABLE, SHOP_TABLES, USERS_TABLE } from '#sim/scenario/shop-tables.ts';
import { sqlTables } from '#sim/scenario/sql-tables.ts';
import type { TableModel } from '#sim/run/world.ts';

/** The text of a file that a scenario names; throws when it cannot be read. */
export type ReadFile = (path: string) => string;

/** The tables of the scenario: the shop's as far as the workload needs them, or those of an SQL file. */
export function readSchema(
  schema: string,
  config: string,
  uses: ReadonlySet<WorkloadName>,
  readFile: ReadFile,
  problems: ScenarioProblem[],
): readonly TableModel[] {
  const tables = schema === 'shop' ? shopTables(uses) : fromFile(schema, readFile, problems);
  const probes = uses.has('probe') ? [PROBE_TABLE] : [];
  const withProbes = [...tables, ...probes];
  return config === '' ? withProbes : withColumnTypes(withProbes, config, readFile, problems);
}

function shopTables(uses: ReadonlySet<WorkloadName>): readonly TableModel[] {
  return [
    ...SHOP_TABLES,
    ...(uses.has('unique') ? [USERS_TABLE] : []),
    ...(uses.has('family') ? FAMILY_TABLES : []),
  ];
}

function fromFile(
  path: string,
  readFile: ReadFile,
  problems: ScenarioProblem[],
): readonly TableModel[] {
  if (!path.endsWith('.sql')) {
    const message = `is "${path}"; expected shop, or the path of an .sql file.${didYouMean(path, ['shop'])}`;
    problems.push({ path: 'schema', message });
    return [];
  }
  const text = textOf('schema', path, readFile, problems);
  return text === null ? [] : sqlTables(text, `schema ${path}`, problems);
}

function withColumnTypes(
  tables: readonly TableModel[],
  path: string,
  readFile: ReadFile,
  problems: ScenarioProblem[],
): readonly TableModel[] {
  const text = textOf('config', path, readFile, problems);
  if (text === null) return tables;
  try {
    // Passwords in urls are not needed here, and their variables need not be set.
    const { columns } = parseConfig(text.replaceAll(/\$\{[^}]*\}/g, 'x'), {}, path);
    return tables.map((table) => ({
      ...table,
      columns: table.columns.map((column) => {
        const given = columns.find(
          (candidate) =>
            `${candidate.schema}.${candidate.table}` === table.name &&
            candidate.column === column.name,
        );
        return given === undefined ? column : { ...column, merge: given.type };
      }),
    }));
  } catch (error) {
    if (!(error instanceof EverywriteError)) throw error;
    problems.push({ path: 'config', message: error.message });
    return tables;
  }
}

function textOf(
  key: string,
  path: string,
  readFile: ReadFile,
  problems: ScenarioProblem[],
): string | null {
  try {
    return readFile(path);
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    problems.push({ path: key, message: `is "${path}", which cannot be read (${why})` });
    return null;
  }
}
