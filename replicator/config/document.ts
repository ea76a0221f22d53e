import { LineCounter, parseDocument } from 'yaml';
import { groupOf } from '#replicator/config/cross-checks.ts';
import { substitute } from '#replicator/config/environment.ts';
import type { Environment } from '#replicator/config/environment.ts';
import { pathText } from '#replicator/config/problems.ts';
import type { ConfigProblem } from '#replicator/config/problems.ts';

export type RawDocument =
  | { readonly kind: 'ok'; readonly value: unknown }
  | { readonly kind: 'wrong'; readonly problems: readonly ConfigProblem[] };

/** YAML, of which JSON is a part. */
export function readDocument(text: string): RawDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length === 0) return { kind: 'ok', value: document.toJS() };
  const problems = document.errors.map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    // The parser quotes the source behind a colon, and the source may hold a password.
    const message = error.message.replace(/: ?["'].*$/s, '');
    return { path: `line ${line}, column ${col}`, message: `is not YAML: ${message}` };
  });
  return { kind: 'wrong', problems };
}

/** A region's keys that may speak of the environment. */
const RESOLVED: readonly string[] = ['database', 'nats', 'admin', 'gateway', 'gatewayDatabase'];

export interface Resolved {
  readonly value: unknown;
  readonly problems: readonly ConfigProblem[];
}

/** The document with environment variables put into its urls. */
export function resolveUrls(document: unknown, environment: Environment): Resolved {
  const problems: ConfigProblem[] = [];
  const replaced = (value: unknown, path: readonly string[]): unknown => {
    if (typeof value !== 'string') return value;
    const result = substitute(value, pathText(path), environment);
    problems.push(...result.problems);
    return result.text;
  };
  const root = groupOf(document);
  const regions = mapGroup(root['regions'], (region, name) =>
    mapGroup(region, (value, key) => {
      const path = ['regions', name, key];
      if (RESOLVED.includes(key)) return replaced(value, path);
      if (key !== 'peers') return value;
      return mapGroup(value, (url, peer) => replaced(url, [...path, peer]));
    }),
  );
  const gateway = mapGroup(root['gateway'], (part, name) => {
    if (name !== 'auth') return part;
    return mapGroup(part, (text, key) => replaced(text, ['gateway', 'auth', key]));
  });
  const value = {
    ...root,
    ...('regions' in root ? { regions } : {}),
    ...('gateway' in root ? { gateway } : {}),
  };
  if (root !== document) return { value: document, problems };
  return { value, problems };
}

function mapGroup(group: unknown, change: (value: unknown, key: string) => unknown): unknown {
  if (typeof group !== 'object' || group === null || Array.isArray(group)) return group;
  return Object.fromEntries(Object.entries(group).map(([key, value]) => [key, change(value, key)]));
}
