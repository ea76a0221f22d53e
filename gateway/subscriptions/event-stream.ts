import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OperationRequest } from '#gateway/subscriptions/message.ts';
import type { OperationRunner, OperationSink } from '#gateway/subscriptions/operation.ts';

const KEEP_ALIVE_MS = 5000;
const BUFFERED_BYTES_MAX = 1024 * 1024;

/**
 * One operation as server-sent events, in the "distinct connections" mode of graphql-sse. Every event's
 * id is the cursor, so that a browser's EventSource resumes by itself, in whatever region it lands.
 */
export function streamEvents<Who>(
  request: IncomingMessage,
  response: ServerResponse,
  operation: OperationRequest,
  who: Who,
  runner: OperationRunner<Who>,
): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    connection: 'keep-alive',
  });
  // Some clients wait for the first bytes before they call the stream open.
  response.write(':\n\n');
  const keepAlive = setInterval(() => response.write(':\n\n'), KEEP_ALIVE_MS);
  const end = (text: string): void => {
    clearInterval(keepAlive);
    response.end(text);
  };
  const sink: OperationSink = {
    next: (payload, cursor) => {
      if (response.writableLength > BUFFERED_BYTES_MAX || response.destroyed) return false;
      const id = cursor === null ? '' : `id: ${cursor}\n`;
      response.write(`event: next\n${id}data: ${payload.toString()}\n\n`);
      return true;
    },
    error: (errors) => end(`event: next\ndata: {"errors":${errors}}\n\nevent: complete\ndata:\n\n`),
    complete: () => end('event: complete\ndata:\n\n'),
  };
  const running = runner.start(withResume(operation, request), who, sink);
  response.on('close', () => {
    clearInterval(keepAlive);
    running.cancel();
  });
}

/** `Last-Event-ID`, which an EventSource sends by itself, is a cursor to resume from. */
function withResume(operation: OperationRequest, request: IncomingMessage): OperationRequest {
  const last = request.headers['last-event-id'];
  if (typeof last !== 'string' || last === '') return operation;
  return { ...operation, extensions: { ...operation.extensions, resume: { cursor: last } } };
}
