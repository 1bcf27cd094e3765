// The answers of Azure that are not a 2xx, in the shapes its services give them.
import { randomUUID, randomBytes } from 'node:crypto';

// A Refusal carries the answer that ends an exchange. `reason` is for the log only: the real service says less.
export class Refusal extends Error {
  constructor(answer, reason) {
    super(reason ?? JSON.stringify(answer.body));
    this.answer = answer;
    this.reason = reason;
  }
}

// DPS data plane and device API: ProvisioningServiceErrorDetails. errorCode = HTTP status * 1000 + n.
export function serviceError(errorCode, message, { reason, headers = {} } = {}) {
  return new Refusal({
    status: Math.floor(errorCode / 1000),
    headers: { 'x-ms-error-code': String(errorCode), ...headers },
    body: { errorCode, trackingId: randomUUID(), message, info: {}, timestampUtc: new Date().toISOString() },
  }, reason ?? message);
}

// The gateway before DPS, and IoT Hub, answer in this older shape.
export function gatewayError(status, code, message) {
  return new Refusal({
    status,
    body: {
      Message: `ErrorCode:${code};${message}`,
      ExceptionMessage: `Tracking ID:${randomBytes(16).toString('hex')}-TimeStamp:${new Date().toISOString()}`,
    },
  }, message);
}

// The resource provider Microsoft.Devices: ErrorDetails of the specification.
export function certificateError(status, code, message) {
  return new Refusal({ status, body: { code, httpStatusCode: httpStatusCode[status], message, details: null } }, message);
}

// Azure Resource Manager itself, before the request reaches a resource provider.
export function armError(status, code, message, headers = {}) {
  return new Refusal({ status, headers, body: { error: { code, message } } }, message);
}

const httpStatusCode = { 400: 'BadRequest', 404: 'NotFound', 409: 'Conflict', 412: 'PreconditionFailed', 500: 'InternalServerError' };
