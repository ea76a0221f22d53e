import { EverywriteError } from '#core/errors.ts';
import type { Io } from '#deploy/cli/command.ts';
import { COMMANDS } from '#deploy/cli/commands.ts';
import type { CommandEntry } from '#deploy/cli/commands.ts';
import { EXIT_CODES_HELP, EXIT_INTERRUPTED, EXIT_OK, exitCodeOf } from '#deploy/cli/exit-codes.ts';
import { usageError } from '#deploy/cli/flags.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { withoutSecrets } from '#replicator/config/secrets.ts';

const SAME_SIGNAL_MS = 500;
const LINGER_MS = 1_000;

/** Runs one command line; resolves to the exit code and never rejects. */
export async function main(
  args: readonly string[],
  io: Io,
  commands: readonly CommandEntry[] = COMMANDS,
): Promise<number> {
  try {
    return await dispatch(args, io, commands);
  } catch (error) {
    if (io.signal.aborted) return EXIT_INTERRUPTED;
    report(error, args, io);
    return exitCodeOf(error);
  }
}

async function dispatch(
  args: readonly string[],
  io: Io,
  commands: readonly CommandEntry[],
): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const [topic] = rest;
    io.out(topic === undefined ? overview(commands) : await helpOf(topic, commands));
    return EXIT_OK;
  }
  const entry = entryOf(name, commands);
  const command = await entry.load();
  if (asksForHelp(rest)) {
    io.out(command.help);
    return EXIT_OK;
  }
  return command.run(rest, io);
}

async function helpOf(name: string, commands: readonly CommandEntry[]): Promise<string> {
  return (await entryOf(name, commands).load()).help;
}

function entryOf(name: string, commands: readonly CommandEntry[]): CommandEntry {
  const entry = commands.find((command) => command.name === name);
  if (entry !== undefined) return entry;
  const names = commands.map((command) => command.name);
  throw usageError(
    `There is no command "${name}"; there are ${names.join(', ')}.${didYouMean(name, names)}`,
  );
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const flags = end < 0 ? args : args.slice(0, end);
  return flags.includes('--help') || flags.includes('-h');
}

function overview(commands: readonly CommandEntry[]): string {
  const width = Math.max(...commands.map((command) => command.name.length)) + 2;
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`);
  return `everywrite: active-active replication for ordinary PostgreSQL

Usage: everywrite <command> [options]

Commands:
${lines.join('\n')}

"everywrite <command> --help" explains one. EVERYWRITE_DEBUG=1 adds stack traces to errors.

${EXIT_CODES_HELP}
`;
}

function report(error: unknown, args: readonly string[], io: Io): void {
  const code = error instanceof EverywriteError ? error.code : 'UNEXPECTED';
  const message = withoutSecrets(error instanceof Error ? error.message : String(error));
  // A program that reads our answer must not have to read prose.
  if (args.includes('--json')) io.out(`${JSON.stringify({ error: { code, message } })}\n`);
  io.err(`error ${code}: ${message}\n`);
  if (io.env['EVERYWRITE_DEBUG'] === '1') io.err(`${withoutSecrets(stackOf(error))}\n`);
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

function processIo(): Io {
  const abort = new AbortController();
  let abortedMs = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (!abort.signal.aborted) {
        abortedMs = performance.now();
        abort.abort(signal);
        return;
      }
      // The second Ctrl-C means: now. But one in a terminal arrives twice, the second time passed on
      // by the launcher (deploy/bin/everywrite.mjs), which belongs to the same process group.
      if (performance.now() - abortedMs > SAME_SIGNAL_MS) process.exit(EXIT_INTERRUPTED);
    });
  }
  // The launcher was killed: without it nobody could stop us any more.
  process.on('disconnect', () => abort.abort('SIGTERM'));
  process.channel?.unref();
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    signal: abort.signal,
  };
}

if (import.meta.main) {
  // `process.exitCode`, not `exit`: what was written to a pipe must still arrive.
  process.exitCode = await main(process.argv.slice(2), processIo());
  // But a connection that somebody forgot to close does not keep a finished command running.
  setTimeout(() => process.exit(), LINGER_MS).unref();
}
