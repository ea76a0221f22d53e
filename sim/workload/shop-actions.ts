import type { RegionId } from '#core/region.ts';
import { unreachable } from '#core/assert.ts';
import type { RandomStream } from '#sim/kernel/ports.ts';
import type { ClientStep, TableModel } from '#sim/run/world.ts';
import type { WorkloadItem } from '#sim/scenario/scenario.ts';
import { keyRow, randomRow, randomValue, zipfIndex } from '#sim/workload/row-values.ts';

/** One transaction of a workload, in words and in steps. */
export interface Action {
  readonly what: string;
  readonly steps: readonly ClientStep[];
  readonly writes: boolean;
}

export interface ActionContext {
  readonly item: WorkloadItem;
  readonly region: RegionId;
  readonly tables: readonly TableModel[];
  /** Dense within the whole plan: makes names that nobody else has. */
  readonly serial: number;
  readonly client: number;
  readonly random: RandomStream;
}

export function nextAction(context: ActionContext): Action {
  const { item } = context;
  switch (item.use) {
    case 'shop':
      return shop(context);
    case 'counter':
      return add(context, product(context), context.random.chance(0.7) ? -1 : 2);
    case 'churn':
      return churn(context);
    case 'unique':
      return register(context);
    case 'family':
      return family(context);
    case 'bulk':
      return bulk(context);
    case 'hold':
      return change(context, 'public.orders', order(context), { note: `held ${context.serial}` });
    case 'pair':
      return pair(context);
    case 'truncate':
      return write('truncate orders', [{ kind: 'truncate', table: 'public.orders' }]);
    case 'tables':
      return anyAction(context);
    case 'read':
      return read(context);
    case 'probe':
      return probe(context);
    default:
      return unreachable(item.use);
  }
}

function write(what: string, steps: readonly ClientStep[]): Action {
  return { what, steps, writes: true };
}

function product({ item, random }: ActionContext): string {
  return `p${zipfIndex(item.use === 'shop' ? 8 : item.keys, item.zipf, random)}`;
}

function order({ item, random }: ActionContext): string {
  return `o${zipfIndex(item.keys, item.zipf, random)}`;
}

function shop(context: ActionContext): Action {
  const { random, serial, region } = context;
  const draw = random.uniform();
  if (draw < 0.25) return insertOrder(context, `${region}-${serial}`);
  if (draw < 0.35) return insertOrder(context, order(context));
  if (draw < 0.6) {
    const status = random.pick(['paid', 'packed', 'sent', 'returned']);
    return change(context, 'public.orders', order(context), { status });
  }
  if (draw < 0.68) return change(context, 'public.orders', order(context), { note: `n${serial}` });
  if (draw < 0.85) return add(context, product(context), -random.between(1, 3));
  if (draw < 0.92) {
    const price = String(random.between(100, 999));
    return change(context, 'public.products', product(context), { price });
  }
  if (draw < 0.97) {
    const id = order(context);
    return write(`delete orders ${id}`, [{ kind: 'delete', table: 'public.orders', key: { id } }]);
  }
  const sold = add(context, product(context), -1);
  const ordered = insertOrder(context, `${region}-${serial}`);
  return write(`${ordered.what} and ${sold.what}`, [...ordered.steps, ...sold.steps]);
}

function insertOrder(context: ActionContext, id: string): Action {
  const { random, serial } = context;
  const row = {
    id,
    product: product(context),
    status: 'new',
    quantity: String(random.between(1, 9)),
    note: `n${serial}`,
  };
  return write(`insert orders ${id}`, [{ kind: 'insert', table: 'public.orders', row }]);
}

function change(
  _context: ActionContext,
  table: string,
  id: string,
  set: Readonly<Record<string, string>>,
): Action {
  const words = Object.entries(set).map(([name, value]) => `${name} = ${value}`);
  return write(`update ${bare(table)} ${id} ${words.join(', ')}`, [
    { kind: 'update', table, key: { id }, set, add: {} },
  ]);
}

function add(_context: ActionContext, id: string, by: number): Action {
  const table = 'public.products';
  const step: ClientStep = {
    kind: 'update',
    table,
    key: { id },
    set: {},
    add: { stock: String(by) },
  };
  return write(`update products ${id} stock ${by < 0 ? '-' : '+'} ${Math.abs(by)}`, [step]);
}

function churn(context: ActionContext): Action {
  const { item, random, serial } = context;
  const id = `o${random.between(0, item.keys - 1)}`;
  const draw = random.uniform();
  if (draw < 0.4) return insertOrder(context, id);
  if (draw < 0.7)
    return write(`delete orders ${id}`, [{ kind: 'delete', table: 'public.orders', key: { id } }]);
  return change(context, 'public.orders', id, { note: `n${serial}` });
}

function register(context: ActionContext): Action {
  const { item, region, serial, random } = context;
  const login = `login${zipfIndex(item.keys, item.zipf, random)}`;
  const row = { id: `u-${region}-${serial}`, login, visits: '0' };
  return write(`insert users ${row.id} as ${login}`, [
    { kind: 'insert', table: 'public.users', row },
  ]);
}

function family(context: ActionContext): Action {
  const { item, region, serial, random } = context;
  const parent = `f${random.between(0, item.keys - 1)}`;
  const draw = random.uniform();
  if (draw < 0.35) {
    const row = { id: parent, name: `n${serial}` };
    return write(`insert parents ${parent}`, [{ kind: 'insert', table: 'public.parents', row }]);
  }
  if (draw < 0.75) {
    const row = { id: `c-${region}-${serial}`, parent, name: `n${serial}` };
    return write(`insert children of ${parent}`, [
      { kind: 'insert', table: 'public.children', row },
    ]);
  }
  return write(`delete parents ${parent}`, [
    { kind: 'delete', table: 'public.parents', key: { id: parent } },
  ]);
}

function bulk(context: ActionContext): Action {
  const { item, region, serial } = context;
  const steps = Array.from({ length: item.rows }, (_, at): ClientStep => {
    const id = `b-${region}-${serial}-${at}`;
    const row = { id, product: 'p0', status: 'new', quantity: '1', note: `n${at}` };
    return { kind: 'insert', table: 'public.orders', row };
  });
  return write(`insert ${item.rows} orders`, steps);
}

function pair(context: ActionContext): Action {
  const { item, random } = context;
  const first = random.between(0, item.keys - 1);
  const second = (first + 1 + random.between(0, item.keys - 2)) % item.keys;
  const [a, b] = [add(context, `p${first}`, 1), add(context, `p${second}`, -1)];
  return write(`${a.what}, ${b.what}`, [...a.steps, ...b.steps]);
}

function anyAction(context: ActionContext): Action {
  const { item, tables, random, serial } = context;
  const table = random.pick(tables.filter(({ name }) => name !== 'public.probes'));
  const n = zipfIndex(item.keys, item.zipf, random);
  const key = keyRow(table, n);
  const name = `${bare(table.name)} ${Object.values(key).join(' ')}`;
  const draw = random.uniform();
  const others = table.columns.filter((column) => !table.key.includes(column.name));
  if (draw < 0.4 || others.length === 0) {
    const row = randomRow(table, tables, n, item.keys, random);
    return write(`insert ${name}`, [{ kind: 'insert', table: table.name, row }]);
  }
  if (draw < 0.9) {
    const column = random.pick(others);
    if (column.merge === 'counter') {
      const step: ClientStep = {
        kind: 'update',
        table: table.name,
        key,
        set: {},
        add: { [column.name]: String(random.between(-5, 5)) },
      };
      return write(`update ${name} ${column.name}`, [step]);
    }
    const set = { [column.name]: randomValue(table, tables, column, item.keys, random) };
    const step: ClientStep = { kind: 'update', table: table.name, key, set, add: {} };
    return write(`update ${name} ${column.name} ${serial}`, [step]);
  }
  return write(`delete ${name}`, [{ kind: 'delete', table: table.name, key }]);
}

function read(context: ActionContext): Action {
  const { tables, random, item } = context;
  const known = tables.some(({ name }) => name === 'public.products');
  const table = known ? 'public.products' : (tables[0]?.name ?? '');
  const model = tables.find(({ name }) => name === table);
  const n = random.between(0, item.keys - 1);
  const key = known ? { id: `p${n}` } : model === undefined ? {} : keyRow(model, n);
  const steps: readonly ClientStep[] = [{ kind: 'read', table, key }];
  return { what: `read ${bare(table)} ${Object.values(key).join(' ')}`, steps, writes: false };
}

function probe({ region, serial, client }: ActionContext): Action {
  const table = 'public.probes';
  if (client % 2 === 1) {
    const key = { id: `probe-${region}-0` };
    return { what: `read probe ${key.id}`, steps: [{ kind: 'read', table, key }], writes: false };
  }
  const row = { id: `probe-${region}-${serial}`, at: String(serial) };
  return write(`insert probe ${row.id}`, [{ kind: 'insert', table, row }]);
}

function bare(table: string): string {
  return table.slice(table.indexOf('.') + 1);
}
