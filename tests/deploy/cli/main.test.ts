import { expect, test } from 'vitest';
import { EverywriteError } from '#core/errors.ts';
import type { ErrorCode } from '#core/errors.ts';
import type { Command, Io } from '#deploy/cli/command.ts';
import { COMMANDS } from '#deploy/cli/commands.ts';
import type { CommandEntry } from '#deploy/cli/commands.ts';
import { parseFlags } from '#deploy/cli/flags.ts';
import { main } from '#deploy/cli/main.ts';

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  args: readonly string[],
  commands: readonly CommandEntry[] = COMMANDS,
  more: Partial<Io> = {},
): Promise<Outcome> {
  let out = '';
  let err = '';
  const io: Io = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    env: {},
    signal: new AbortController().signal,
    ...more,
  };
  const code = await main(args, io, commands);
  return { code, out, err };
}

function commandThat(act: Command['run']): readonly CommandEntry[] {
  const command: Command = { name: 'act', summary: 'acts', help: 'how to act\n', run: act };
  return [{ name: 'act', summary: 'acts', load: async () => command }];
}

function failingWith(code: ErrorCode, message = 'the sentence'): readonly CommandEntry[] {
  return commandThat(async () => {
    throw new EverywriteError({ code, recovery: 'operator', message });
  });
}

test('help lists every command with its summary, and the exit codes', async () => {
  for (const args of [[], ['--help'], ['-h'], ['help']]) {
    const { code, out, err } = await run(args);
    expect(code).toBe(0);
    expect(err).toBe('');
    for (const { name, summary } of COMMANDS)
      expect(out).toMatch(new RegExp(`${name} +${summary}`));
    expect(out).toContain('130  interrupted');
  }
});

test('the list and the modules agree, and every help text is complete', async () => {
  for (const entry of COMMANDS) {
    const command = await entry.load();
    expect({ name: command.name, summary: command.summary }).toEqual({
      name: entry.name,
      summary: entry.summary,
    });
    expect(command.help).toContain(`Usage: everywrite ${entry.name}`);
    expect(command.help).toContain('Exit codes:');
    const asked = await run([entry.name, '--help']);
    expect(asked).toEqual({ code: 0, out: command.help, err: '' });
    expect((await run(['help', entry.name])).out).toBe(command.help);
  }
});

test('an unknown command is answered with the nearest one', async () => {
  const { code, err } = await run(['docter']);
  expect(code).toBe(2);
  expect(err).toContain('error USAGE: There is no command "docter"');
  expect(err).toContain('Did you mean "doctor"?');
});

test('an unknown option is answered with the nearest one, a missing one by name', async () => {
  expect(await run(['init', '--confg', 'x'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('There is no option --confg') as string,
  });
  expect((await run(['init', '--confg', 'x'])).err).toContain('Did you mean "--config"?');
  expect((await run(['init'])).err).toContain('--config is missing');
  expect((await run(['init', 'eu'])).err).toContain('"eu" is not expected here');
  expect((await run(['init', '--config'])).err).toContain(
    "Option '--config <value>' argument missing",
  );
});

test('exit codes follow the kind of error', async () => {
  const cases: readonly (readonly [ErrorCode, number])[] = [
    ['USAGE', 2],
    ['CONFIG_INVALID', 2],
    ['DATABASE_UNREACHABLE', 3],
    ['LOG_UNREACHABLE', 3],
    ['PEER_UNREACHABLE', 3],
    ['NOT_CONVERGED', 1],
    ['WAL_LEVEL', 1],
  ];
  for (const [errorCode, exitCode] of cases) {
    const { code, err } = await run(['act'], failingWith(errorCode));
    expect(code).toBe(exitCode);
    expect(err).toBe(`error ${errorCode}: the sentence\n`);
  }
  expect(
    (
      await run(
        ['act'],
        commandThat(async () => 1),
      )
    ).code,
  ).toBe(1);
});

test('stack traces appear only on demand, passwords never', async () => {
  const commands = failingWith('STATEMENT_FAILED', 'cannot use postgres://u:hunter2@h/d');
  const plain = await run(['act'], commands);
  expect(plain.err).toBe('error STATEMENT_FAILED: cannot use postgres://u:***@h/d\n');
  const debug = await run(['act'], commands, { env: { EVERYWRITE_DEBUG: '1' } });
  expect(debug.err).toContain('main.test.ts');
  expect(debug.err).not.toContain('hunter2');
});

test('with --json an error is one line of JSON too', async () => {
  const { out, err } = await run(['act', '--json'], failingWith('WAL_LEVEL'));
  expect(JSON.parse(out)).toEqual({ error: { code: 'WAL_LEVEL', message: 'the sentence' } });
  expect(err).toBe('error WAL_LEVEL: the sentence\n');
});

test('a command that fails because of Ctrl-C says nothing and exits with 130', async () => {
  const abort = new AbortController();
  abort.abort();
  const outcome = await run(['act'], failingWith('DATABASE_UNREACHABLE'), { signal: abort.signal });
  expect(outcome).toEqual({ code: 130, out: '', err: '' });
});

test('an error nobody expected still ends in one line and code 1', async () => {
  const commands = commandThat(() => Promise.reject(new TypeError('boom')));
  expect(await run(['act'], commands)).toEqual({
    code: 1,
    out: '',
    err: 'error UNEXPECTED: boom\n',
  });
});

test('words are accepted only where a command asks for them', () => {
  const parsed = parseFlags(
    'link',
    ['cut', 'eu', '--json'],
    { json: { type: 'boolean' } },
    'words',
  );
  expect(parsed.positionals).toEqual(['cut', 'eu']);
  expect(parsed.values.json).toBe(true);
  expect(() => parseFlags('run', ['cut'], {})).toThrow('"cut" is not expected here');
});
