/** SQL literals per column of `every_type`: what is hard about each type that has a text form. */
export const TYPED_VALUES: Readonly<Record<string, readonly string[]>> = {
  c_bool: ['true', 'false', 'NULL'],
  c_int2: ['-32768', '32767'],
  c_int4: ['-2147483648', '2147483647'],
  c_int8: ['-9223372036854775808', '9223372036854775807', '9007199254740993'],
  c_numeric: [
    "'NaN'",
    "'Infinity'",
    "'-Infinity'",
    '1.10',
    '1.1',
    '0.00000000000000000000000000000000001',
    "repeat('9', 2000)::numeric",
    '-0.000',
  ],
  c_numeric_12_2: ['9999999999.99', '-0.01', '5'],
  c_float4: ["'NaN'", "'Infinity'", "'-0'", '3.4028235e38', '1e-45', '0.1'],
  c_float8: ["'NaN'", "'-Infinity'", "'-0'", '1.7976931348623157e308', '5e-324', '0.1'],
  c_money: ["'-92233720368547758.08'", "'12.34'"],
  c_text: [
    "''",
    "' '",
    "'it''s \"quoted\" \\ and {braces, [brackets] (parens)'",
    "E'line\\nfeed\\rreturn\\ttab\\bback'",
    "'NULL'",
    "'null'",
    "'\\N'",
    "'ünï çødé 日本語 🐘 \u{1F468}\u200D\u{1F469}\u200D\u{1F467}'",
    "E'\\u00e9 e\\u0301'",
    "repeat('very long ', 100000)",
  ],
  c_varchar: ["'ten chars!'", "'é'"],
  c_char: ["'a'", "'a  '", "''"],
  c_name: ["'some_name'"],
  c_internal_char: [`'x'`],
  c_bytea: ["''", "'\\x00'", "'\\xdeadbeef5c27'", "decode(repeat('00ff5c', 60000), 'hex')"],
  c_date: ["'2024-02-29'", "'0044-03-15 BC'", "'infinity'", "'-infinity'", "'5874897-12-31'"],
  c_time: ["'00:00:00'", "'24:00:00'", "'23:59:59.999999'"],
  c_timetz: ["'12:34:56.789+05:30'", "'00:00:00-12'"],
  c_timestamp: [
    "'2024-02-29 12:34:56.123456'",
    "'infinity'",
    "'4713-01-01 00:00:00 BC'",
    "'294276-12-31 23:59:59.999999'",
  ],
  c_timestamptz: ["'2024-03-31 02:30:00+02'", "'-infinity'", "'0001-01-01 00:00:00+00 BC'"],
  c_interval: [
    "'1 year 2 mons 3 days 04:05:06.789'",
    "'-1 mons +2 days -03:04:05'",
    "'30 days'",
    "'1 mon'",
    "'0'",
    "'infinity'",
  ],
  c_uuid: ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"],
  c_json: [`'{"b": 1,  "a": [1, 2.50, null], "a": "twice"}'`, "'null'", `'"\\u00e9 \\\\ \\""'`],
  c_jsonb: [
    `'{"b": 1e400, "a": {"nested": [true, false, null]}}'`,
    "'null'",
    "'[]'",
    "'1.10'",
    `'"text"'`,
  ],
  c_jsonpath: [`'$.a[*] ? (@ > 1)'`],
  c_xml: [`'<a b="c">text &amp; more</a>'`, "'just content'"],
  c_inet: ["'192.168.0.1/24'", "'::ffff:1.2.3.4'", "'2001:db8::1/64'"],
  c_cidr: ["'10.0.0.0/8'", "'2001:db8::/32'"],
  c_macaddr: ["'08:00:2b:01:02:03'"],
  c_macaddr8: ["'08:00:2b:01:02:03:04:05'"],
  c_point: ["'(1.5,-2e10)'", "'(NaN,Infinity)'"],
  c_line: ["'{1,2,3}'"],
  c_lseg: ["'[(0,0),(1,1)]'"],
  c_box: ["'(2,2),(0,0)'"],
  c_path: ["'[(0,0),(1,1),(2,0)]'", "'((0,0),(1,1))'"],
  c_polygon: ["'((0,0),(1,1),(2,0))'"],
  c_circle: ["'<(1,2),3.25>'"],
  c_bit: ["B'10101010'"],
  c_varbit: ["B''", "B'1011'"],
  c_tsvector: [`'fat:2A,4B cat:3 ''it''''s'':1'`, "''"],
  c_tsquery: ["'fat & (rat | !cat) <-> mouse:*A'"],
  c_int4range: ["'[1,5)'", "'empty'", "'(,)'"],
  c_numrange: ["'(1.10,2.2]'", "'[1e10,)'"],
  c_tstzrange: ["'[2024-01-01 00:00+00,infinity)'"],
  c_daterange: ["'[2024-01-01,2024-12-31]'"],
  c_int4multirange: ["'{[1,3),[5,8)}'", "'{}'"],
  c_int4_array: ["'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[-1:1]={7,8,9}'"],
  c_text_array: [
    `ARRAY['', 'NULL', 'null', 'a,b', '{}', 'quo"te', E'back\\\\slash', ' space ', NULL]`,
    `ARRAY[['a','b'],['c',NULL]]`,
    `ARRAY[]::text[]`,
  ],
  c_jsonb_array: [`ARRAY['{"a": "b,c"}', '[1]']::jsonb[]`],
  c_timestamptz_array: [`ARRAY['2024-01-01 00:00+09', 'infinity', NULL]::timestamptz[]`],
  c_mood: [`'sad'`, `'it''s, "so"'`],
  c_mood_array: [`ARRAY['sad', 'it''s, "so"', NULL]::mood[]`],
  c_email: ["'a@example.org'"],
  c_address: [
    `ROW('1 "Main", St\\', 12345, ARRAY['a','b,c'])::address`,
    `ROW(NULL, NULL, NULL)::address`,
    `ROW('', 0, '{}')::address`,
  ],
  c_address_array: [`ARRAY[ROW('x', 1, NULL)::address, NULL]`],
  c_pg_lsn: ["'16/B374D848'"],
  c_oid: ['4294967295'],
  c_xid8: ["'18446744073709551615'"],
  c_tid: ["'(0,1)'"],
  c_ltext: [`repeat('é', 3000)`],
};

const DECLARED: Readonly<Record<string, string>> = {
  c_numeric_12_2: 'numeric(12,2)',
  c_varchar: 'varchar(10)',
  c_char: 'char(5)',
  c_internal_char: '"char"',
  c_bit: 'bit(8)',
  c_mood: 'mood',
  c_ltext: 'text COLLATE "C"',
};

function declaration(column: string): string {
  const name = column.slice('c_'.length);
  const type = name.endsWith('_array') ? `${name.slice(0, -'_array'.length)}[]` : name;
  return `${column} ${DECLARED[column] ?? type}`;
}

export const TYPES_SCHEMA = `
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s, "so"');
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE address AS (street text, zip int, tags text[]);
CREATE TABLE every_type (
  id int PRIMARY KEY, note text, ${Object.keys(TYPED_VALUES).map(declaration).join(',\n  ')}
);
CREATE TABLE composite_key (a int, b text, c date, v text, PRIMARY KEY (c, a, b));
CREATE TABLE uuid_key (k uuid PRIMARY KEY, v int);
CREATE TABLE numeric_key (k numeric PRIMARY KEY, v text);
CREATE TABLE text_key (k text PRIMARY KEY, v int);
CREATE TABLE enum_key (k mood PRIMARY KEY, v int);
CREATE TABLE time_key (k timestamptz PRIMARY KEY, v int);
CREATE TABLE char_key (k char(5) PRIMARY KEY, v int);
CREATE TABLE bytea_key (k bytea PRIMARY KEY, v int);
CREATE SCHEMA "Odd ""schema"" é";
CREATE TABLE "Odd ""schema"" é"."Täble, with.dot 🐘" ("the key" int PRIMARY KEY, "Select" text, "quote""d" text);
CREATE SCHEMA other;
CREATE TABLE same_name (id int PRIMARY KEY, v text);
CREATE TABLE other.same_name (id int PRIMARY KEY, v text);
CREATE TABLE measurements (id int, at date, v int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE measurements_01 PARTITION OF measurements FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE measurements_02 PARTITION OF measurements FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE measurements_rest PARTITION OF measurements DEFAULT;
CREATE TABLE counted (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label text);
CREATE TABLE computed (id int PRIMARY KEY, price numeric(8,2), amount int,
  total numeric(10,2) GENERATED ALWAYS AS (price * amount) STORED);
`;
