import type { IncomingMessage } from 'node:http';
import { GatewayError } from '#gateway/errors.ts';
import type { GraphQLRequest } from '#gateway/execution/request.ts';
import { isJsonBody } from '#gateway/http/media-type.ts';

const QUERY_CHARS_MAX = 16_384;

/** The GraphQL request in an HTTP request, by the GraphQL-over-HTTP specification. Throws BAD_REQUEST. */
export async function readRequest(
  request: IncomingMessage,
  maxBodyBytes: number,
): Promise<GraphQLRequest> {
  if (request.method === 'GET') return fromParameters(fromUrl(request.url ?? ''));
  // A form or plain text can be posted by any page without asking (CSRF); JSON cannot.
  if (!isJsonBody(request.headers['content-type'])) {
    throw badRequest('Send the body as Content-Type: application/json in UTF-8.', 415);
  }
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw badRequest('Send the body uncompressed.', 415);
  }
  const text = await bodyOf(request, maxBodyBytes);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (cause) {
    throw badRequest('The body is not JSON.', 400, cause);
  }
  if (!isMap(body)) throw badRequest('The body must be one JSON object; batches are not taken.');
  return fromParameters(body);
}

function fromUrl(url: string): Readonly<Record<string, unknown>> {
  if (url.length > QUERY_CHARS_MAX) throw badRequest('The url is too long; use POST.', 414);
  const start = url.indexOf('?');
  const found: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(start < 0 ? '' : url.slice(start + 1))) {
    const json = name === 'variables' || name === 'extensions';
    found[name] = json ? parsed(name, value) : value;
  }
  return found;
}

function parsed(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw badRequest(`The parameter ${name} is not JSON.`, 400, cause);
  }
}

function fromParameters(parameters: Readonly<Record<string, unknown>>): GraphQLRequest {
  const query = textOf(parameters, 'query');
  const documentId = textOf(parameters, 'documentId');
  const operationName = textOf(parameters, 'operationName');
  const variables = mapOf(parameters, 'variables');
  const extensions = mapOf(parameters, 'extensions');
  const persisted = isMap(extensions?.['persistedQuery']);
  if (query === undefined && documentId === undefined && !persisted) {
    throw badRequest('The parameter query is missing.');
  }
  return { query, documentId, operationName, variables, extensions };
}

function textOf(parameters: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = parameters[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw badRequest(`The parameter ${name} must be a text.`);
  return value;
}

function mapOf(
  parameters: Readonly<Record<string, unknown>>,
  name: string,
): Readonly<Record<string, unknown>> | undefined {
  const value = parameters[name];
  if (value === undefined || value === null) return undefined;
  if (!isMap(value)) throw badRequest(`The parameter ${name} must be a JSON object.`);
  return value;
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function bodyOf(request: IncomingMessage, maxBytes: number): Promise<string> {
  const tooLarge = (): GatewayError => {
    return badRequest(`The body is larger than ${maxBytes} bytes.`, 413);
  };
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw badRequest('The body ended early.', 400, cause);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw badRequest('The body is not UTF-8.', 400, cause);
  }
}

export function badRequest(message: string, status = 400, cause?: unknown): GatewayError {
  return new GatewayError({ code: 'BAD_REQUEST', message, status, cause });
}
