// One call on a CA certificate of a DPS instance by Microsoft's ARM SDK.
// arm.mjs --node-modules DIR --trust PEM --port PORT --sdk 5|6 --token T --resource-group G --service S
//         --op list|get|create|code|verify|delete [--name N] [--etag E] [--certificate PEM] [--is-verified]
import { parseArgs } from 'node:util';
import { Clients, deleteCertificate, readText, report } from '../clients.mjs';

const text = { type: 'string' };
const { values } = parseArgs({
  options: {
    'node-modules': text, trust: text, port: text, sdk: text, token: text, subscription: text,
    'resource-group': { type: 'string', default: 'hallmark' }, service: { type: 'string', default: 'hallmark-dps' },
    op: text, name: text, etag: text, certificate: text, 'is-verified': { type: 'boolean', default: false },
  },
});
const clients = new Clients({ nodeModules: values['node-modules'], trust: readText(values.trust), port: Number(values.port) });
const certificates = clients.arm(values.sdk, { token: values.token, subscription: values.subscription });
const { name, etag, service, 'resource-group': group } = values;

const operations = {
  list: async () => ({ value: (await certificates.list(group, service)).value }),
  get: () => certificates.get(name, group, service),
  create() {
    const properties = { certificate: new Uint8Array(Buffer.from(readText(values.certificate))) };
    if (values['is-verified']) properties.isVerified = true;
    return certificates.createOrUpdate(group, service, name, { properties }, etag ? { ifMatch: etag } : {});
  },
  code: () => certificates.generateVerificationCode(name, etag, group, service),
  verify: () => certificates.verifyCertificate(name, etag, group, service, {
    certificate: Buffer.from(readText(values.certificate)).toString('base64'),
  }),
  delete: async () => {
    await deleteCertificate(values.sdk, certificates, { group, service, name, etag });
    return {};
  },
};

await report(operations[values.op]());
