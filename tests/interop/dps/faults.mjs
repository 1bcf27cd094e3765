// Faults that a test asks for, applied to the requests that match, as often as it said.
export class Faults {
  #rules = [];
  #next = 1;

  add({ match = {}, times = 1, action }) {
    const rule = {
      id: this.#next++, times, action, match, seen: 0, applied: 0,
      path: new RegExp(match.pathRegex ?? '', 'i'),
    };
    this.#rules.push(rule);
    return rule.id;
  }

  // The first rule that applies to this request. `times` 0 = for ever; `nth` = from the nth matching request on.
  take(method, pathAndQuery) {
    for (const rule of this.#rules) {
      if (rule.match.method && rule.match.method.toUpperCase() !== method) continue;
      if (!rule.path.test(pathAndQuery)) continue;
      rule.seen += 1;
      if (rule.seen < (rule.match.nth ?? 1)) continue;
      if (rule.times > 0 && rule.applied >= rule.times) continue;
      rule.applied += 1;
      return rule;
    }
    return null;
  }

  list() {
    return this.#rules.map(({ id, match, times, action, seen, applied }) => ({ id, match, times, action, seen, applied }));
  }

  clear() {
    this.#next = 1;
    this.#rules = [];
  }
}
