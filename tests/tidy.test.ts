import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

/**
 * The house rules (ARCHITECTURE.md, "The house"). Works on text: comments and the contents of strings
 * are blanked first, and the formatter guarantees the indentation that functions are measured by.
 */

const ROOT = join(import.meta.dirname, '..');
const FOLDERS = ['core', 'conflict', 'replicator', 'gateway', 'sim', 'deploy', 'tests'];
const TOP_LEVEL = [
  ...FOLDERS,
  '.ci',
  '.github',
  '.gitignore',
  '.oxfmtrc.json',
  '.oxlintrc.json',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'package-lock.json',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
];
// What git does not hold: see .gitignore.
const NOT_OURS = /^(\.git|node_modules|data|out|\.everywrite|.*\.log)$/;

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 60;
/** Functions that are longer, and how long. They may only become shorter. */
const LONG_FUNCTIONS: Readonly<Record<string, number>> = {};

interface Source {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** The text without comments and without what is between quotes; same lines and columns. */
  readonly code: string;
}

const QUOTED = new RegExp(
  [
    String.raw`\/\/[^\n]*`,
    String.raw`\/\*[^]*?\*\/`,
    String.raw`'(?:\\.|[^'\\\n])*'`,
    String.raw`"(?:\\.|[^"\\\n])*"`,
    '`(?:\\\\[^]|[^`\\\\])*`',
    // A regular expression stands where an operand is expected.
    String.raw`(?<=(?:[=(,:[!&|?{};+]|return|=>)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*`,
  ].join('|'),
  'g',
);

const FILES = FOLDERS.flatMap((folder) => filesBelow(folder));
const SOURCES = FILES.filter((path) => /\.(ts|mjs)$/.test(path)).map(sourceOf);
const TYPESCRIPT = SOURCES.filter(({ path }) => path.endsWith('.ts'));
const TEXTS = [...FILES, ...readdirSync(ROOT).filter((name) => name.endsWith('.md'))]
  .filter((path) => /\.(ts|mjs|md|sql|json|yaml|yml|sh)$/.test(path))
  .map((path) => ({ path, text: read(path) }));

/** Folders whose code must give the same result for the same input: what the simulator drives. */
const DETERMINISTIC = [
  'core/',
  'conflict/',
  'replicator/engine/',
  'gateway/session/',
  'gateway/feed/',
];

/** Who may import whom, the most specific folder first. */
const DIRECTIONS: readonly (readonly [folder: string, allowed: readonly string[]])[] = [
  ['core/', ['core/']],
  ['conflict/', ['core/', 'conflict/']],
  ['replicator/engine/', ['core/', 'conflict/', 'replicator/engine/']],
  [
    'replicator/pg/',
    ['core/', 'replicator/engine/', 'replicator/config/', 'replicator/config.ts', 'replicator/pg/'],
  ],
  ['replicator/nats/', ['core/', 'replicator/engine/', 'replicator/nats/']],
  ['replicator/config/', ['core/', 'replicator/config/']],
  ['replicator/', ['core/', 'conflict/', 'replicator/']],
  // It runs in browsers, beside whatever client an application has.
  ['gateway/client/', ['gateway/client/']],
  ['gateway/session/', ['core/', 'gateway/session/']],
  // The feed reads the replicators' logs: their frames have one decoder.
  [
    'gateway/feed/',
    [
      'core/',
      'gateway/feed/',
      'gateway/session/',
      'replicator/engine/log/',
      'replicator/engine/log-port.ts',
      'replicator/engine/signal.ts',
    ],
  ],
  ['gateway/', ['core/', 'conflict/', 'gateway/']],
  // A scenario is read as the configuration file is, and may name one.
  ['sim/scenario/', ['core/', 'replicator/config/', 'replicator/config.ts', 'sim/']],
  // `sim` is a command like `everywrite`: flags, exit codes and tables of text are the same.
  // How long a run took is read from the same clock as everywhere.
  [
    'sim/cli/',
    ['core/', 'replicator/config/', 'replicator/system-ports.ts', 'deploy/cli/', 'sim/'],
  ],
  [
    'sim/',
    ['core/', 'conflict/', 'replicator/engine/', 'gateway/session/', 'gateway/feed/', 'sim/'],
  ],
  ['deploy/', ['core/', 'conflict/', 'replicator/', 'gateway/', 'sim/', 'deploy/']],
  ['tests/', ['core/', 'conflict/', 'replicator/', 'gateway/', 'sim/', 'deploy/', 'tests/']],
];

/** Every npm package that may be imported, and where: replacing one touches one place. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@nats-io/jetstream': ['replicator/nats/', 'tests/'],
  '@nats-io/transport-node': ['replicator/nats/', 'tests/'],
  effect: ['replicator/config/'],
  'fast-check': ['tests/'],
  msgpackr: ['replicator/engine/log/', 'replicator/engine/index/', 'tests/'],
  '@apollo/client': ['tests/'],
  '@urql/core': ['tests/'],
  graphql: ['gateway/', 'tests/'],
  'graphql-http': ['tests/'],
  'graphql-sse': ['tests/'],
  'graphql-ws': ['gateway/subscriptions/', 'tests/'],
  jose: ['gateway/auth/', 'tests/'],
  pg: ['replicator/pg/', 'gateway/pg/', 'deploy/', 'tests/'],
  'prom-client': ['gateway/http/'],
  rxjs: ['tests/'],
  ws: ['gateway/subscriptions/', 'tests/'],
  yjs: ['conflict/yjs/', 'gateway/', 'tests/'],
  'pg-logical-replication': ['replicator/pg/replication-socket.ts'],
  pino: ['replicator/system-ports.ts', 'gateway/'],
  vitest: ['tests/'],
  yaml: ['replicator/config/', 'deploy/', 'tests/'],
};
/** Node's own modules, where not every one may be used. */
const NODE_MODULES: readonly (readonly [folder: string, allowed: readonly string[]])[] = [
  ['core/', []],
  ['conflict/', []],
  ['replicator/engine/log/', ['node:zlib']],
  ['replicator/engine/', []],
  ['gateway/client/', []],
  ['gateway/session/', []],
  ['gateway/feed/', []],
];

const AMBIENT =
  /(?<![.\w])(Date|performance|process|setTimeout|setInterval|setImmediate|queueMicrotask|crypto|fetch|Intl)\b(?!\s*:)|\bMath\.random\b|\.(localeCompare|toLocale\w+)\b/g;

test('imports follow the layers', () => {
  const wrong = SOURCES.flatMap((source) => {
    const rule = DIRECTIONS.find(([folder]) => source.path.startsWith(folder));
    return importsOf(source)
      .map((specifier) => localPath(source.path, specifier))
      .filter((path) => path !== null)
      .filter((path) => !(rule?.[1] ?? []).some((allowed) => path.startsWith(allowed)))
      .map((path) => `${source.path} imports ${path}`);
  });
  expect(wrong).toEqual([]);
});

test('every package is behind its folder', () => {
  const wrong = TYPESCRIPT.flatMap((source) =>
    importsOf(source)
      .filter((specifier) => !/^[#.]|^node:/.test(specifier))
      .map(packageOf)
      .filter((name) => !(PACKAGES[name] ?? []).some((place) => source.path.startsWith(place)))
      .map((name) => `${source.path} imports ${name}`),
  );
  expect(wrong).toEqual([]);
  const packages = Object.keys(
    (JSON.parse(read('package.json')) as { readonly dependencies: object }).dependencies,
  );
  expect(packages.filter((name) => PACKAGES[name] === undefined)).toEqual([]);
});

test('Node modules stay out of what the simulator drives', () => {
  const wrong = SOURCES.flatMap((source) => {
    const rule = NODE_MODULES.find(([folder]) => source.path.startsWith(folder));
    return importsOf(source)
      .filter((specifier) => specifier.startsWith('node:'))
      .filter((specifier) => rule !== undefined && !rule[1].includes(specifier))
      .map((specifier) => `${source.path} imports ${specifier}`);
  });
  expect(wrong).toEqual([]);
});

test('core, conflict and engine read no clock, no randomness, no locale', () => {
  const pure = SOURCES.filter(({ path }) =>
    DETERMINISTIC.some((folder) => path.startsWith(folder)),
  );
  expect(pure.flatMap((source) => findings(source, AMBIENT))).toEqual([]);
});

// There, `process` is a simulated one. The kernel drives real macrotasks, and guards what it forbids.
test('the simulator reads time and randomness from its kernel', () => {
  const kernel = ['sim/kernel/kernel.ts', 'sim/kernel/escape-detector.ts'];
  const played = SOURCES.filter(({ path }) => path.startsWith('sim/') && !kernel.includes(path));
  const found = played.flatMap((source) => findings(source, AMBIENT));
  expect(found.filter((line) => !/\bprocess\b/.test(line.slice(line.lastIndexOf(':'))))).toEqual(
    [],
  );
});

test('files and functions are short', () => {
  const files = SOURCES.filter(({ text }) => lineCount(text) > FILE_LINES_MAX).map(
    ({ path, text }) => `${path}: ${lineCount(text)} lines`,
  );
  expect(files).toEqual([]);
  const long = new Map<string, number>();
  for (const source of SOURCES) {
    for (const { name, lines } of functionsOf(source)) {
      if (lines > FUNCTION_LINES_MAX) long.set(`${source.path} ${name}`, lines);
    }
  }
  const grown = [...long].filter(([name, lines]) => lines > (LONG_FUNCTIONS[name] ?? 0));
  expect(grown).toEqual([]);
  expect(Object.keys(LONG_FUNCTIONS).filter((name) => !long.has(name))).toEqual([]);
});

test('types are neither widened nor asserted away', () => {
  const rules: readonly (readonly [string, RegExp])[] = [
    ['enum', /^\s*(?:export )?(?:declare )?(?:const )?enum\b/gm],
    ['namespace', /^\s*(?:export )?(?:declare )?namespace\b/gm],
    ['any', /(?<![.\w'"])any\b(?!\()/g],
    ['non-null !', /[\w)\]]!(?![=\w])/g],
    ['default export', /^export default\b/gm],
    ['TypeScript private', /^\s*(?:private|protected|public) (?!constructor\()/gm],
    ['@ts-', /@ts-(?:ignore|expect-error|nocheck)/g],
  ];
  const wrong = TYPESCRIPT.filter(notThisFile).flatMap((source) =>
    rules.flatMap(([name, pattern]) =>
      findings(name === '@ts-' ? { ...source, code: source.text } : source, pattern),
    ),
  );
  expect(wrong).toEqual([]);
});

test('only the command line writes to the console', () => {
  const quiet = TYPESCRIPT.filter(({ path }) => !/^(deploy\/cli|tests)\//.test(path));
  expect(quiet.flatMap((source) => findings(source, /\bconsole\.\w+/g))).toEqual([]);
});

test('names say what a thing is', () => {
  const vague = /(^|\/)(index|utils?|helpers?|common|types|misc|shared)\.(ts|mjs)$/;
  const folders = /(^|\/)(utils?|helpers?|common|types|misc|shared)\//;
  expect(FILES.filter((path) => vague.test(path) || folders.test(path))).toEqual([]);
  const shouting = FILES.filter((path) => /\.(ts|mjs)$/.test(path) && /[A-Z_]/.test(path));
  expect(shouting).toEqual([]);
});

test('the top level holds what is meant to be there', () => {
  const there = readdirSync(ROOT).filter((name) => !NOT_OURS.test(name));
  expect(there.filter((name) => !TOP_LEVEL.includes(name))).toEqual([]);
});

test('nothing is left for later, and no path of one machine is in a file', () => {
  const later = /\b(?:TODO|FIXME|XXX)\b/g;
  const machine = /(?<![\w.])\/(?:work|root|home)\/\w/g;
  const wrong = TEXTS.filter(notThisFile).flatMap(({ path, text }) => [
    ...findings({ path, text, code: text }, later),
    ...findings({ path, text, code: text }, machine),
  ]);
  expect(wrong).toEqual([]);
});

test('a file that a comment or a document names exists', () => {
  const named =
    /(?<![\w/.#@-])((?:core|conflict|replicator|gateway|sim|deploy|tests)\/[\w./-]+\.(?:ts|mjs|md|sql))\b/g;
  const wrong = TEXTS.filter(notThisFile).flatMap(({ path, text }) =>
    [...text.matchAll(named)]
      .map(([, name = '']) => name)
      .filter((name) => !FILES.includes(name))
      .map((name) => `${path} names ${name}`),
  );
  expect(wrong).toEqual([]);
});

test('every source file is used by another', () => {
  const settings = ['package.json', 'vitest.config.ts'].map((path) => ({ path, text: read(path) }));
  const everything = TEXTS.concat(settings);
  const unused = TYPESCRIPT.map(({ path }) => path)
    .filter((path) => !/\.test\.ts$|^tests\/bench\//.test(path))
    .filter((path) => {
      const name = path.slice(path.lastIndexOf('/') + 1);
      return !everything.some((other) => other.path !== path && other.text.includes(`/${name}`));
    });
  expect(unused).toEqual([]);
});

test('the rules see what they forbid', () => {
  const source = blank(
    `const a = 'Date.now()'; // any\nconst b: any = c!.d;\nconst e = /"/.test(f!);\n`,
  );
  expect(source).toHaveLength(76);
  expect([...source.matchAll(/\bany\b/g)]).toHaveLength(1);
  expect([...source.matchAll(/[\w)\]]!(?![=\w])/g)]).toHaveLength(2);
  expect(source).not.toContain('Date');
  const text = ['async function two(', '  a: A,', '): B {', '  return a;', '}', 'const x = 1;'];
  const measured = functionsOf({ path: '', text: '', code: text.join('\n') });
  expect(measured).toEqual([{ name: 'two', lines: 5 }]);
});

function filesBelow(folder: string): readonly string[] {
  const entries = readdirIfThere(join(ROOT, folder));
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function readdirIfThere(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function sourceOf(path: string): Source {
  const text = read(path);
  return { path, text, code: blank(text) };
}

function notThisFile({ path }: { readonly path: string }): boolean {
  return path !== 'tests/tidy.test.ts';
}

/** The text with comments, strings and regular expressions replaced by spaces. */
function blank(text: string): string {
  return text.replace(QUOTED, (quoted) => quoted.replace(/[^\n]/g, ' '));
}

function importsOf({ text }: Source): readonly string[] {
  const found = text.matchAll(
    /^(?:import|export|\}) ?(?:[^'"\n]* )?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return [...found].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '');
}

/** The path that a specifier means; null for a package or a Node module. */
function localPath(importer: string, specifier: string): string | null {
  if (specifier.startsWith('#')) return specifier.slice(1);
  if (!specifier.startsWith('.')) return null;
  return relative(ROOT, join(ROOT, dirname(importer), specifier)).replaceAll('\\', '/');
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function findings({ path, code }: Source, pattern: RegExp): readonly string[] {
  return [...code.matchAll(pattern)].map(({ 0: found, index }) => {
    return `${path}:${lineCount(code.slice(0, index))}: ${found.trim()}`;
  });
}

function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}

const HEADERS = [
  /^(\s*)(?:export )?(?:async )?function\*? (\w+)/,
  /^(\s*)(?:export )?const (\w+)(?:: [^=]+)? = (?:async )?(?:\(|<|\w+ =>)/,
  /^(\s+)(?:static |async |get |set |override |\*)*(?!(?:if|for|while|switch|catch|return|await|throw|new|super|expect|test|describe)\b)(#?\w+)(?:<[^(]*>)?\((?:.*[{,(]|)$/,
];

interface Measured {
  readonly name: string;
  readonly lines: number;
}

/** Functions, methods and named arrow functions with a body, each from its name to its last brace. */
function functionsOf({ code }: Source): readonly Measured[] {
  const lines = code.split('\n');
  return lines.flatMap((line, start): readonly Measured[] => {
    const [, indent = '', name = ''] =
      HEADERS.map((header) => header.exec(line)).find((match) => match !== null) ?? [];
    if (name === '') return [];
    for (let at = start; at < lines.length; at++) {
      const here = lines[at] ?? '';
      const outer = here.trim() !== '' && indentOf(here) <= indent.length;
      if (at > start && outer && !/^\s*[)}\]]/.test(here)) return [];
      if (at > start && outer && /^\s*\}/.test(here) && !/[{(]$/.test(here.trimEnd())) {
        return [{ name, lines: at - start + 1 }];
      }
    }
    return [];
  });
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
