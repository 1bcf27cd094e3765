// What a test may ask of the stand-in itself, under /_control/: faults, the journal, the state, the settings.
import { timingSafeEqual } from 'node:crypto';
import { armError } from './answers.mjs';
import { giveVerificationCode } from './arm.mjs';
import { groups, individuals, store } from './enrollments.mjs';
import { newDevice } from './hub.mjs';
import { defaultSettings, newEtag } from './state.mjs';
import { fromPem, info } from './x509.mjs';

const kinds = ['certificate', 'enrollmentGroup', 'enrollment', 'registration', 'hubDevice'];
const refuse = (text) => armError(400, 'BadControlRequest', text);

export function controlRoutes(state, tokens, faults, journal, secret) {
  const route = (method, path, handle) => ({
    method,
    pattern: new RegExp(`^/_control/${path}$`),
    handle(exchange) {
      const given = Buffer.from(exchange.headers.authorization ?? '');
      const expected = Buffer.from(`Bearer ${secret}`);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw armError(401, 'BadControlSecret', 'wrong control secret');
      return { status: 200, body: handle(exchange) ?? {} };
    },
  });

  function addFaults(exchange) {
    const rules = exchange.json(refuse);
    if (!Array.isArray(rules)) throw refuse('expected an array of rules');
    return { ids: rules.map((rule) => faults.add(checkedRule(rule))) };
  }

  function setSettings(exchange) {
    for (const [name, value] of Object.entries(exchange.json(refuse))) {
      if (name === 'sasKeys') {
        Object.assign(state.sasKeys.dps, value.dps);
        Object.assign(state.sasKeys.hub, value.hub);
        continue;
      }
      if (!(name in defaultSettings)) throw refuse(`unknown setting ${name}`);
      if (typeof value !== typeof defaultSettings[name]) throw refuse(`setting ${name} is a ${typeof defaultSettings[name]}`);
      state.settings[name] = value;
    }
    return state.settings;
  }

  // What a person or another program did meanwhile.
  function changeState(exchange) {
    const { kind, id, set, remove, generateCode, ...unknown } = exchange.json(refuse);
    if (!kinds.includes(kind)) throw refuse(`kind is one of ${kinds.join(', ')}`);
    if (typeof id !== 'string') throw refuse('id is missing');
    if (Object.keys(unknown).length > 0) throw refuse(`unknown field ${Object.keys(unknown)[0]}`);
    const key = kind === 'hubDevice' ? hubKey(id) : id.toLowerCase();
    const table = state[`${kind}s`];
    if (remove) {
      if (!table.delete(key)) throw refuse(`there is no ${kind} ${id}`);
      return {};
    }
    if (generateCode) {
      giveVerificationCode(demand(table, key), state);
    } else {
      changers[kind](table, key, id, set ?? {});
    }
    return show[kind](table.get(key), key);
  }

  const changers = {
    // `pem` uploads, or replaces what is there.
    certificate(table, key, id, { pem, ...set }) {
      const uploaded = pem && { name: id, x509: readPem(pem), base64: Buffer.from(pem).toString('base64'), isVerified: false, verificationCode: null };
      const certificate = uploaded ?? demand(table, key);
      table.set(key, { ...certificate, ...set, etag: newEtag(), updatedMs: state.now() });
    },
    enrollmentGroup: (table, key, id, set) => changeEnrollment(groups, table, key, id, set),
    enrollment: (table, key, id, set) => changeEnrollment(individuals, table, key, id, set),
    registration(table, key, id, set) {
      const found = demand(table, key);
      Object.assign(found.record, set, { etag: newEtag(), lastUpdatedDateTimeUtc: state.timestamp() });
    },
    hubDevice(table, key, id, set) {
      const device = table.get(key);
      table.set(key, newDevice(state, { ...device, deviceId: id.slice(id.indexOf('/') + 1), ...set }, device));
    },
  };

  // Fields that are set to null go away. What the contract does not know may be set, too: a future field.
  function changeEnrollment(kind, table, key, id, set) {
    const merged = { [kind.id]: id, ...table.get(key)?.record, ...set };
    for (const name of Object.keys(merged)) if (merged[name] === null) delete merged[name];
    if (!merged.attestation) throw refuse(`there is no ${kind.name} ${id}, and set has no attestation`);
    store(state, kind, id, merged);
  }

  function reset() {
    state.reset();
    faults.clear();
    journal.clear();
    tokens.revokeAll();
  }

  return [
    route('POST', 'reset', reset),
    route('POST', 'faults', addFaults),
    route('GET', 'faults', () => faults.list()),
    route('DELETE', 'faults', () => faults.clear()),
    route('GET', 'log', () => ({ entries: journal.entries(), violations: journal.violations() })),
    route('DELETE', 'log', () => journal.clear()),
    route('GET', 'settings', () => state.settings),
    route('POST', 'settings', setSettings),
    route('GET', 'state', () => Object.fromEntries(kinds.map((kind) =>
      [`${kind}s`, [...state[`${kind}s`]].map(([key, value]) => show[kind](value, key))]))),
    route('POST', 'state', changeState),
    route('POST', 'tokens', (exchange) => {
      const { audience, lifetimeSeconds } = exchange.json(refuse);
      if (typeof audience !== 'string') throw refuse('audience is missing');
      return { token: tokens.issue(audience, lifetimeSeconds) };
    }),
    route('DELETE', 'tokens', () => tokens.revokeAll()),
  ];
}

function readPem(pem) {
  try {
    return fromPem(pem);
  } catch (error) {
    throw refuse(`pem: ${error.message}`);
  }
}

function demand(table, key) {
  if (!table.has(key)) throw refuse(`there is nothing called ${key}`);
  return table.get(key);
}

// "hub/device", the hub by its name or its host.
function hubKey(id) {
  const at = id.indexOf('/');
  if (at < 0) throw refuse('the id of a hubDevice is "hub/device"');
  const hub = id.slice(0, at).toLowerCase();
  return `${hub.includes('.') ? hub : `${hub}.azure-devices.net`}/${id.slice(at + 1)}`;
}

const show = {
  certificate: ({ x509, verificationCode, ...certificate }) => ({ ...certificate, info: info(x509), verificationCode: verificationCode?.text ?? null }),
  enrollmentGroup: ({ record, certificates, keys }) => withCertificates(record, certificates, keys),
  enrollment: ({ record, certificates, keys }) => withCertificates(record, certificates, keys),
  registration: ({ record, enrollmentGroupId }) => ({ ...record, enrollmentGroupId: enrollmentGroupId ?? null }),
  hubDevice: (device, key) => ({ hub: key.slice(0, key.indexOf('/')), ...device }),
};

function withCertificates(record, certificates, keys) {
  const pem = Object.fromEntries(Object.entries(certificates).map(([slot, certificate]) => [slot, certificate.toString()]));
  return { ...record, certificates: pem, hasKeys: keys !== null };
}

function checkedRule(rule) {
  const { match = {}, times = 1, action, ...unknown } = rule;
  const names = [...Object.keys(unknown), ...Object.keys(match).filter((name) => !['method', 'pathRegex', 'nth'].includes(name))];
  if (names.length > 0) throw refuse(`a rule has no field ${names[0]}`);
  const actions = Object.keys(action ?? {});
  const wrong = actions.find((name) => !['status', 'headers', 'body', 'drop', 'loseReply', 'delayMs'].includes(name));
  if (actions.length === 0 || wrong) throw refuse(`an action has no field ${wrong}`);
  return { match, times, action };
}
