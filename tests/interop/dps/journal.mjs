// Everything that was asked and answered, so that a test can assert what was sent, in which order, and that
// nothing was sent which the contract does not know. Never holds an Authorization value, an assertion or a token.
const secretFields = new Set(['client_assertion', 'access_token', 'primaryKey', 'secondaryKey']);

function redacted(value) {
  if (Array.isArray(value)) return value.map(redacted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) =>
    [name, secretFields.has(name) && inner ? '(redacted)' : redacted(inner)]));
}

export class Journal {
  #entries = [];
  #next = 1;

  // The entry grows while the exchange goes on; it is listed at once, so that a dropped exchange is on record, too.
  open(fields) {
    const entry = { n: this.#next++, timeMs: Date.now(), status: null, ...fields, violations: [] };
    this.#entries.push(entry);
    return entry;
  }

  close(entry, { requestBody, answer }) {
    entry.body = redacted(requestBody);
    entry.status = answer?.status ?? null;
    entry.answer = redacted(answer?.body);
    entry.durationMs = Date.now() - entry.timeMs;
  }

  entries() {
    return this.#entries;
  }

  violations() {
    return this.#entries.flatMap(({ n, method, path, violations }) =>
      violations.map((violation) => ({ n, method, path, violation })));
  }

  clear() {
    this.#next = 1;
    this.#entries = [];
  }
}
