// The operations a minute that DPS grants a service.
export class Rate {
  constructor(state) {
    this.state = state;
  }

  // 0 when the operation may go on, else the seconds after which another may.
  take() {
    const limit = this.state.settings.ratePerMinute;
    if (limit <= 0) return 0;
    const now = Date.now();
    const taken = this.state.operationsTaken.filter((at) => now - at < 60_000);
    this.state.operationsTaken = taken;
    if (taken.length >= limit) return Math.ceil((taken[0] + 60_000 - now) / 1000);
    taken.push(now);
    return 0;
  }
}
