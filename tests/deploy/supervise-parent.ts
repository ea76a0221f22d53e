// Run by supervise.nats.test.ts: starts a server, says which, and ends in the way it is told to.
import { startNats } from '#deploy/local/nats-server.ts';
import { freePort } from '#deploy/local/ports.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';

const [end] = process.argv.slice(2);
const directory = await temporaryDirectory('supervise');
const server = await startNats({
  storeDir: directory.path,
  port: await freePort(),
  name: 'orphan',
});
process.stdout.write(JSON.stringify({ pid: server.pid, directory: directory.path }));

if (end === 'throw') throw new Error('uncaught, as asked');
if (end === 'SIGINT' || end === 'SIGTERM' || end === 'SIGKILL') process.kill(process.pid, end);
