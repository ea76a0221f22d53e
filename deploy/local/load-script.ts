import type { Client } from 'pg';
import { EverywriteError } from '#core/errors.ts';
import { copyIn } from './copy-text.ts';
import { countLines, splitScript } from './sql-script.ts';
import type { ScriptItem } from './sql-script.ts';

/** A SQL file in memory; `source` is its name in messages. */
export interface SqlScript {
  readonly source: string;
  readonly text: string;
}

const EXCERPT_LENGTH = 100;
// These name a database, and ours has its name already. So do the backslash commands that change it.
const DATABASE_STATEMENT = /^(?:CREATE|DROP|ALTER|COMMENT\s+ON)\s+DATABASE\b/i;
const CONNECT = /^\\c(?:onnect)?\b/;
// They change what psql prints or how it goes on after an error; here it always stops.
const HARMLESS =
  /^\\(?:!|echo|qecho|warn|encoding|pset|set|unset|timing|restrict|unrestrict)(?=\s|$)/;

/**
 * Executes a psql script on one connection, statement by statement, as psql would. Statements that
 * make or choose a database are left out; the sentences that say so are returned.
 */
export async function loadScript(client: Client, script: SqlScript): Promise<readonly string[]> {
  // A database that is being loaded is thrown away after a crash; no need to wait for the disk.
  await client.query('SET synchronous_commit = off');
  const notes: string[] = [];
  for (const item of splitScript(script.text)) {
    const note = await execute(client, script.source, item);
    if (note !== null) notes.push(note);
  }
  if (client.getTransactionStatus() !== 'I') {
    throw refused(`${script.source} ends within a transaction; add COMMIT at its end.`);
  }
  return notes;
}

async function execute(client: Client, source: string, item: ScriptItem): Promise<string | null> {
  if (item.kind === 'meta') return metaCommand(source, item);
  if (DATABASE_STATEMENT.test(item.text)) return leftOut(source, item);
  try {
    if (item.kind === 'copy') await copyIn({ client, statement: item.text }, item.data);
    else await client.query(item.text);
    return null;
  } catch (cause) {
    throw statementFailed(source, item, cause);
  }
}

function metaCommand(source: string, item: ScriptItem): string | null {
  if (HARMLESS.test(item.text)) return null;
  if (CONNECT.test(item.text)) return leftOut(source, item);
  throw refused(
    `${source}:${item.line}: ${excerpt(item.text)} is a command of psql that everywrite does not know; ` +
      `take it out, or load the file yourself with psql.`,
  );
}

function leftOut(source: string, item: ScriptItem): string {
  return `${source}:${item.line}: left out ${excerpt(item.text)}`;
}

function statementFailed(source: string, item: ScriptItem, cause: unknown): EverywriteError {
  const { message = String(cause), code, position } = Object(cause) as ServerError;
  // The server counts characters from 1, in the statement.
  const before = item.text.slice(0, Math.max(0, Number(position ?? 1) - 1));
  const line = item.line + countLines(before);
  return new EverywriteError({
    code: 'STATEMENT_FAILED',
    recovery: 'operator',
    message: `${source}:${line}: ${message}${code === undefined ? '' : ` (${code})`}, in: ${excerpt(item.text)}`,
    sqlState: code,
    cause,
  });
}

interface ServerError {
  readonly message?: string;
  readonly code?: string;
  readonly position?: string;
}

function excerpt(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= EXCERPT_LENGTH ? line : `${line.slice(0, EXCERPT_LENGTH)}…`;
}

function refused(message: string): EverywriteError {
  return new EverywriteError({ code: 'STATEMENT_FAILED', recovery: 'operator', message });
}
