// The state of the fleet: each target's methods, and each method's targets.

export const SAMPLES = 60;  // of the latency, one every five seconds

const GRAVITY = ['disabled', 'closed', 'forced_closed', 'ramp', 'half_open',
                 'forced_open', 'open'];

export class Model {
  targets = new Map();  // name -> {error, skew, keys}
  methods = new Map();  // key -> {engine, channel, method, of: Map(target)}
  events = [];          // the newest last
  changed = new Set();  // keys changed since the last drawing

  setTargets(names) {
    for (const name of names) {
      if (!this.targets.has(name)) {
        this.targets.set(name, {error: 'it has not been asked yet', skew: 0});
      }
    }
  }

  take(frame) {
    const target = this.targets.get(frame.target) ?? {};
    this.targets.set(frame.target, target);
    if (target.error !== frame.error) this.#touchAll(frame.target);
    target.error = frame.error;
    // How far its clock is ahead of this one; the delay is ignored.
    if (frame.asOf && frame.asOf !== target.asOf) {
      target.asOf = frame.asOf;
      target.skew = frame.asOf - Date.now();
    }
    const seen = new Set();
    for (const one of frame.methods) seen.add(this.#put(frame.target, one));
    if (frame.full) this.#forgetOthers(frame.target, seen);
    for (const event of frame.events) {
      this.events.push({...event, process: frame.target});
    }
    this.events.sort((a, b) => a.time - b.time);
    this.events.splice(0, Math.max(0, this.events.length - 1000));
    return frame.events.length > 0;
  }

  #put(target, one) {
    const key = one.engine + '\n' + one.channel + '\n' + one.method;
    let method = this.methods.get(key);
    if (!method) {
      method = {key, engine: one.engine, channel: one.channel,
                method: one.method, of: new Map()};
      this.methods.set(key, method);
    }
    const before = method.of.get(target);
    one.history ??= before?.history ?? [];
    method.of.set(target, one);
    this.changed.add(key);
    return key;
  }

  #touchAll(target) {
    for (const [key, method] of this.methods) {
      if (method.of.has(target)) this.changed.add(key);
    }
  }

  #forgetOthers(target, seen) {
    for (const [key, method] of this.methods) {
      if (seen.has(key) || !method.of.delete(target)) continue;
      this.changed.add(key);
      if (method.of.size === 0) this.methods.delete(key);
    }
  }

  // Called every five seconds.
  sample() {
    for (const [key, method] of this.methods) {
      for (const one of method.of.values()) {
        one.history.push([one.p50, one.p99]);
        if (one.history.length > SAMPLES) one.history.shift();
      }
      this.changed.add(key);
    }
  }

  isDead(target) { return this.targets.get(target)?.error !== ''; }

  // One method over all processes: the worst state, and the sum of calls.
  sum(method) {
    const living = [...method.of].filter(([target]) => !this.isDead(target));
    const all = living.length > 0 ? living : [...method.of];
    const out = {stale: living.length === 0, processes: all.length, score: 101,
                 state: 'disabled', rate: 0, failed: 0, refused: 0, retried: 0,
                 hedged: 0, p50: 0, p99: 0, inFlight: 0, queued: 0,
                 queueLimit: 0, tokens: Infinity, burst: 0, troubled: 0};
    let weight = 0;
    for (const [target, one] of all) {
      const w = one.rate || 1e-6;
      weight += w;
      out.rate += one.rate;
      for (const share of ['failed', 'refused', 'retried', 'hedged']) {
        out[share] += one[share] * w;
      }
      if (one.score < out.score) {
        out.score = one.score;
        out.worst = target;
      }
      out.p50 = Math.max(out.p50, one.p50);
      out.p99 = Math.max(out.p99, one.p99);
      out.inFlight += one.inFlight;
      out.queued += one.queued;
      out.queueLimit += one.queueLimit;
      if (one.tokens < out.tokens) [out.tokens, out.burst] = [one.tokens, one.burst];
      if (one.breakers.some((b) => gravity(b.state) > 1)) ++out.troubled;
      for (const breaker of one.breakers) {
        if (!out.breaker || gravity(breaker.state) > gravity(out.state)) {
          out.state = breaker.state;
          out.breaker = breaker;
          out.at = target;
        }
      }
    }
    for (const share of ['failed', 'refused', 'retried', 'hedged']) {
      out[share] /= weight;
    }
    return out;
  }

  // The methods, worst first.
  sorted() {
    return [...this.methods.values()]
        .map((method) => ({method, sum: this.sum(method)}))
        .sort((a, b) => a.sum.stale - b.sum.stale ||
              gravity(b.sum.state) - gravity(a.sum.state) ||
              a.sum.score - b.sum.score || b.sum.rate - a.sum.rate ||
              (a.method.key < b.method.key ? -1 : 1));
  }

  // The latencies of the slowest process at each time.
  history(method) {
    const out = Array.from({length: SAMPLES}, () => [0, 0]);
    for (const {history} of method.of.values()) {
      const from = SAMPLES - history.length;
      history.forEach(([p50, p99], i) => {
        out[from + i] = [Math.max(out[from + i][0], p50),
                         Math.max(out[from + i][1], p99)];
      });
    }
    return out;
  }
}

export function gravity(state) {
  const place = GRAVITY.indexOf(state);
  return place < 0 ? 1 : place;
}
