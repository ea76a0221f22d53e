import { startLinkProxy } from '#deploy/local/link-proxy.ts';
import type { LinkProxy } from '#deploy/local/link-proxy.ts';
import { DATABASE } from '#deploy/local/cluster.ts';
import { freePorts } from '#deploy/local/ports.ts';
import { startPostgres } from '#deploy/local/postgres-server.ts';
import type { NamedProcess } from './cpu.ts';
import { Node, POSTGRES_SETTINGS } from './node.ts';
import type { Pair } from './pair.ts';
import type { WorkloadSizes } from './workload.ts';

/** PostgreSQL's own: a publication and a subscription on each side, `origin = none`. */
export class NativePair implements Pair {
  readonly name = 'native';
  readonly origin: Node;
  readonly target: Node;
  readonly #link: LinkProxy;

  private constructor(origin: Node, target: Node, link: LinkProxy) {
    this.origin = origin;
    this.target = target;
    this.#link = link;
  }

  static async start(dataDir: string, sizes: WorkloadSizes): Promise<NativePair> {
    const ports = await freePorts(2);
    const nodes = await Promise.all(
      ports.map(async (port, at) => {
        const settings = POSTGRES_SETTINGS;
        const server = await startPostgres({ dataDir: `${dataDir}/native-${at}`, port, settings });
        return Node.create(server, sizes);
      }),
    );
    const [origin, target] = nodes;
    if (origin === undefined || target === undefined) throw new RangeError('two nodes expected');
    for (const { control } of nodes) {
      await control.query('CREATE PUBLICATION bench FOR TABLES IN SCHEMA public');
    }
    await subscribe(target, origin.server.port);
    await subscribe(origin, target.server.port);
    const link = await startLinkProxy({ targetPort: origin.server.port });
    return new NativePair(origin, target, link);
  }

  async cut(): Promise<void> {
    await this.target.control.query('ALTER SUBSCRIPTION bench DISABLE');
  }

  async untilBacklogged(): Promise<void> {
    // Nothing reads the WAL while the subscription is disabled.
  }

  async heal(): Promise<void> {
    await this.target.control.query('ALTER SUBSCRIPTION bench ENABLE');
  }

  cutAtOrigin(): Promise<void> {
    return this.cut();
  }

  async processes(): Promise<readonly NamedProcess[]> {
    const lists = [await this.origin.processes('origin'), await this.target.processes('target')];
    return [...lists.flat(), { name: 'bench', pid: process.pid }];
  }

  toggleProfile(): boolean {
    return false;
  }

  /** Only while bytes are counted does native go through a proxy, which would cost it speed. */
  async countLink(on: 'on' | 'off'): Promise<void> {
    const port = on === 'on' ? this.#link.port : this.origin.server.port;
    await this.target.control.query(`ALTER SUBSCRIPTION bench CONNECTION '${conninfo(port)}'`);
  }

  linkBytes(): number {
    const { bytesForward, bytesBackward } = this.#link.stats();
    return bytesForward + bytesBackward;
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.origin.close(), this.target.close(), this.#link.close()]);
    await Promise.allSettled([this.origin.server.kill(), this.target.server.kill()]);
  }
}

async function subscribe(node: Node, port: number): Promise<void> {
  await node.control.query(
    `CREATE SUBSCRIPTION bench CONNECTION '${conninfo(port)}' PUBLICATION bench
       WITH (origin = none, copy_data = false, slot_name = 'bench_${node.server.port}')`,
  );
}

function conninfo(port: number): string {
  return `host=127.0.0.1 port=${port} user=postgres dbname=${DATABASE}`;
}
