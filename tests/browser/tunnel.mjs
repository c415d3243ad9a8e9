// A tunnel that forwards TCP and nothing else, as frp does: what comes to a port here goes on to a port
// of another host.
//
// usage: node tests/browser/tunnel.mjs HOST FROM:TO...
// Says `ready` to whoever has started it, and ends with the connection to it.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const [host, ...ports] = process.argv.slice(2);

for (const [from, to] of ports.map((words) => words.split(':').map(Number))) {
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host, port: to, noDelay: true });
    for (const [one, other] of [[near, far], [far, near]]) {
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  server.listen(from, '0.0.0.0');
  await once(server, 'listening');
}
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
