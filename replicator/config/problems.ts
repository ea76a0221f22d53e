import { Schema } from 'effect';
import type { SchemaIssue } from 'effect';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { KEYS, configFileSchema } from '#replicator/config/schema.ts';
import type { ConfigFile } from '#replicator/config/schema.ts';
import { withoutSecrets } from '#replicator/config/secrets.ts';

/** One thing that is wrong in the file, and where: `regions.eu.database`. */
export interface ConfigProblem {
  readonly path: string;
  readonly message: string;
}

export type Decoded =
  | { readonly kind: 'ok'; readonly file: ConfigFile }
  | { readonly kind: 'wrong'; readonly problems: readonly ConfigProblem[] };

/** Checks a parsed document against the schema; all problems at once, in the words of the operator. */
export function decodeFile(document: unknown): Decoded {
  const result = Schema.decodeUnknownResult(configFileSchema)(document, {
    errors: 'all',
    onExcessProperty: 'error',
    reportInput: true,
  });
  if (result._tag === 'Success') return { kind: 'ok', file: result.success };
  return { kind: 'wrong', problems: problemsOf(result.failure.issue, [], null) };
}

/** `a.b."c.d"`: a path as the operator finds it in the file. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.map((part) => String(part)).join('.');
}

function problemsOf(
  issue: SchemaIssue.Issue,
  path: readonly PropertyKey[],
  expected: string | null,
): readonly ConfigProblem[] {
  switch (issue._tag) {
    case 'Composite':
      return issue.issues.flatMap((inner) => problemsOf(inner, path, expected));
    case 'Pointer':
      return problemsOf(issue.issue, [...path, ...issue.path], expected);
    case 'Encoding':
      return problemsOf(issue.issue, path, expected);
    case 'Filter':
      return problemsOf(issue.issue, path, expectationOf(issue.filter.annotations) ?? expected);
    case 'UnexpectedKey':
      return [unknownKey(path)];
    case 'MissingKey':
      return [{ path: pathText(path), message: 'is missing' }];
    case 'AnyOf':
      return [notOneOf(path, literalsOf(issue.ast), issue.input)];
    case 'InvalidType':
      return [mismatch(path, kindOf(issue.ast), issue.input)];
    case 'InvalidValue':
    case 'Forbidden':
    case 'OneOf':
      return [mismatch(path, expected ?? 'another value', issue.input)];
    default:
      return issue satisfies never;
  }
}

function unknownKey(path: readonly PropertyKey[]): ConfigProblem {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const shape = parent[0] === 'regions' && parent.length === 2 ? 'regions.*' : pathText(parent);
  const allowed = KEYS[shape] ?? [];
  return {
    path: pathText(path),
    message: `is not a known key; allowed are ${allowed.join(', ')}.${didYouMean(key, allowed)}`,
  };
}

function notOneOf(
  path: readonly PropertyKey[],
  allowed: readonly string[],
  input: unknown,
): ConfigProblem {
  const hint = typeof input === 'string' ? didYouMean(input, allowed) : '';
  return {
    path: pathText(path),
    message: `is ${shown(path, input)}; allowed are ${allowed.join(', ')}.${hint}`,
  };
}

function mismatch(path: readonly PropertyKey[], expected: string, input: unknown): ConfigProblem {
  return {
    path: pathText(path) || 'the file',
    message: `is ${shown(path, input)}; expected ${expected}`,
  };
}

/** Urls may hold passwords in ways that no pattern finds, so their values are never repeated. */
function shown(path: readonly PropertyKey[], input: unknown): string {
  if (path[0] === 'regions' || path.at(-1) === 'secret')
    return input === '' ? 'an empty text' : typeName(input);
  if (typeof input === 'object') return typeName(input);
  return withoutSecrets(JSON.stringify(input) ?? 'nothing');
}

function typeName(input: unknown): string {
  if (input === null || input === undefined) return 'empty';
  if (Array.isArray(input)) return 'a list';
  return typeof input === 'object' ? 'a group of keys' : `a ${typeof input}`;
}

function kindOf(ast: { readonly _tag: string }): string {
  switch (ast._tag) {
    case 'Objects':
      return 'a group of keys';
    case 'Arrays':
      return 'a list';
    case 'String':
      return 'a text';
    case 'Number':
      return 'a number';
    case 'Boolean':
      return 'true or false';
    default:
      return 'another value';
  }
}

function expectationOf(annotations: object | undefined): string | null {
  if (annotations === undefined || !('expected' in annotations)) return null;
  const { expected } = annotations;
  return typeof expected === 'string' ? expected : null;
}

function literalsOf(ast: { readonly types: readonly object[] }): readonly string[] {
  return ast.types.flatMap((member) => ('literal' in member ? [String(member.literal)] : []));
}
