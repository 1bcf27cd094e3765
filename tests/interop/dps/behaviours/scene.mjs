// What the tests share: one small CA, one stand-in that is as new for each of them, and Microsoft's clients.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { chainOf, Workshop } from '../authority.mjs';
import { Clients, failureOf } from '../clients.mjs';
import { StandIn } from '../running.mjs';

export const nodeModules = process.env.HALLMARK_DPS_NODE_MODULES;
if (!nodeModules) throw new Error('HALLMARK_DPS_NODE_MODULES is not set: ./install says where the SDKs are');

export const workshop = new Workshop();
after(() => workshop.remove());

export const root = workshop.ca('Hallmark root');
export const line1 = workshop.ca('Hallmark line 1', root);
export const line2 = workshop.ca('Hallmark line 2', root);
export const strangers = workshop.ca('Strangers root');
export const sibling = workshop.device('sibling', line2);
export const device = workshop.device('device-1', line1);
const server = workshop.server(root);

export const group = 'hallmark';
export const service = 'hallmark-dps';
export const sas = { policy: 'provisioningserviceowner', key: Buffer.from('not a secret: a test key').toString('base64') };
export const armPath = (rest) =>
  `/subscriptions/s/resourceGroups/${group}/providers/Microsoft.Devices/provisioningServices/${service}/certificates${rest}`;

export const entra = { tenant: '11111111-2222-3333-4444-555555555555', client: '66666666-7777-8888-9999-000000000000' };
export const daemon = workshop.make('hallmark', { extensions: 'device', keyType: 'RSA 2048' });

export function startStandIn() {
  return StandIn.start({
    trust: root.certificate, 'node-modules': nodeModules, service, 'sas-key': sas.key,
    certificate: server.certificateFile, key: server.keyFile,
    'entra-certificate': daemon.certificateFile, 'entra-client': entra.client, 'entra-tenant': entra.tenant,
  });
}

// One process for all the tests; each finds it as if it had just been started.
const shared = await startStandIn();
after(() => shared.stop());

export class Scene {
  static async open() {
    await shared.control('POST', 'reset');
    const clients = new Clients({ nodeModules, trust: root.certificate, port: shared.port, devicePort: shared.devicePort });
    const scene = Object.assign(new Scene(), { standIn: shared, clients, serviceClient: clients.service(shared.serviceHost, { sas }) });
    await scene.settings({ deviceRetryAfterSeconds: 0 });
    return scene;
  }

  async token(audience = 'https://management.azure.com', lifetimeSeconds) {
    return (await this.standIn.control('POST', 'tokens', { audience, lifetimeSeconds })).token;
  }

  async arm(version = 6, options = {}) {
    return this.clients.arm(version, { token: await this.token(), ...options });
  }

  // A raw call to ARM, with a good token.
  async armCall(method, rest, { headers = {}, body, version = '2022-12-12' } = {}) {
    return this.standIn.call(method, `${armPath(rest)}?api-version=${version}`, {
      body, headers: { authorization: `Bearer ${await this.token()}`, ...headers },
    });
  }

  // A raw call to the data plane, with a good signature.
  serviceCall(method, path, { headers = {}, body, version = '2021-10-01' } = {}) {
    const authorization = this.clients.sharedAccessSignature(this.standIn.serviceHost, sas);
    return this.standIn.call(method, `${path}?api-version=${version}`, { body, headers: { authorization, ...headers } });
  }

  settings(values) {
    return this.standIn.control('POST', 'settings', values);
  }

  change(what) {
    return this.standIn.control('POST', 'state', what);
  }

  async journal() {
    return (await this.standIn.control('GET', 'log')).entries;
  }

  // Upload, code, proof, verified.
  async publish(name, ca) {
    const arm = await this.arm();
    const uploaded = await arm.createOrUpdate(group, service, name, { properties: { certificate: bytesOf(ca.certificate) } });
    const asked = await arm.generateVerificationCode(name, uploaded.etag, group, service);
    const proof = workshop.device(asked.properties.verificationCode, ca);
    return arm.verifyCertificate(name, asked.etag, group, service, { certificate: base64Of(proof.certificate) });
  }

  async putGroup(enrollmentGroupId, x509, more = {}) {
    return (await this.serviceClient.createOrUpdateEnrollmentGroup({ enrollmentGroupId, attestation: { type: 'x509', x509 }, ...more })).responseBody;
  }

  async putEnrollment(registrationId, attestation, more = {}) {
    return (await this.serviceClient.createOrUpdateIndividualEnrollment({ registrationId, attestation, ...more })).responseBody;
  }

  register(holder, registrationId, chain = chainOf(holder)) {
    return this.clients.register({ idScope: this.standIn.idScope, registrationId, chain, key: holder.key });
  }

  async refused(holder, registrationId, chain) {
    const failure = await failed(this.register(holder, registrationId, chain));
    assert.equal(failure.status, 401);
    assert.equal(failure.body.errorCode, 401002);
    return failure.body.message;
  }
}

// A test in a fresh scene. `violations` is how many requests it sends on purpose that the contract does not know.
export function behaviour(name, play, { violations = 0 } = {}) {
  test(name, { timeout: 30_000 }, async (t) => {
    const scene = await Scene.open();
    await play(scene, t);
    const seen = (await scene.standIn.control('GET', 'log')).violations;
    assert.equal(seen.length, violations, JSON.stringify(seen));
  });
}

export async function failed(call) {
  let value;
  try {
    value = await call;
  } catch (error) {
    return failureOf(error);
  }
  assert.fail(`expected a refusal, got ${JSON.stringify(value)}`);
}

export function bytesOf(pem) {
  return new Uint8Array(Buffer.from(pem));
}

export function base64Of(pem) {
  return Buffer.from(pem).toString('base64');
}
