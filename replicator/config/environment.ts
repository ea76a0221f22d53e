import type { ConfigProblem } from '#replicator/config/problems.ts';

/** The process environment, or a test's. */
export type Environment = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$\{([^}]*)\}/g;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

export interface Substituted {
  readonly text: string;
  readonly problems: readonly ConfigProblem[];
}

/** Replaces `${NAME}` in a url, so that a configuration file needs to hold no password. */
export function substitute(text: string, path: string, environment: Environment): Substituted {
  const problems: ConfigProblem[] = [];
  const result = text.replace(REFERENCE, (whole, name: string) => {
    const value = VARIABLE.test(name) ? environment[name] : undefined;
    if (value !== undefined && value !== '') return value;
    problems.push({
      path,
      message: VARIABLE.test(name)
        ? `the environment variable ${name} is not set; export it, or write the value here`
        : `"${whole}" names no environment variable; write it as \${NAME}`,
    });
    return whole;
  });
  return { text: result, problems };
}
