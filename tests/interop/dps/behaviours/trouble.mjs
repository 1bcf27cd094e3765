// Faults that a test orders, and what Microsoft's clients make of them.
import assert from 'node:assert/strict';
import { behaviour, bytesOf, device, failed, group, root, service } from './scene.mjs';

const faults = (scene, ...rules) => scene.standIn.control('POST', 'faults', rules);
const symmetricKey = { type: 'symmetricKey' };

behaviour('a status with headers and body is answered as often as it was ordered, and nothing is handled', async (scene) => {
  await faults(scene, { match: { method: 'PUT', pathRegex: '^/enrollments/' }, times: 2, action: { status: 503, headers: { 'retry-after': '2' }, body: 'not JSON' } });
  assert.equal((await failed(scene.putEnrollment('a', symmetricKey))).status, 503);
  const { headers, body } = await scene.serviceCall('PUT', '/enrollments/a', { body: { registrationId: 'a', attestation: symmetricKey } });
  assert.deepEqual([headers['retry-after'], body], ['2', 'not JSON']);
  await scene.putEnrollment('a', symmetricKey);
  assert.deepEqual((await scene.journal()).map(({ status, fault }) => [status, fault?.id]), [[503, 1], [503, 1], [200, undefined]]);
});

behaviour('the ARM SDK waits for Retry-After', async (scene) => {
  await faults(scene, { match: { pathRegex: '/certificates' }, action: { status: 429, headers: { 'retry-after': '1' } } });
  const arm = await scene.arm(6, { retries: 3 });
  assert.deepEqual((await arm.list(group, service)).value, []);
  const [first, second] = await scene.journal();
  assert.equal(first.status, 429);
  assert.ok(second.timeMs - first.timeMs >= 990);
});

behaviour('a lost reply: the PUT is stored, and the ARM SDK that repeats it without If-Match meets what it stored', async (scene) => {
  await faults(scene, { match: { method: 'PUT' }, action: { loseReply: true } });
  const arm = await scene.arm(6, { retries: 3 });
  const failure = await failed(arm.createOrUpdate(group, service, 'root', { properties: { certificate: bytesOf(root.certificate) } }));
  assert.equal(failure.status, 412);
  assert.match(failure.body.message, /already exists/);
  const puts = (await scene.journal()).filter(({ method }) => method === 'PUT');
  assert.deepEqual(puts.map(({ status, ifMatch }) => [status, ifMatch]), [[200, null], [412, null]]);
  assert.equal((await arm.get('root', group, service)).name, 'root');
});

behaviour('a dropped connection: nothing is stored, and the ARM SDK repeats the PUT', async (scene) => {
  await faults(scene, { match: { method: 'PUT' }, action: { drop: true } });
  const arm = await scene.arm(6, { retries: 3 });
  await arm.createOrUpdate(group, service, 'root', { properties: { certificate: bytesOf(root.certificate) } });
  assert.deepEqual((await scene.journal()).map(({ status }) => status), [null, 200]);
});

behaviour('only the nth matching request is hit, and a delay delays', async (scene) => {
  await faults(scene, { match: { method: 'GET', nth: 2 }, action: { delayMs: 300 } });
  for (let at = 0; at < 3; at++) await failed(scene.serviceClient.getEnrollmentGroup('g'));
  const [first, second, third] = (await scene.journal()).map(({ durationMs }) => durationMs);
  assert.ok(first < 200 && second >= 300 && third < 200);
  await scene.standIn.control('DELETE', 'faults');
  assert.deepEqual(await scene.standIn.control('GET', 'faults'), []);
});

behaviour('over its rate the data plane answers 429 with Retry-After', async (scene) => {
  await scene.settings({ ratePerMinute: 2 });
  const get = () => scene.serviceCall('GET', '/enrollmentGroups/g');
  assert.deepEqual([(await get()).status, (await get()).status], [404, 404]);
  const { status, headers, body } = await get();
  assert.deepEqual([status, body.errorCode], [429, 429001]);
  assert.ok(Number(headers['retry-after']) > 50);
});

behaviour('what a person changes meanwhile has a new etag and stays in the record', async (scene) => {
  const { etag } = await scene.putGroup('g', { signingCertificates: { primary: { certificate: root.certificate } } });
  const set = { initialTwin: { tags: { plant: 7 } }, aFutureField: true, provisioningStatus: 'disabled' };
  const changed = await scene.change({ kind: 'enrollmentGroup', id: 'g', set });
  assert.notEqual(changed.etag, etag);
  const { responseBody } = await scene.serviceClient.getEnrollmentGroup('g');
  assert.deepEqual([responseBody.initialTwin, responseBody.aFutureField, responseBody.provisioningStatus], [set.initialTwin, true, 'disabled']);
  assert.equal((await failed(scene.putGroup('g', { signingCertificates: { primary: { certificate: root.certificate } } }, { etag }))).status, 412);
  await scene.change({ kind: 'enrollmentGroup', id: 'g', remove: true });
  assert.equal((await failed(scene.serviceClient.getEnrollmentGroup('g'))).status, 404);
  await scene.change({ kind: 'enrollment', id: 'device-1', set: { attestation: symmetricKey } });
  assert.equal((await scene.serviceClient.getIndividualEnrollment('device-1')).responseBody.registrationId, 'device-1');
});

behaviour('a CA that a person uploaded and verified by hand is there for everybody', async (scene) => {
  await scene.change({ kind: 'certificate', id: 'by-hand', set: { pem: root.certificate, isVerified: true } });
  const { properties } = await (await scene.arm(5)).get('by-hand', group, service);
  assert.deepEqual([properties.subject, properties.isVerified], ['Hallmark root', true]);
  await scene.putGroup('g', { caReferences: { primary: 'by-hand' } });
  assert.equal((await scene.register(device, 'device-1')).status, 'assigned');
});

behaviour('the control API needs its secret and knows its settings', async (scene) => {
  assert.equal((await scene.standIn.call('GET', '/_control/log', { headers: { authorization: 'Bearer wrong' } })).status, 401);
  await assert.rejects(scene.settings({ nothing: 1 }));
  await assert.rejects(scene.settings({ pageSize: 'many' }));
  await assert.rejects(faults(scene, { action: { explode: true } }));
});

behaviour('the journal never holds a credential', async (scene) => {
  await scene.putEnrollment('a', { ...symmetricKey, symmetricKey: { primaryKey: Buffer.alloc(64, 3).toString('base64') } });
  await scene.serviceClient.getIndividualEnrollmentAttestationMechanism('a');
  await failed(scene.register(device, 'device-1'));
  const text = JSON.stringify(await scene.journal());
  assert.ok(!text.includes('SharedAccessSignature') && !text.includes(Buffer.alloc(64, 3).toString('base64')));
  assert.deepEqual((await scene.journal()).map(({ credential }) => credential), ['sas', 'sas', 'certificate']);
});
