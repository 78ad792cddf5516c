// The tiles: one per method, the worst first.
import {age, clean, el, latency, percent, put, short, stateText} from './text.js';
import {SAMPLES} from './model.js';

const SVG = 'http://www.w3.org/2000/svg';
const tiles = new Map();  // key -> its nodes

function makeTile(method, open) {
  const t = {item: el('li'), button: el('button', 'tile'),
             name: el('span', 'name', short(method.method)),
             where: el('span', 'where',
                 clean([method.engine, method.channel, method.method]
                     .filter(Boolean).join(' · '))),
             state: el('span', 'state'), timer: el('span', 'timer'),
             why: el('span', 'why'), figures: el('span', 'figures'),
             shares: el('span', 'figures'), budget: el('span', 'budget'),
             spark: document.createElementNS(SVG, 'svg')};
  t.spark.setAttribute('class', 'spark');
  t.spark.setAttribute('viewBox', `0 0 ${SAMPLES - 1} 20`);
  t.spark.setAttribute('preserveAspectRatio', 'none');
  t.spark.setAttribute('aria-hidden', 'true');
  for (const line of ['p50', 'p99']) {
    t[line] = document.createElementNS(SVG, 'path');
    t[line].setAttribute('class', line);
    t.spark.append(t[line]);
  }
  t.button.type = 'button';
  t.button.append(t.name, t.where, t.state, t.timer, t.why, t.figures, t.shares,
                  t.spark, t.budget);
  t.button.addEventListener('click', () => open(method.key));
  t.item.append(t.button);
  return t;
}

function drawSpark(t, history) {
  const highest = Math.max(1, ...history.map(([, p99]) => p99));
  for (const [which, line] of [[0, 'p50'], [1, 'p99']]) {
    let path = '';
    history.forEach((pair, i) => {
      if (!pair[which]) return;
      const y = (19 - 18 * pair[which] / highest).toFixed(1);
      path += (path && history[i - 1]?.[which] ? 'L' : 'M') + i + ' ' + y;
    });
    t[line].setAttribute('d', path);
  }
}

// The time until the next probe, or until the end of an override.
export function timerText(breaker, skew) {
  if (!breaker) return '';
  const now = Date.now() + skew;
  if (breaker.overrideEnd) return 'ends in ' + age(breaker.overrideEnd - now);
  if (breaker.state !== 'open') return '';
  // If the breaker has health checks, these probe instead of calls.
  const checks = breaker.check !== undefined;
  const said = breaker.check ? ` (${clean(breaker.check, 80)})` : '';
  if (breaker.probe > now) {
    return `next ${checks ? 'check' : 'probe'} in ` +
        age(breaker.probe - now) + said;
  }
  return (checks ? 'a check is due' : 'the next call is a probe') + said;
}

function drawTile(t, model, method, sum) {
  const shadow = sum.breaker?.shadow ? ' (shadow)' : '';
  t.button.className = 'tile ' + clean(sum.state, 40) + (sum.stale ? ' stale' : '');
  put(t.state, stateText(sum.state) + shadow);
  put(t.timer, timerText(sum.breaker, model.targets.get(sum.at)?.skew ?? 0));
  const where = sum.processes > 1
      ? `${sum.troubled} of ${sum.processes} processes` : '';
  const cause = sum.state === 'closed' || sum.state === 'disabled'
      ? '' : clean(sum.breaker?.cause ?? '');
  put(t.why, sum.stale ? 'no answer; this is what it said last'
      : [where && sum.troubled ? where : '', cause].filter(Boolean).join(': '));
  put(t.figures, `${+sum.rate.toPrecision(3)} calls/s · p50 ` +
      `${latency(sum.p50)} · p99 ${latency(sum.p99)}`);
  put(t.shares, `failed ${percent(sum.failed)} · refused ` +
      `${percent(sum.refused)} · retried ${percent(sum.retried)} · hedged ` +
      percent(sum.hedged));
  const queue = sum.queueLimit > 0
      ? ` · queue ${sum.queued} of ${sum.queueLimit}` : '';
  put(t.budget, sum.burst > 0 ? `budget ${+sum.tokens.toPrecision(3)} of ` +
      `${sum.burst} · in flight ${sum.inFlight}${queue}` : '');
  drawSpark(t, model.history(method));
}

function matches(method, sum, filter) {
  return !filter || (method.method + ' ' + method.channel + ' ' + sum.state)
      .toLowerCase().includes(filter);
}

export function drawTiles(list, model, filter, open) {
  const order = model.sorted();
  let next = list.firstElementChild;
  const focused = document.activeElement;
  for (const {method, sum} of order) {
    let t = tiles.get(method.key);
    if (!t) {
      t = makeTile(method, open);
      tiles.set(method.key, t);
      model.changed.add(method.key);
    }
    if (model.changed.has(method.key)) drawTile(t, model, method, sum);
    t.sum = sum;
    t.item.hidden = !matches(method, sum, filter);
    if (t.item === next) {
      next = next.nextElementSibling;
    } else {
      list.insertBefore(t.item, next);
    }
  }
  for (const [key, t] of tiles) {
    if (model.methods.has(key)) continue;
    t.item.remove();
    tiles.delete(key);
  }
  if (focused !== document.activeElement && focused?.isConnected) focused.focus();
  return order;
}

// Called every second, to update the timers of the tiles.
export function drawTimers(model) {
  for (const t of tiles.values()) {
    const skew = model.targets.get(t.sum?.at)?.skew ?? 0;
    put(t.timer, timerText(t.sum?.breaker, skew));
  }
}
