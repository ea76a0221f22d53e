/** One GraphQL error as the JSON array that protocols want. */
export function errorText(error: {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
  readonly extensions?: Readonly<Record<string, unknown>>;
}): string {
  const { code, message, retryable = false, extensions } = error;
  return JSON.stringify([{ message, extensions: { ...extensions, code, retryable } }]);
}
