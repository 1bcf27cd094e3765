// The operations a minute that DPS grants a service.
export class Rate {
  #taken = [];

  constructor(state) {
    this.state = state;
  }

  // 0 when the operation may go on, else the seconds after which another may.
  take() {
    const limit = this.state.settings.ratePerMinute;
    if (limit <= 0) return 0;
    const now = Date.now();
    this.#taken = this.#taken.filter((at) => now - at < 60_000);
    if (this.#taken.length >= limit) return Math.ceil((this.#taken[0] + 60_000 - now) / 1000);
    this.#taken.push(now);
    return 0;
  }
}
