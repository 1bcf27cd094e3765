// The data plane of DPS: enrollment groups, individual enrollments, registration records.
import { gatewayError, serviceError, Refusal } from './answers.mjs';
import { judgeAuthorization } from './credentials.mjs';
import { find, groups, individuals, isId, matches, shown, store } from './enrollments.mjs';
import { page } from './query.mjs';
import { Rate } from './rate.mjs';

const versions = ['2021-10-01', '2025-07-01-preview', '2026-11-01'];

export function serviceRoutes(state, tokens, schemas) {
  const rate = new Rate(state);
  const route = (method, pattern, handle) => ({
    method,
    pattern,
    handle(exchange, parts) {
      admit(exchange);
      return handle(exchange, ...parts);
    },
  });

  function admit(exchange) {
    const version = exchange.query.get('api-version');
    if (!versions.includes(version)) {
      exchange.violation(version ? `unknown api-version ${version}` : 'api-version is missing');
      throw gatewayError(400, 'ArgumentInvalid', `Unknown api version; uri: ${exchange.path}`);
    }
    exchange.expectQuery(['api-version']);
    const complaint = judgeAuthorization(exchange, state, tokens, { accept: 'dps', resource: state.host });
    if (complaint) {
      const disabled = complaint.startsWith('local authentication is disabled');
      throw serviceError(disabled ? 401003 : 401002, `Unauthorized: ${complaint}.`);
    }
    const wait = rate.take();
    if (wait > 0) throw serviceError(429001, 'Too many requests. Please retry later.', { headers: { 'retry-after': String(wait) } });
  }

  const badBody = (text) => serviceError(400001, `The request body is not valid: ${text}`);

  function checkRecord(exchange, kind, record) {
    schemas.check(exchange, `service.json#/$defs/${kind.schema} ${exchange.query.get('api-version')}`, record, badBody);
  }

  function existing(kind, id) {
    const stored = find(state, kind, id);
    if (!stored) throw serviceError(kind.notFound, `The ${kind.name} '${id}' was not found.`);
    return stored;
  }

  function requireMatch(ifMatch, stored, id) {
    if (ifMatch !== undefined && !matches(ifMatch, stored)) {
      throw serviceError(412001, `Precondition failed: the etag of '${id}' does not match.`);
    }
  }

  function get(kind, exchange, id) {
    return { status: 200, body: shown(state, kind, existing(kind, id)) };
  }

  function put(kind, exchange, id) {
    const record = exchange.json(badBody);
    checkRecord(exchange, kind, record);
    const stored = find(state, kind, id);
    const ifMatch = exchange.headers['if-match'];
    if (stored && ifMatch === undefined) throw serviceError(kind.exists, `The ${kind.name} '${id}' already exists.`);
    if (!stored && ifMatch !== undefined && ifMatch !== '*') {
      throw serviceError(412001, `Precondition failed: there is no ${kind.name} '${id}'.`);
    }
    if (stored) requireMatch(ifMatch, stored, id);
    return { status: 200, body: shown(state, kind, store(state, kind, id, record)) };
  }

  function remove(kind, exchange, id) {
    requireMatch(exchange.headers['if-match'], existing(kind, id), id);
    state[kind.store].delete(id.toLowerCase());
    return { status: 204 };
  }

  function attestationMechanism(kind, exchange, id) {
    const { record, keys } = existing(kind, id);
    return { status: 200, body: keys ? { type: 'symmetricKey', symmetricKey: keys } : record.attestation };
  }

  // HTTP 200 even when items failed: each failure is in `errors`.
  function bulk(kind, exchange) {
    const operation = exchange.json(badBody);
    const list = kind === groups ? 'enrollmentGroups' : 'enrollments';
    schemas.check(exchange, `service.json#/$defs/${kind === groups ? 'BulkEnrollmentGroupOperation' : 'BulkEnrollmentOperation'}`, operation, badBody);
    if (operation[list].length === 0 || operation[list].length > state.settings.bulkLimit) {
      exchange.violation(`bulk of ${operation[list].length}`);
      throw serviceError(400003, `A bulk operation has 1 to ${state.settings.bulkLimit} items, not ${operation[list].length}.`);
    }
    for (const item of operation[list]) checkRecord(exchange, kind, item);
    const errors = [];
    for (const item of operation[list]) {
      try {
        bulkItem(kind, operation.mode, item);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        errors.push({ [kind.id]: item[kind.id], errorCode: error.answer.body.errorCode, errorStatus: error.answer.body.message });
      }
    }
    return { status: 200, body: { isSuccessful: errors.length === 0, errors } };
  }

  function bulkItem(kind, mode, item) {
    const id = item[kind.id];
    if (mode === 'create') {
      if (find(state, kind, id)) throw serviceError(kind.exists, `The ${kind.name} '${id}' already exists.`);
      store(state, kind, id, item);
      return;
    }
    const stored = existing(kind, id);
    if (mode === 'updateIfMatchETag') requireMatch(item.etag ?? '', stored, id);
    if (mode === 'delete') {
      requireMatch(item.etag, stored, id);
      state[kind.store].delete(id.toLowerCase());
    } else {
      store(state, kind, id, item);
    }
  }

  function query(itemType, items, exchange) {
    schemas.check(exchange, 'service.json#/$defs/QuerySpecification', exchange.json(badBody), badBody);
    return page(exchange, state, itemType, items);
  }

  function registration(id) {
    const found = state.registrations.get(id.toLowerCase());
    if (!found) throw serviceError(404203, `The registration '${id}' was not found.`);
    return found;
  }

  function getRegistration(exchange, id) {
    return { status: 200, body: registration(id).record };
  }

  function removeRegistration(exchange, id) {
    requireMatch(exchange.headers['if-match'], registration(id), id);
    state.registrations.delete(id.toLowerCase());
    return { status: 204 };
  }

  function queryRegistrations(exchange, groupId) {
    if (!isId(groupId)) throw serviceError(400001, `The enrollment group id '${groupId}' is not valid.`);
    const ofGroup = [...state.registrations.values()].filter((each) => each.enrollmentGroupId?.toLowerCase() === groupId.toLowerCase());
    return query('registrationState', ofGroup.map(({ record }) => record), exchange);
  }

  const ofKind = (kind, path) => [
    route('POST', new RegExp(`^/${path}/query$`, 'i'), (exchange) =>
      query(kind.itemType, [...state[kind.store].values()].map((each) => shown(state, kind, each)), exchange)),
    route('POST', new RegExp(`^/${path}/?$`, 'i'), (exchange) => bulk(kind, exchange)),
    route('POST', new RegExp(`^/${path}/([^/]+)/attestationmechanism$`, 'i'), (exchange, id) => attestationMechanism(kind, exchange, id)),
    route('GET', new RegExp(`^/${path}/([^/]+)$`, 'i'), (exchange, id) => get(kind, exchange, id)),
    route('PUT', new RegExp(`^/${path}/([^/]+)$`, 'i'), (exchange, id) => put(kind, exchange, id)),
    route('DELETE', new RegExp(`^/${path}/([^/]+)$`, 'i'), (exchange, id) => remove(kind, exchange, id)),
  ];

  return [
    ...ofKind(groups, 'enrollmentGroups'),
    ...ofKind(individuals, 'enrollments'),
    route('POST', /^\/registrations\/([^/]+)\/query$/i, queryRegistrations),
    route('GET', /^\/registrations\/([^/]+)$/i, getRegistration),
    route('DELETE', /^\/registrations\/([^/]+)$/i, removeRegistration),
  ];
}
