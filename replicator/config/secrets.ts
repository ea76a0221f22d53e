const PASSWORD_IN_URL = /([a-z][a-z0-9+.-]*:\/\/[^\s:/?#]*):(?:[^\s/?#]*)@/gi;
const PASSWORD_IN_QUERY = /([?&](?:password|passwd|pass|token)=)[^&\s]*/gi;
const TOKEN_IN_NATS_URL = /((?:nats|tls|wss?):\/\/)[^\s/?#@]+@/gi;

/** The text as it may be printed: user names stay, passwords and tokens do not. */
export function withoutSecrets(text: string): string {
  return text
    .replace(PASSWORD_IN_URL, '$1:***@')
    .replace(PASSWORD_IN_QUERY, '$1***')
    .replace(TOKEN_IN_NATS_URL, (whole, scheme: string) =>
      whole.endsWith(':***@') ? whole : `${scheme}***@`,
    );
}

/** `host:port/database` of a connection URL: what an operator needs to find the server, and no more. */
export function serverOf(url: string): string {
  // The servers of one NATS cluster are separated by commas.
  return url.split(',').map(oneServer).join(', ');
}

function oneServer(url: string): string {
  if (!URL.canParse(url)) return '(unreadable url)';
  const parsed = new URL(url);
  return `${parsed.host}${parsed.pathname === '/' ? '' : parsed.pathname}`;
}
