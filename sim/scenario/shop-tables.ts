import type { ColumnModel, ColumnModelType, TableModel } from '#sim/run/world.ts';

function column(name: string, type: ColumnModelType, merge = 'lww', notNull = false): ColumnModel {
  return { name, type, notNull, merge };
}

/** The schema of scenarios that name no other: a shop, with one table for each thing that can go wrong. */
export const SHOP_TABLES: readonly TableModel[] = [
  {
    name: 'public.products',
    columns: [
      column('id', 'text', 'lww', true),
      column('name', 'text'),
      column('price', 'int8'),
      column('stock', 'int8', 'counter'),
    ],
    key: ['id'],
    unique: [],
    foreignKeys: [],
  },
  {
    name: 'public.orders',
    columns: [
      column('id', 'text', 'lww', true),
      column('product', 'text'),
      column('status', 'text'),
      column('quantity', 'int8'),
      column('note', 'text'),
    ],
    key: ['id'],
    unique: [],
    foreignKeys: [],
  },
];

/** Only in scenarios that are about unique keys. */
export const USERS_TABLE: TableModel = {
  name: 'public.users',
  columns: [
    column('id', 'text', 'lww', true),
    column('login', 'text'),
    column('visits', 'int8', 'counter'),
  ],
  key: ['id'],
  unique: [['login']],
  foreignKeys: [],
};

/** Only in scenarios that are about foreign keys. */
export const FAMILY_TABLES: readonly TableModel[] = [
  {
    name: 'public.parents',
    columns: [column('id', 'text', 'lww', true), column('name', 'text')],
    key: ['id'],
    unique: [],
    foreignKeys: [],
  },
  {
    name: 'public.children',
    columns: [column('id', 'text', 'lww', true), column('parent', 'text'), column('name', 'text')],
    key: ['id'],
    unique: [],
    foreignKeys: [{ columns: ['parent'], references: 'public.parents', onDelete: 'no action' }],
  },
];

/** Where probes write: a row per probe, so that nothing else can be the reason of a failure. */
export const PROBE_TABLE: TableModel = {
  name: 'public.probes',
  columns: [column('id', 'text', 'lww', true), column('at', 'int8')],
  key: ['id'],
  unique: [],
  foreignKeys: [],
};
