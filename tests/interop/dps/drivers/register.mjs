// Registers a device by Microsoft's device SDK over mTLS.
// register.mjs --node-modules DIR --trust PEM --port DEVICE_PORT --id-scope S --registration-id R --chain PEM --key PEM
import { parseArgs } from 'node:util';
import { Clients, readText, report } from '../clients.mjs';

const text = { type: 'string' };
const { values } = parseArgs({
  options: {
    'node-modules': text, trust: text, port: text, 'id-scope': text, 'registration-id': text, chain: text, key: text,
    host: { type: 'string', default: 'global.azure-devices-provisioning.net' },
  },
});
const clients = new Clients({ nodeModules: values['node-modules'], trust: readText(values.trust), devicePort: Number(values.port) });
await report(clients.register({
  idScope: values['id-scope'], registrationId: values['registration-id'], host: values.host,
  chain: readText(values.chain), key: readText(values.key),
}));
