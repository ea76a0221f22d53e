import { expect, test } from 'vitest';
import { splitScript } from '#deploy/local/sql-script.ts';

function texts(script: string): readonly string[] {
  return splitScript(script).map((item) => item.text);
}

test('a semicolon ends a statement, except in quotations, comments, bodies and parentheses', () => {
  const statements = [
    "SELECT ';', E'\\';', 'it''s;', \";\"\";\"",
    'SELECT 1 -- no end; here',
    'SELECT 2 /* nor /* ; */ here; */ + 1',
    'DO $x$ BEGIN PERFORM $$;$$; END; $x$',
    'CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)',
    'CREATE FUNCTION f(a int) RETURNS int BEGIN ATOMIC SELECT CASE a WHEN 1 THEN 2 END; SELECT 3; END',
    'BEGIN',
    "SELECT $1, a$b$c, '$$'",
    'COMMIT',
  ];
  expect(texts(statements.map((statement) => `${statement}\n;`).join('\n'))).toEqual(
    statements.map((statement) => statement.trimEnd()),
  );
});

test('empty statements and comments between them are no statements; the last needs no semicolon', () => {
  expect(texts('-- one\n;;/* two */\n;\nSELECT 1;\n\n SELECT 2 \n')).toEqual([
    'SELECT 1',
    'SELECT 2',
  ]);
  expect(texts('')).toEqual([]);
  expect(texts("SELECT 'never closed; \n")).toEqual(["SELECT 'never closed;"]);
});

test('the line of an item is the line of its first word, whatever ends its lines', () => {
  const script = '/* a\r\n b */\r\n\r\nSELECT 1,\r\n 2; SELECT 3;\r\n\\connect shop\r\n  SELECT 4;';
  expect(splitScript(script).map(({ kind, line }) => `${kind} ${line}`)).toEqual([
    'statement 4',
    'statement 5',
    'meta 6',
    'statement 7',
  ]);
});

test('the lines after COPY … FROM STDIN are its data, semicolons, backslashes and all', () => {
  const script =
    'COPY public.t (a, b) FROM stdin;\n1\tx;\\n\n2\t\\N\n\\.\n\nSELECT 1;\nCOPY u FROM STDIN;\n\\.\n';
  expect(splitScript(script)).toEqual([
    {
      kind: 'copy',
      text: 'COPY public.t (a, b) FROM stdin',
      data: '1\tx;\\n\n2\t\\N\n',
      line: 1,
    },
    { kind: 'statement', text: 'SELECT 1', line: 6 },
    { kind: 'copy', text: 'COPY u FROM STDIN', data: '', line: 7 },
  ]);
});
