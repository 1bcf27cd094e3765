// An HTTPS proxy (CONNECT, RFC 9110 9.3.6) that leads whoever asks for one of Azure's hosts to the stand-in, so that a client
// keeps the real names in its URLs, signatures and TLS.
import { connect } from 'node:net';

const azure = /(^|\.)(azure\.com|azure-devices-provisioning\.net|azure-devices\.net|microsoftonline\.com):443$/i;

export function leadingTo(port) {
  return (request, client, head) => {
    client.on('error', () => client.destroy());
    if (!azure.test(request.url)) {
      client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const server = connect(port(), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      server.write(head);
      server.pipe(client).pipe(server);
    });
    server.on('error', () => client.destroy());
    client.on('close', () => server.destroy());
  };
}
