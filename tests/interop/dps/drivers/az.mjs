// `az iot dps certificate ...` and `az iot dps enrollment-group ...`, as far as a bundle's publish.sh calls them, by
// Microsoft's SDKs. The answer is what --query names; an error goes to standard error.
// Where and as whom: AZ_NODE_MODULES, AZ_TRUST (PEM), AZ_PORT, AZ_TOKEN (of Resource Manager), AZ_SAS_KEY.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Clients, failureOf, readText } from '../clients.mjs';

const [, , , , noun, verb, ...words] = process.argv;
const options = {};
for (let i = 0; i < words.length; i += 2) options[words[i].slice(2)] = words[i + 1];

const { AZ_NODE_MODULES: nodeModules, AZ_TRUST: trust, AZ_PORT: port, AZ_TOKEN: token, AZ_SAS_KEY: key } = process.env;
const clients = new Clients({ nodeModules, trust: readText(trust), port: Number(port) });
const { etag, path, query, 'resource-group': group, 'dps-name': service, 'certificate-name': name, 'enrollment-id': id } = options;

const pem = () => new X509Certificate(readFileSync(path)).toString();
const certificates = () => clients.arm('6', { token });
const enrollments = () => clients.service(`${service}.azure-devices-provisioning.net`, {
  sas: { policy: 'provisioningserviceowner', key: readText(key).trim() },
});

const operations = {
  'certificate create': () => certificates().createOrUpdate(group, service, name, {
    properties: { certificate: new Uint8Array(Buffer.from(pem())) },
  }),
  'certificate show': () => certificates().get(name, group, service),
  'certificate generate-verification-code': () => certificates().generateVerificationCode(name, etag, group, service),
  'certificate verify': () => certificates().verifyCertificate(name, etag, group, service, {
    certificate: Buffer.from(pem()).toString('base64'),
  }),
  'enrollment-group show': () => enrollments().getEnrollmentGroup(id),
  'enrollment-group create': () => enrollments().createOrUpdateEnrollmentGroup({
    enrollmentGroupId: id,
    attestation: { type: 'x509', x509: { caReferences: { primary: options['ca-name'] } } },
  }),
};

try {
  const operation = operations[`${noun} ${verb}`];
  if (!operation) throw new Error(`az.mjs knows no ${noun} ${verb}`);
  const answer = await operation();
  if (query) console.log(query.split('.').reduce((value, part) => value[part], answer));
} catch (error) {
  console.error(JSON.stringify(failureOf(error)));
  process.exitCode = 1;
}
