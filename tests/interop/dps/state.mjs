// What the stand-in knows: one DPS instance, the IoT hubs linked to it, and the settings of a test.
import { randomBytes, randomUUID } from 'node:crypto';

export const defaultSettings = {
  disableLocalAuth: false,            // SAS is refused on the data plane
  emptyPages: false,                  // every other query page is empty and has a continuation
  pageSize: 100,                      // most items of a query page
  clockOffsetSeconds: 0,              // the stand-in's clock against the machine's
  ratePerMinute: 0,                   // data plane operations a minute; 0 = no limit
  groupIdentities: 'certificateAuthority', // in the hub, of devices of a group; or selfSigned, by thumbprint, as people report of Azure
  certificateLimit: 25,
  enrollmentGroupLimit: 100,
  enrollmentLimit: 1_000_000,
  bulkLimit: 10,
  putExistingCertificateWithoutIfMatch: 412, // or 409; 200 overwrites
  missingIfMatch: 400,                // ARM calls whose If-Match is required
  deleteCertificateStatus: 200,       // or 204
  deleteReferencedCertificate: false, // true: DELETE succeeds although a group references the certificate
  allowUnverifiedReferences: false,   // true: caReferences may name a certificate that is not verified
  codeLifetimeSeconds: 0,             // of a verification code; 0 = until it is used
  failedProofConsumesCode: true,
  requireClientAuth: false,           // device certificates without EKU clientAuth are refused
  maxChainCertificates: 0,            // of a device's chain, leaf included; 0 = no limit
  refuseWithFailedState: false,       // a refused device gets a 200 with status "failed" instead of a 401
  pollsUntilAssigned: 1,              // how often the operation answers "assigning" after register
  deviceRetryAfterSeconds: 1,
  linkedHubs: ['hallmark-hub-1.azure-devices.net', 'hallmark-hub-2.azure-devices.net'],
  tokenLifetimeSeconds: 3599,
};

export class State {
  // `sasKeys` is {dps: {policy: keys}, hub: {policy: keys}}, each key in base64.
  constructor({ service, idScope, sasKeys }) {
    this.service = service;
    this.host = `${service}.azure-devices-provisioning.net`.toLowerCase();
    this.idScope = idScope;
    this.sasKeysAtStart = sasKeys;
    this.reset();
  }

  // As it was at the start.
  reset() {
    this.settings = structuredClone(defaultSettings);
    this.certificates = new Map();      // lower-case name -> certificate
    this.enrollmentGroups = new Map();  // lower-case id -> {record, keys}
    this.enrollments = new Map();       // the same for individual enrollments
    this.registrations = new Map();     // lower-case registration id -> registration
    this.operations = new Map();        // operation id -> registration operation
    this.hubDevices = new Map();        // "hub host/device id" -> device identity
    this.operationsTaken = [];          // when, of the last minute's data plane operations
    this.sasKeys = structuredClone(this.sasKeysAtStart);
  }

  now() {
    return Date.now() + this.settings.clockOffsetSeconds * 1000;
  }

  timestamp() {
    return new Date(this.now()).toISOString();
  }
}

// Azure's entity tags travel in the body: base64 of a quoted string, sent back verbatim in If-Match.
export function newEtag() {
  return Buffer.from(`"${randomUUID()}"`).toString('base64');
}

export function newVerificationCode() {
  return randomBytes(24).toString('hex').toUpperCase();
}
