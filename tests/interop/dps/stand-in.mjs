// A stand-in of Azure's Device Provisioning Service for tests: see README.md. Its first line on stdout says where it is.
import { constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { parseArgs } from 'node:util';
import { armRoutes } from './arm.mjs';
import { controlRoutes } from './control.mjs';
import { deviceRoutes } from './device.mjs';
import { entraRoutes, managedIdentityRoutes, Tokens } from './entra.mjs';
import { answering, toleratingForgery } from './exchange.mjs';
import { Faults } from './faults.mjs';
import { hubRoutes } from './hub.mjs';
import { Journal } from './journal.mjs';
import { leadingTo } from './proxy.mjs';
import { Schemas } from './schemas.mjs';
import { serviceRoutes } from './service.mjs';
import { State } from './state.mjs';

const text = (fallback) => ({ type: 'string', ...(fallback && { default: fallback }) });
const { values: options } = parseArgs({
  options: {
    'node-modules': text(), certificate: text(), key: text(), 'control-secret': text(),
    'sas-key': text(), 'sas-policy': text('provisioningserviceowner'),
    'entra-certificate': text(), 'entra-client': text(), 'entra-tenant': text(),
    'id-scope': text('0ne00000000'), service: text('hallmark-dps'),
  },
});
for (const required of ['node-modules', 'certificate', 'key', 'control-secret']) {
  if (!options[required]) {
    console.error(`stand-in: --${required} is missing`);
    process.exit(2);
  }
}

const keysOf = (...policies) => (options['sas-key'] ? Object.fromEntries(policies.map((policy) => [policy, [options['sas-key']]])) : {});
const state = new State({
  service: options.service, idScope: options['id-scope'],
  sasKeys: { dps: keysOf(options['sas-policy']), hub: keysOf(options['sas-policy'], 'iothubowner', 'registryReadWrite') },
});
const schemas = new Schemas(options['node-modules']);
const journal = new Journal();
const faults = new Faults();
const tokens = new Tokens(state);

const registration = { certificateFile: options['entra-certificate'], client: options['entra-client'], tenant: options['entra-tenant'] };
const toDevices = deviceRoutes(state, schemas);
const toServices = [
  ...controlRoutes(state, tokens, faults, journal, options['control-secret']),
  ...armRoutes(state, tokens, schemas),
  ...serviceRoutes(state, tokens, schemas),
  ...hubRoutes(state, tokens, schemas),
  ...entraRoutes(state, tokens, schemas, registration),
  ...toDevices,
];

// Any client chain passes the handshake: DPS's own rules judge it. A resumed session would show no chain, so no tickets.
const tls = {
  cert: readFileSync(options.certificate), key: readFileSync(options.key),
  requestCert: true, rejectUnauthorized: false,
  minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET,
};
const listeners = {
  port: createHttpsServer(tls, answering(toServices, { faults, journal, listener: 'service' })),
  devicePort: createHttpsServer({ ...tls, maxVersion: 'TLSv1.2' }, answering(toDevices, { faults, journal, listener: 'device' })),
  metadataPort: createHttpServer(answering(managedIdentityRoutes(state, tokens), { faults, journal, listener: 'metadata' })),
};

listeners.proxyPort = createHttpServer().on('connect', leadingTo(() => listeners.port.address().port));
listeners.devicePort.on('clientError', toleratingForgery);
listeners.port.on('clientError', toleratingForgery);

// Whoever started it holds its stdin: when that ends, a killed test leaves nothing behind.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));

const listening = Object.entries(listeners).map(([name, server]) => new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => resolve([name, server.address().port]));
}));
const ports = Object.fromEntries(await Promise.all(listening));
console.log(JSON.stringify({
  ...ports, pid: process.pid, service: state.service, serviceHost: state.host, idScope: state.idScope,
  sasPolicy: options['sas-policy'], entraTenant: options['entra-tenant'] ?? null, linkedHubs: state.settings.linkedHubs,
}));
