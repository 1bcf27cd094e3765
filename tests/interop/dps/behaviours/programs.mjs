// The programs that tests in other languages start: the stand-in itself and the drivers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chainOf } from '../authority.mjs';
import { behaviour, device, nodeModules, root, sas, startStandIn, workshop } from './scene.mjs';

const trust = workshop.write('trust.pem', root.certificate);

function drive(program, values) {
  const file = fileURLToPath(new URL(`../drivers/${program}.mjs`, import.meta.url));
  const given = Object.entries({ 'node-modules': nodeModules, trust, ...values }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return new Promise((resolve) => {
    execFile(process.execPath, [file, ...given], (error, stdout) => resolve({ ...JSON.parse(stdout), exitCode: error?.code ?? 0 }));
  });
}

behaviour('the drivers publish a CA, enroll a group and register a device', async (scene) => {
  const { port, devicePort, serviceHost, idScope } = scene.standIn;
  const arm = async (op, values) => drive('arm', { port, sdk: 5, token: await scene.token(), op, name: 'root', ...values });
  const uploaded = await arm('create', { certificate: root.certificateFile });
  const asked = await arm('code', { etag: uploaded.etag });
  const proof = workshop.device(asked.properties.verificationCode, root);
  const verified = await arm('verify', { etag: asked.etag, certificate: proof.certificateFile });
  assert.equal(verified.properties.isVerified, true);

  const service = (op, values) => drive('service', { port, host: serviceHost, 'sas-key': sas.key, op, ...values });
  const group = workshop.write('group.json', JSON.stringify({ enrollmentGroupId: 'g', attestation: { type: 'x509', x509: { caReferences: { primary: 'root' } } } }));
  assert.equal((await service('group-put', { json: group })).value.enrollmentGroupId, 'g');
  const conflict = await service('group-put', { json: group });
  assert.deepEqual([conflict.exitCode, conflict.ok, conflict.status, conflict.body.errorCode], [1, false, 409, 409202]);
  assert.deepEqual((await service('group-query')).pages[0].map(({ enrollmentGroupId }) => enrollmentGroupId), ['g']);

  const chain = workshop.write('chain.pem', chainOf(device));
  const register = (id) => drive('register', { port: devicePort, 'id-scope': idScope, 'registration-id': id, chain, key: device.keyFile });
  const assigned = await register('device-1');
  assert.deepEqual([assigned.exitCode, assigned.ok, assigned.status, assigned.deviceId], [0, true, 'assigned', 'device-1']);
  const refused = await register('device-2');
  assert.deepEqual([refused.exitCode, refused.ok, refused.status, refused.body.errorCode], [1, false, 401, 401002]);

  await service('group-delete', { id: 'g' });
  assert.equal((await arm('delete', { etag: verified.etag })).ok, true);
});

test('the stand-in ends with its stdin', async () => {
  const standIn = await startStandIn();
  assert.equal(await standIn.stop(), 0);
});

test('the stand-in ends on SIGTERM', async () => {
  const standIn = await startStandIn();
  standIn.process.kill('SIGTERM');
  assert.deepEqual(await once(standIn.process, 'exit'), [0, null]);
});
