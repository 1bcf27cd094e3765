// One request and its answer: read, route, break on demand, record, send.
import { setTimeout as sleep } from 'node:timers/promises';
import { gatewayError, Refusal } from './answers.mjs';
import { presentedChain } from './x509.mjs';

const bodyLimit = 1 << 20;

class Exchange {
  requestBody = undefined;

  constructor(request, body, entry) {
    const url = new URL(request.url, 'https://stand-in');
    this.method = request.method;
    this.path = url.pathname;
    this.query = url.searchParams;
    this.headers = request.headers;
    this.body = body;
    this.entry = entry;
    this.chain = request.socket.encrypted ? presentedChain(request.socket) : [];
  }

  violation(text) {
    this.entry.violations.push(text);
  }

  json(refuse) {
    if (!/^application\/json\s*(;|$)/i.test(this.headers['content-type'] ?? '')) {
      this.violation(`Content-Type is ${this.headers['content-type']}`);
      throw gatewayError(415, 'UnsupportedMediaType', 'The request body must be application/json.');
    }
    try {
      this.requestBody = JSON.parse(this.body.toString('utf8'));
    } catch (error) {
      this.violation(`body: ${error.message}`);
      throw refuse(error.message);
    }
    return this.requestBody;
  }

  expectQuery(known, refuse = (text) => gatewayError(400, 'ArgumentInvalid', text)) {
    for (const name of this.query.keys()) {
      if (known.includes(name)) continue;
      this.violation(`query: ${name} is unknown`);
      throw refuse(`The query parameter '${name}' is unknown.`);
    }
  }
}

// A listener for node's http servers that answers from `routes`.
export function answering(routes, { faults, journal, listener }) {
  return async (request, response) => {
    const quiet = request.url.startsWith('/_control/');
    const body = await read(request).catch(() => null);
    if (body === null) return;
    const fault = quiet ? null : faults.take(request.method, request.url);
    const entry = quiet ? { violations: [] } : journal.open(described(request, listener, fault));
    const exchange = new Exchange(request, body, entry);
    const action = fault?.action ?? {};
    if (action.delayMs) await sleep(action.delayMs);
    if (action.drop) {
      journal.close(entry, { requestBody: text(body) });
      request.socket.destroy();
      return;
    }
    const answer = action.status
      ? { status: action.status, headers: action.headers, body: action.body }
      : await handle(routes, exchange);
    if (!quiet) journal.close(entry, { requestBody: exchange.requestBody ?? text(body), answer });
    if (action.loseReply) {
      request.socket.destroy();
      return;
    }
    send(response, answer);
  };
}

// A false signature in the client's chain leaves an error in OpenSSL's queue, which node reports as the connection's
// own. It is none: left alone, the request arrives and is judged like any other.
export function toleratingForgery(error, socket) {
  const leftByVerification = ['asn1 encoding routines', 'rsa routines', 'Provider routines'].includes(error.library);
  if (!leftByVerification) socket.destroy();
}

async function read(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > bodyLimit) request.destroy();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const text = (body) => (body.length > 0 ? body.toString('utf8') : undefined);

function described(request, listener, fault) {
  const url = new URL(request.url, 'https://stand-in');
  return {
    listener,
    method: request.method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    apiVersion: url.searchParams.get('api-version'),
    ifMatch: request.headers['if-match'] ?? null,
    host: request.headers.host ?? null,
    sni: request.socket.servername || null,
    tls: request.socket.encrypted ? request.socket.getProtocol() : null,
    userAgent: request.headers['user-agent'] ?? request.headers['x-ms-useragent'] ?? null,
    clientRequestId: request.headers['x-ms-client-request-id'] ?? request.headers['request-id'] ?? null,
    credential: 'none',
    fault: fault ? { id: fault.id, action: fault.action } : null,
  };
}

async function handle(routes, exchange) {
  try {
    return await route(routes, exchange);
  } catch (error) {
    if (error instanceof Refusal) {
      exchange.entry.reason ??= error.reason;
      return error.answer;
    }
    exchange.entry.reason = error.stack;
    exchange.violation(`the stand-in failed: ${error.message}`);
    return gatewayError(500, 'InternalServerError', error.message).answer;
  }
}

function route(routes, exchange) {
  const ofPath = routes.map((each) => ({ ...each, parts: each.pattern.exec(exchange.path) })).filter(({ parts }) => parts);
  const found = ofPath.find(({ method }) => method === exchange.method);
  if (found) return found.handle(exchange, found.parts.slice(1).map(decodeURIComponent));
  exchange.violation(`no route for ${exchange.method} ${exchange.path}`);
  if (ofPath.length === 0) throw gatewayError(404, 'NotFound', `There is nothing at ${exchange.path}`);
  const refusal = gatewayError(405, 'MethodNotAllowed', `${exchange.method} is not allowed here`);
  refusal.answer.headers = { allow: ofPath.map(({ method }) => method).join(', ') };
  throw refusal;
}

function send(response, { status, headers = {}, body }) {
  const bytes = body === undefined ? Buffer.alloc(0)
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const type = body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' };
  const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  response.writeHead(status, { ...type, 'content-length': bytes.length, ...given });
  response.end(bytes);
}
