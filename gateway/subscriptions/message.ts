/**
 * The messages of the subprotocol `graphql-transport-ws`, as specified in PROTOCOL.md of the npm package
 * graphql-ws, read strictly.
 */
export const SUBPROTOCOL = 'graphql-transport-ws';

export type JsonObject = Readonly<Record<string, unknown>>;

/** The payload of `subscribe`. */
export interface OperationRequest {
  readonly query?: string;
  readonly documentId?: string;
  readonly operationName?: string;
  readonly variables?: JsonObject;
  readonly extensions?: JsonObject;
}

export type ClientMessage =
  | { readonly type: 'connection_init'; readonly payload: JsonObject | null }
  | { readonly type: 'ping'; readonly payload: JsonObject | null }
  | { readonly type: 'pong'; readonly payload: JsonObject | null }
  | { readonly type: 'subscribe'; readonly id: string; readonly payload: OperationRequest }
  | { readonly type: 'complete'; readonly id: string };

export type ParsedMessage =
  | { readonly kind: 'message'; readonly message: ClientMessage }
  | { readonly kind: 'invalid'; readonly why: string };

const ID_CHARS_MAX = 256;

export function parseMessage(text: string): ParsedMessage {
  const value = parsedJson(text);
  if (!isObject(value)) return invalid('Message is not a JSON object');
  const { type } = value;
  switch (type) {
    case 'connection_init':
    case 'ping':
    case 'pong': {
      const payload = value['payload'] ?? null;
      if (payload !== null && !isObject(payload))
        return invalid(`"${type}" payload must be an object`);
      return { kind: 'message', message: { type, payload } };
    }
    case 'complete':
    case 'subscribe': {
      const { id } = value;
      if (typeof id !== 'string' || id === '' || id.length > ID_CHARS_MAX) {
        return invalid(`"${type}" needs an "id" of 1 to ${ID_CHARS_MAX} characters`);
      }
      if (type === 'complete') return { kind: 'message', message: { type, id } };
      const payload = requestOf(value['payload']);
      if (typeof payload === 'string') return invalid(payload);
      return { kind: 'message', message: { type, id, payload } };
    }
    default:
      return invalid(
        `Invalid message "type": ${String(JSON.stringify(type) ?? 'missing').slice(0, 40)}`,
      );
  }
}

function requestOf(payload: unknown): OperationRequest | string {
  if (!isObject(payload)) return '"subscribe" payload must be an object';
  const { query, documentId, operationName, variables, extensions } = payload;
  if (typeof query !== 'string' && typeof documentId !== 'string') {
    return '"subscribe" payload needs a string "query"';
  }
  if (query !== undefined && query !== null && typeof query !== 'string') {
    return '"query" must be a string';
  }
  if (!isAbsent(documentId) && typeof documentId !== 'string')
    return '"documentId" must be a string';
  if (!isAbsent(operationName) && typeof operationName !== 'string') {
    return '"operationName" must be a string';
  }
  if (!isAbsent(variables) && !isObject(variables)) return '"variables" must be an object';
  if (!isAbsent(extensions) && !isObject(extensions)) return '"extensions" must be an object';
  return {
    ...(typeof query === 'string' ? { query } : {}),
    ...(typeof documentId === 'string' ? { documentId } : {}),
    ...(typeof operationName === 'string' ? { operationName } : {}),
    ...(isObject(variables) ? { variables } : {}),
    ...(isObject(extensions) ? { extensions } : {}),
  };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(why: string): ParsedMessage {
  return { kind: 'invalid', why };
}
