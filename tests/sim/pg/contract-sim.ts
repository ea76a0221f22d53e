import { must } from '#core/assert.ts';
import { Kernel } from '#sim/kernel/kernel.ts';
import { SimPg } from '#sim/pg/sim-pg.ts';
import type { SimClient } from '#sim/pg/sim-client.ts';
import { CONTRACT_TABLES, DEADLOCK_TIMEOUT_MS } from '#tests/sim/pg/contract-subject.ts';
import type { PgSubject } from '#tests/sim/pg/contract-subject.ts';

const EPOCH_US = 1_700_000_000_000_000;
const RECOVERY_US = 50_000;

export interface SimContract {
  readonly kernel: Kernel;
  subject(): Promise<PgSubject>;
}

/** The contract's tables in a simulated server; a world of its own for every case. */
export function simContract(version: number, seed: number): SimContract {
  const kernel = new Kernel({ seed, keepTrace: false });
  const pg = new SimPg({
    name: 'eu.pg',
    version,
    scheduler: kernel,
    streams: kernel.streams,
    trace: kernel.trace,
    wallUs: () => EPOCH_US + kernel.nowUs(),
    timings: { deadlockTimeoutUs: DEADLOCK_TIMEOUT_MS * 1000 },
  });
  for (const table of CONTRACT_TABLES) pg.createTable(table);
  const side = { scheduler: kernel };
  const sleep = (ms: number): Promise<void> => {
    return new Promise((resolve) => kernel.after(ms * 1000, resolve));
  };
  const subject = async (): Promise<PgSubject> => {
    await pg.prepareRegion({
      cluster: 'contract',
      region: 'eu',
      tables: CONTRACT_TABLES.map(({ schema, name }) => ({ name: `${schema}.${name}` })),
      slot: 'everywrite_contract',
      publication: 'everywrite',
    });
    const { database, replication } = pg.connectFrom(side, 'contract');
    let slots = 0;
    return {
      version,
      database,
      replication,
      client: (): Promise<SimClient> => pg.client(side),
      async slot() {
        const name = `contract_${slots++}`;
        pg.createSlot(name);
        return name;
      },
      confirmedLsn: async (slot) => must(pg.core.slots.get(slot), slot).confirmedLsn,
      sleep,
      async restart() {
        pg.kill();
        pg.start(RECOVERY_US);
        await sleep(100);
      },
    };
  };
  return { kernel, subject };
}
