// Devices that register: who is let in, who is refused, and which record decides.
import assert from 'node:assert/strict';
import { chainOf, forged } from '../authority.mjs';
import { pagesOf } from '../clients.mjs';
import { behaviour, device, failed, line1, line2, root, sas, sibling, strangers, workshop } from './scene.mjs';

// The root is verified and has an enabled group.
async function enrolled(scene) {
  await scene.publish('root', root);
  await scene.putGroup('everything', { caReferences: { primary: 'root' } });
}

const names = {
  'a plain name': 'device-1',
  'a name of 64 characters': 'd'.repeat(63) + '1',
  'a name of all the characters allowed': 'Ab0:.-_9-',
};
for (const keyType of ['P-256', 'P-384', 'RSA 2048', 'RSA 3072']) {
  for (const [what, name] of Object.entries(names)) {
    if (keyType !== 'P-256' && name !== 'device-1') continue;
    behaviour(`a device with a ${keyType} key and ${what} is assigned`, async (scene) => {
      await enrolled(scene);
      const state = await scene.register(workshop.device(name, line1, keyType), name);
      assert.equal(state.status, 'assigned');
      assert.equal(state.deviceId, name);
      assert.equal(state.substatus, 'initialAssignment');
      assert.equal(state.x509.enrollmentGroupId, 'everything');
      assert.match(state.assignedHub, /^hallmark-hub-[12]\.azure-devices\.net$/);
    });
  }
}

behaviour('the CN and the registration id are compared without case', async (scene) => {
  await enrolled(scene);
  assert.equal((await scene.register(device, 'DEVICE-1')).status, 'assigned');
});

behaviour('a CN that is not the registration id is refused', async (scene) => {
  await enrolled(scene);
  assert.equal(await scene.refused(device, 'device-2'), 'Invalid certificate');
});

behaviour('the device is told to wait, then polls until it is assigned', async (scene) => {
  await enrolled(scene);
  await scene.settings({ pollsUntilAssigned: 2, deviceRetryAfterSeconds: 1 });
  await scene.register(device, 'device-1');
  const asked = (await scene.journal()).filter(({ listener }) => listener === 'device');
  assert.deepEqual(asked.map(({ method, status }) => `${method} ${status}`), ['PUT 202', 'GET 202', 'GET 200']);
  assert.ok(asked[2].timeMs - asked[0].timeMs >= 1900);
  assert.deepEqual([...new Set(asked.map(({ tls }) => tls))], ['TLSv1.2']);
  assert.equal(asked[0].sni, 'global.azure-devices-provisioning.net');
});

behaviour('a disabled individual enrollment with the leaf keeps one device out and its sibling in', async (scene) => {
  await enrolled(scene);
  await scene.putEnrollment('device-1', { type: 'x509', x509: { clientCertificates: { primary: { certificate: device.certificate } } } }, { provisioningStatus: 'disabled' });
  assert.equal(await scene.refused(device, 'device-1'), 'Registration is disabled.');
  assert.equal((await scene.register(sibling, 'sibling')).status, 'assigned');
  await scene.serviceClient.deleteIndividualEnrollment('device-1');
  assert.equal((await scene.register(device, 'device-1')).status, 'assigned', 'deleting the enrollment lets the device in again');
});

behaviour('a disabled individual enrollment by symmetric key, in any case, keeps the device out without its leaf', async (scene) => {
  await enrolled(scene);
  await scene.putEnrollment('Device-1', { type: 'symmetricKey' }, { provisioningStatus: 'disabled' });
  assert.equal(await scene.refused(device, 'device-1'), 'Registration is disabled.');
  assert.equal((await scene.register(sibling, 'sibling')).status, 'assigned');
});

behaviour('an enabled individual enrollment lets in the leaf that it pins, primary or secondary, and no other of the same name', async (scene) => {
  await enrolled(scene);
  const renewed = workshop.device('device-1', line1);
  const pins = (...leaves) => ({ type: 'x509', x509: { clientCertificates: Object.fromEntries(leaves.map((leaf, at) => [['primary', 'secondary'][at], { certificate: leaf.certificate }])) } });
  const { etag } = await scene.putEnrollment('device-1', pins(renewed));
  assert.equal(await scene.refused(device, 'device-1'), 'Invalid certificate');
  assert.equal((await scene.register(renewed, 'device-1')).deviceId, 'device-1');
  await scene.putEnrollment('device-1', pins(renewed, device), { etag, deviceId: 'another-name' });
  assert.equal((await scene.register(device, 'device-1')).deviceId, 'another-name');
});

behaviour('an individual enrollment of a leaf that a CA issued needs a verified signer in the chain', async (scene) => {
  await scene.putEnrollment('device-1', { type: 'x509', x509: { clientCertificates: { primary: { certificate: device.certificate } } } });
  assert.equal(await scene.refused(device, 'device-1'), 'CA certificate not found');
  await scene.publish('root', root);
  assert.equal(await scene.refused(device, 'device-1', device.certificate), 'CA certificate not found');
  assert.equal((await scene.register(device, 'device-1')).status, 'assigned');
});

behaviour('an individual enrollment of a leaf that certifies itself needs no CA', async (scene) => {
  const own = workshop.make('self-made', { extensions: 'device' });
  await scene.putEnrollment('self-made', { type: 'x509', x509: { clientCertificates: { primary: { certificate: own.certificate } } } });
  assert.equal((await scene.register(own, 'self-made')).x509.certificateInfo.subjectName, 'CN=self-made');
});

behaviour('an enabled symmetric key enrollment does not let a certificate in', async (scene) => {
  await enrolled(scene);
  await scene.putEnrollment('device-1', { type: 'symmetricKey' });
  assert.equal(await scene.refused(device, 'device-1'), 'Invalid certificate');
});

behaviour('the group closest to the leaf decides: a disabled one of an intermediate below an enabled one of the root', async (scene) => {
  await enrolled(scene);
  await scene.putGroup('line-1', { signingCertificates: { primary: { certificate: line1.certificate } } }, { provisioningStatus: 'disabled' });
  assert.equal(await scene.refused(device, 'device-1'), 'Registration is disabled.');
  assert.equal((await scene.register(sibling, 'sibling')).status, 'assigned');
});

behaviour('and the other way round: an enabled one of an intermediate below a disabled one of the root', async (scene) => {
  await scene.publish('root', root);
  await scene.putGroup('everything', { caReferences: { primary: 'root' } }, { provisioningStatus: 'disabled' });
  await scene.putGroup('line-1', { signingCertificates: { primary: { certificate: line1.certificate } } });
  assert.equal((await scene.register(device, 'device-1')).x509.enrollmentGroupId, 'line-1');
  assert.equal(await scene.refused(sibling, 'sibling'), 'Registration is disabled.');
});

behaviour('a chain with nothing in it that is verified is refused, though a group names a certificate of it', async (scene) => {
  await scene.putGroup('line-1', { signingCertificates: { primary: { certificate: line1.certificate } } });
  assert.equal(await scene.refused(device, 'device-1'), 'CA certificate not found');
  await scene.publish('root', root);
  assert.equal(await scene.refused(device, 'device-1', chainOf(device, line1)), 'CA certificate not found', 'the verified one must be presented');
  assert.equal((await scene.register(device, 'device-1')).status, 'assigned');
});

behaviour('a verified certificate below the one of the group does not help', async (scene) => {
  await scene.publish('line-1', line1);
  await scene.putGroup('everything', { signingCertificates: { primary: { certificate: root.certificate } } });
  assert.equal(await scene.refused(device, 'device-1'), 'CA certificate not found');
});

behaviour('a verified intermediate of a group needs no root in the chain', async (scene) => {
  await scene.publish('line-1', line1);
  await scene.putGroup('line-1', { caReferences: { primary: 'line-1' } });
  assert.equal((await scene.register(device, 'device-1', chainOf(device, line1))).status, 'assigned');
});

behaviour('a device of a CA that nobody enrolled is refused', async (scene) => {
  await enrolled(scene);
  const stranger = workshop.device('device-1', strangers);
  assert.equal(await scene.refused(stranger, 'device-1'), 'Signing certificate info did not match chain elements.');
});

behaviour('a chain that does not hold together is refused', async (scene) => {
  await enrolled(scene);
  const cases = {
    'an intermediate is missing': device.certificate + root.certificate,
    'the intermediate is another one': device.certificate + line2.certificate + root.certificate,
    'the order is wrong': device.certificate + root.certificate + line1.certificate,
    'a stranger is appended': chainOf(device) + strangers.certificate,
    'the leaf is forged': forged(device.certificate) + line1.certificate + root.certificate,
    'the intermediate is forged': device.certificate + forged(line1.certificate) + root.certificate,
    'a namesake stands in for the intermediate': device.certificate + workshop.ca('Hallmark line 1', root).certificate + root.certificate,
  };
  for (const [what, chain] of Object.entries(cases)) assert.equal(await scene.refused(device, 'device-1', chain), 'Invalid certificate', what);
});

behaviour('a leaf that signs another leaf makes no CA', async (scene) => {
  await enrolled(scene);
  const child = { ...workshop.make('device-2', { issuer: device, extensions: 'device' }), issuer: device };
  assert.equal(await scene.refused(child, 'device-2'), 'Invalid certificate');
});

behaviour('an expired leaf is refused', async (scene) => {
  await enrolled(scene);
  await scene.settings({ clockOffsetSeconds: 31 * 86400 });
  assert.equal(await scene.refused(device, 'device-1'), 'Invalid certificate');
});

behaviour('no client certificate, no registration', async (scene) => {
  await enrolled(scene);
  const { status, body } = await scene.standIn.call('PUT', `/${scene.standIn.idScope}/registrations/device-1/register?api-version=2021-10-01`,
    { port: scene.standIn.devicePort, body: { registrationId: 'device-1' } });
  assert.equal(status, 401);
  assert.equal(body.errorCode, 401002);
});

behaviour('over TLS 1.3 no device is registered', async (scene) => {
  await enrolled(scene);
  const register = (more) => scene.standIn.call('PUT', `/${scene.standIn.idScope}/registrations/device-1/register?api-version=2021-10-01`,
    { body: { registrationId: 'device-1' }, cert: chainOf(device), key: device.key, ...more });
  assert.equal((await register({})).status, 400);
  assert.equal((await register({ maxVersion: 'TLSv1.2' })).status, 202);
  await assert.rejects(register({ port: scene.standIn.devicePort, minVersion: 'TLSv1.3' }));
});

behaviour('a group with primary and secondary CA lets both in during a roll', async (scene) => {
  await scene.publish('old', root);
  await scene.publish('new', strangers);
  const moved = workshop.device('moved', strangers);
  const { etag } = await scene.putGroup('everything', { caReferences: { primary: 'old', secondary: 'new' } });
  assert.equal((await scene.register(device, 'device-1')).status, 'assigned');
  assert.equal((await scene.register(moved, 'moved')).status, 'assigned');
  await scene.putGroup('everything', { caReferences: { primary: 'new' } }, { etag });
  assert.equal(await scene.refused(device, 'device-1'), 'Signing certificate info did not match chain elements.');
  assert.equal((await scene.register(moved, 'moved')).substatus, 'reprovisionedToInitialAssignment');
});

behaviour('registrations can be read, queried and deleted, and stay when their group goes', async (scene) => {
  await enrolled(scene);
  await scene.register(device, 'device-1');
  await scene.register(sibling, 'sibling');
  const query = () => pagesOf(scene.serviceClient.createEnrollmentGroupDeviceRegistrationStateQuery({ query: 'SELECT *' }, 'everything'));
  assert.deepEqual((await query()).flat().map(({ registrationId }) => registrationId), ['device-1', 'sibling']);
  await scene.serviceClient.deleteEnrollmentGroup('everything');
  const { responseBody } = await scene.serviceClient.getDeviceRegistrationState('device-1');
  assert.equal(responseBody.status, 'assigned');
  await scene.serviceClient.deleteDeviceRegistrationState('device-1', responseBody.etag);
  assert.equal((await failed(scene.serviceClient.getDeviceRegistrationState('device-1'))).status, 404);
});

behaviour("a group's own hubs are used, always the same one for a device", async (scene) => {
  await scene.publish('root', root);
  const iotHubs = ['a.azure-devices.net', 'b.azure-devices.net'];
  const { etag } = await scene.putGroup('everything', { caReferences: { primary: 'root' } }, { iotHubs, allocationPolicy: 'hashed' });
  const first = await scene.register(device, 'device-1');
  assert.ok(iotHubs.includes(first.assignedHub));
  assert.equal((await scene.register(device, 'device-1')).assignedHub, first.assignedHub);
  await scene.putGroup('everything', { caReferences: { primary: 'root' } }, { iotHubs: ['c.azure-devices.net'], allocationPolicy: 'static', etag });
  const moved = await scene.register(device, 'device-1');
  assert.deepEqual([moved.assignedHub, moved.substatus], ['c.azure-devices.net', 'deviceDataMigrated']);
});

behaviour('an assigned device is in the registry of its hub, where it is disabled by itself and stays so', async (scene) => {
  await enrolled(scene);
  const { assignedHub } = await scene.register(device, 'device-1');
  const authorization = scene.clients.sharedAccessSignature(assignedHub, { policy: 'iothubowner', key: sas.key });
  const call = (method, more = {}) => scene.standIn.call(method, `/hub/${assignedHub}/devices/device-1?api-version=2021-04-12`,
    { ...more, headers: { authorization, ...more.headers } });
  const { body: read } = await call('GET');
  assert.equal(read.status, 'enabled');
  assert.equal(read.authentication.type, 'certificateAuthority');
  const disabled = { ...read, status: 'disabled', statusReason: 'revoked' };
  assert.equal((await call('PUT', { body: disabled })).status, 409);
  assert.equal((await call('PUT', { body: disabled, headers: { 'if-match': '"stale"' } })).status, 412);
  assert.equal((await call('PUT', { body: disabled, headers: { 'if-match': `"${read.etag}"` } })).body.status, 'disabled');
  await scene.register(device, 'device-1');
  assert.equal((await call('GET')).body.status, 'disabled');
  assert.equal((await call('DELETE')).status, 204);
  assert.equal((await call('GET')).status, 404);
});

behaviour('a refusal can also be a 200 with status failed', async (scene) => {
  await scene.settings({ refuseWithFailedState: true });
  const failure = await failed(scene.register(device, 'device-1'));
  assert.equal(failure.name, 'ProvisioningRegistrationFailedError');
  assert.equal(failure.body.registrationState.errorCode, 401002);
});

behaviour('a device of another ID scope, and another operation than its own, are not found', async (scene) => {
  await enrolled(scene);
  await scene.register(device, 'device-1');
  const operation = (await scene.journal()).findLast(({ method }) => method === 'GET').path;
  const ask = (path, holder) => scene.standIn.call('GET', `${path}?api-version=2021-10-01`, { port: scene.standIn.devicePort, cert: chainOf(holder), key: holder.key });
  assert.equal((await ask(operation, device)).status, 200);
  assert.equal((await ask(operation, sibling)).status, 404);
  assert.equal((await ask(operation.replace(scene.standIn.idScope, '0ne0BAD'), device)).status, 404);
});
