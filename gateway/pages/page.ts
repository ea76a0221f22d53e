import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';

/** Everything a page needs is in it; it may talk to gateways, and nobody else may put it in a frame. */
const POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "script-src 'unsafe-inline'",
  'connect-src *',
  "img-src 'self' data:",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Serves one of the HTML files beside this one. */
export async function sendPage(
  response: ServerResponse,
  name: 'status' | 'explorer',
): Promise<void> {
  const html = await readFile(new URL(`${name}.html`, import.meta.url));
  response.writeHead(200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': POLICY,
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-cache',
  });
  response.end(html);
}
