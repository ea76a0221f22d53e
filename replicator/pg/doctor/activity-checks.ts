import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { ok, warn } from '#replicator/pg/doctor/check.ts';
import type { Check } from '#replicator/pg/doctor/check.ts';
import { quoteLiteral } from '#replicator/pg/quote.ts';

const OLD_SECONDS = 300;

interface Prepared {
  readonly gid: string;
  readonly seconds: number;
}

interface Running {
  readonly pid: number;
  readonly state: string;
  readonly seconds: number;
  readonly application: string;
}

/** A forgotten prepared transaction pins WAL and the horizon of apply's guard for ever. */
export async function checkPrepared(client: AdminClient): Promise<Check> {
  const id = 'prepared-transactions';
  const old = await client.select<Prepared>(
    `SELECT gid, extract(epoch FROM now() - prepared)::int AS seconds FROM pg_prepared_xacts
     WHERE now() - prepared > make_interval(secs => ${OLD_SECONDS}) ORDER BY prepared LIMIT 5`,
  );
  if (old.length === 0) return ok(id, 'none older than five minutes');
  const found = old.map(({ gid, seconds }) => `"${gid}" waits since ${duration(seconds)}`);
  const fix = old.map(({ gid }) => `ROLLBACK PREPARED ${quoteLiteral(gid).trim()};`);
  return warn(id, found.join(', '), `${fix.join(' ')} or COMMIT PREPARED`);
}

/** One old writing transaction, in any database of the server, slows apply down and keeps WAL. */
export async function checkRunning(client: AdminClient): Promise<Check> {
  const id = 'oldest-transaction';
  const [oldest] = await client.select<Running>(
    `SELECT pid, coalesce(state, 'running') AS state, application_name AS application,
       extract(epoch FROM now() - xact_start)::int AS seconds
     FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()
       AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
       AND backend_type = 'client backend'
     ORDER BY xact_start LIMIT 1`,
  );
  if (oldest === undefined) return ok(id, 'none is running');
  const found = `process ${oldest.pid} (${oldest.application || 'no application name'}, ${oldest.state}) since ${duration(oldest.seconds)}`;
  if (oldest.seconds < OLD_SECONDS) return ok(id, found);
  return warn(id, found, `SELECT pg_terminate_backend(${oldest.pid}); if nobody needs it`);
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3_600)} h`;
}
