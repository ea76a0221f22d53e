/** A WebSocket class, of a browser or of the package ws. */
// The arguments differ between implementations, and only the client that calls them knows.
export type SocketClass = new (
  url: never,
  protocols?: never,
) => {
  addEventListener(type: 'error', listener: () => void): void;
};

/**
 * The same class, whose sockets have a listener for errors from the start. graphql-ws takes its own away
 * when it gives a socket up; in Node, an error that nobody listens to ends the process.
 */
export function unexcited<Socket extends SocketClass>(given: Socket): Socket {
  return new Proxy(given, {
    construct(target, args: unknown[], newTarget: new () => object): object {
      const socket = Reflect.construct(target, args, newTarget) as InstanceType<Socket>;
      socket.addEventListener('error', () => undefined);
      return socket;
    },
  });
}
