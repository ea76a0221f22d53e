import { main } from '#deploy/cli/main.ts';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line in this process, as `everywrite` would. */
export async function runCommand(args: readonly string[]): Promise<Outcome> {
  let out = '';
  let err = '';
  const code = await main(args, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    env: process.env,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}
