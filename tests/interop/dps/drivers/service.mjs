// One call on the data plane by Microsoft's service SDK.
// service.mjs --node-modules DIR --trust PEM --port PORT --host DPS_HOST (--sas-key K [--sas-policy P] | --token T)
//             --op OPERATION [--id ID] [--etag E] [--json FILE] [--query Q] [--page-size N]
import { parseArgs } from 'node:util';
import { Clients, pagesOf, readText, report, runBulk } from '../clients.mjs';

const text = { type: 'string' };
const { values } = parseArgs({
  options: {
    'node-modules': text, trust: text, port: text, host: text, token: text, 'sas-key': text,
    'sas-policy': { type: 'string', default: 'provisioningserviceowner' },
    op: text, id: text, etag: text, json: text, query: { type: 'string', default: 'SELECT *' }, 'page-size': text,
  },
});
const clients = new Clients({ nodeModules: values['node-modules'], trust: readText(values.trust), port: Number(values.port) });
const service = clients.service(values.host, {
  token: values.token, sas: { policy: values['sas-policy'], key: values['sas-key'] },
});
const { id, etag } = values;
const record = () => JSON.parse(readText(values.json));
const specification = { query: values.query };
const pageSize = values['page-size'] ? Number(values['page-size']) : undefined;

const value = async (call) => ({ value: (await call).responseBody });
const pages = async (query) => ({ pages: await pagesOf(query) });
const nothing = async (call) => {
  await call;
  return {};
};

const operations = {
  'group-get': () => value(service.getEnrollmentGroup(id)),
  'group-put': () => value(service.createOrUpdateEnrollmentGroup(record())),
  'group-delete': () => nothing(service.deleteEnrollmentGroup(id, etag)),
  'group-query': () => pages(service.createEnrollmentGroupQuery(specification, pageSize)),
  'group-attestation': () => value(service.getEnrollmentGroupAttestationMechanism(id)),
  'enrollment-get': () => value(service.getIndividualEnrollment(id)),
  'enrollment-put': () => value(service.createOrUpdateIndividualEnrollment(record())),
  'enrollment-delete': () => nothing(service.deleteIndividualEnrollment(id, etag)),
  'enrollment-query': () => pages(service.createIndividualEnrollmentQuery(specification, pageSize)),
  'enrollment-attestation': () => value(service.getIndividualEnrollmentAttestationMechanism(id)),
  'enrollment-bulk': async () => ({ value: await runBulk(service, record()) }),
  'registration-get': () => value(service.getDeviceRegistrationState(id)),
  'registration-delete': () => nothing(service.deleteDeviceRegistrationState(id, etag)),
  'registration-query': () => pages(service.createEnrollmentGroupDeviceRegistrationStateQuery(specification, id, pageSize)),
};

await report(operations[values.op]());
