// Microsoft's own clients, dialling a stand-in on this machine. They know no other address than Azure's.
import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Agent } from 'node:https';
import { join, resolve } from 'node:path';
import { connect } from 'node:tls';

// The ARM SDKs take it for granted; node 18 has it under another name.
globalThis.crypto ??= webcrypto;

export class Clients {
  #require;

  // `port` is that of the stand-in's services, `devicePort` that of its device API, `trust` the PEM of who signed its TLS certificate.
  constructor({ nodeModules, trust, port, devicePort }) {
    this.#require = createRequire(join(resolve(nodeModules), 'of-the-clients.js'));
    this.trust = trust;
    this.port = port;
    this.devicePort = devicePort;
  }

  // Azure's host stays in Host and SNI; only the dialling goes elsewhere.
  #httpTo(port) {
    const { Http } = this.#require('azure-iot-http-base');
    const agent = new Agent();
    agent.createConnection = (options, callback) =>
      connect({ ...options, host: '127.0.0.1', port, servername: options.host, ca: this.trust }, callback);
    const http = new Http();
    http.setOptions({ http: { agent } });
    return http;
  }

  // Version 5 sends api-version 2022-02-05, version 6 sends 2026-08-31. Their operations have the same signatures, but for delete.
  arm(version, { token, subscription = '00000000-0000-0000-0000-000000000000', retries = 0 }) {
    const { IotDpsClient } = this.#require(`arm-dps-${version}`);
    const endpoint = `https://localhost:${this.port}`;
    const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
    const client = new IotDpsClient(credential, subscription, {
      endpoint, $host: endpoint, tlsOptions: { ca: this.trust }, retryOptions: { maxRetries: retries, retryDelayInMs: 50 },
    });
    return client.dpsCertificate;
  }

  service(host, { sas, token }) {
    const { ProvisioningServiceClient } = this.#require('azure-iot-provisioning-service');
    const { RestApiClient } = this.#require('azure-iot-http-base');
    const config = token
      ? {
        host, tokenScope: 'https://azure-devices-provisioning.net/.default',
        tokenCredential: { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) },
      }
      : { host, sharedAccessSignature: this.sharedAccessSignature(host, sas) };
    return new ProvisioningServiceClient(config, new RestApiClient(config, 'hallmark-interop', this.#httpTo(this.port)));
  }

  sharedAccessSignature(host, { policy, key, lifetimeSeconds = 600 }) {
    const { SharedAccessSignature } = this.#require('azure-iot-common');
    return SharedAccessSignature.create(host, policy, key, Math.floor(Date.now() / 1000) + lifetimeSeconds).toString();
  }

  // Resolves to the registration state, rejects with the SDK's error.
  register({ idScope, registrationId, chain, key, host = 'global.azure-devices-provisioning.net' }) {
    const { ProvisioningDeviceClient } = this.#require('azure-iot-provisioning-device');
    const { Http } = this.#require('azure-iot-provisioning-device-http');
    const { X509Security } = this.#require('azure-iot-security-x509');
    const security = new X509Security(registrationId, { cert: chain, key });
    const transport = new Http(this.#httpTo(this.devicePort));
    return ProvisioningDeviceClient.create(host, idScope, transport, security).register();
  }
}

// The one call whose parameters the two versions of the ARM SDK order differently.
export function deleteCertificate(version, certificates, { group, service, name, etag }) {
  return Number(version) === 5
    ? certificates.delete(group, etag, service, name)
    : certificates.delete(group, service, name, etag);
}

// runBulkEnrollmentOperation settles only through its callback.
export function runBulk(service, operation) {
  return new Promise((resolve, reject) => {
    service.runBulkEnrollmentOperation(operation, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

// Every page of a query, each as it came. Without the token in hand, next() as a promise would start anew.
export async function pagesOf(query) {
  const pages = [];
  while (query.hasMoreResults) pages.push((await query.next(query.continuationToken)).responseBody);
  return pages;
}

// What an error of any of the SDKs says; null where it says nothing.
export function failureOf(error) {
  const text = error.responseBody ?? error.response?.bodyAsText;
  let body = error.result ?? error.details ?? null;
  try {
    if (text) body = JSON.parse(text);
  } catch {
    body = text;
  }
  return {
    status: error.statusCode ?? error.response?.statusCode ?? null,
    name: error.name, code: error.code ?? null, message: error.message, body,
  };
}

// One line of JSON and an exit code: what a driver shows of `result`.
export async function report(result) {
  try {
    console.log(JSON.stringify({ ok: true, ...(await result) }));
  } catch (error) {
    console.log(JSON.stringify({ ok: false, ...failureOf(error) }));
    process.exitCode = 1;
  }
}

export function readText(file) {
  return readFileSync(file, 'utf8');
}
