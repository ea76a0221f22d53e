import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorsJson, errorsOf, GatewayError } from '#gateway/errors.ts';
import type { GraphQLRequest, Principal } from '#gateway/execution/request.ts';
import { readRequest } from '#gateway/http/read-request.ts';
import type { OperationRequest } from '#gateway/subscriptions/message.ts';

export interface EventStreamParts {
  readonly authenticate: (authorization: string | undefined) => Promise<Principal | null>;
  readonly resolve: (request: GraphQLRequest) => GraphQLRequest;
  readonly maxBodyBytes: number;
  readonly stream: (
    request: IncomingMessage,
    response: ServerResponse,
    operation: OperationRequest,
    who: Principal,
  ) => void;
}

/** Whether the client wants events, rather than one answer. */
export function wantsEvents({ headers }: IncomingMessage): boolean {
  return headers.accept?.toLowerCase().includes('text/event-stream') === true;
}

/** An operation over server-sent events, by GET or POST. Never rejects. */
export async function handleEventStream(
  request: IncomingMessage,
  response: ServerResponse,
  parts: EventStreamParts,
): Promise<void> {
  try {
    const who = await parts.authenticate(request.headers.authorization);
    if (who === null) {
      throw new GatewayError({ code: 'UNAUTHENTICATED', message: 'Not let in.', status: 401 });
    }
    const asked = parts.resolve(await readRequest(request, parts.maxBodyBytes));
    // A read is all that a GET may do: it comes from links and images, too.
    if (request.method === 'GET' && /\bmutation\b/.test(asked.query ?? '')) {
      throw new GatewayError({ code: 'METHOD_NOT_ALLOWED', message: 'Use POST.', status: 405 });
    }
    parts.stream(request, response, definedOf(asked), who);
  } catch (error) {
    const status = errorsOf(error)[0]?.status ?? 500;
    response.writeHead(status, {
      'Content-Type': 'application/graphql-response+json; charset=utf-8',
    });
    response.end(`{"errors":${errorsJson(error)}}`);
  }
}

function definedOf({
  query,
  operationName,
  variables,
  extensions,
}: GraphQLRequest): OperationRequest {
  return {
    ...(query === undefined ? {} : { query }),
    ...(operationName === undefined ? {} : { operationName }),
    ...(variables === undefined ? {} : { variables }),
    ...(extensions === undefined ? {} : { extensions }),
  };
}
