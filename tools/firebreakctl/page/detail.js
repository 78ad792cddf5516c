// Everything about one method of one process, refreshed while it is shown.
import {clean, clock, el, latency, percent, stateText} from './text.js';
import {timerText} from './tiles.js';
import {eventItem} from './events.js';

const ms = (t) => (t ? Date.parse(t) : NaN);
const micros = (d) => Math.round(parseFloat(d ?? '0') * 1e6);
const list = (counts, name = (c) => c.name) =>
  (counts ?? []).map((c) => `${clean(name(c))} ${c.count}`).join(', ') || 'none';

// The name of an enum value; one of a newer process may have no name here.
const nameOf = (value, prefix, what) => typeof value === 'number'
    ? `${what} ${value}` : String(value).replace(prefix, '').toLowerCase();

// A value that a process of another version may lack.
const some = (value) => value ?? '–';

function table(head, rows) {
  const body = el('tbody', '', ...rows.map((cells) =>
    el('tr', '', ...cells.map((cell) => el('td', '', cell)))));
  return el('div', 'scroll', el('table', '',
    el('thead', '', el('tr', '', ...head.map((each) => el('th', '', each)))),
    body));
}

function facts(pairs) {
  const out = el('dl');
  for (const [name, value] of pairs) {
    if (value !== '') out.append(el('dt', '', name), el('dd', '', value));
  }
  return out;
}

export class Detail {
  mayChange = false;
  #timer = 0;
  #asked = 0;

  constructor(dialog, model) {
    this.dialog = dialog;
    this.model = model;
    dialog.addEventListener('close', () => clearInterval(this.#timer));
  }

  open(key, target) {
    const method = this.model.methods.get(key);
    if (!method) return;
    this.method = method;
    this.target = target && method.of.has(target)
        ? target : this.model.sum(method).at ?? [...method.of.keys()][0];
    const title = el('h2', 'name', clean(method.method, 5000));
    title.id = 'detail-title';
    const which = el('select');
    which.setAttribute('aria-label', 'Process');
    for (const name of method.of.keys()) {
      const option = el('option', '', clean(name, 200));
      option.value = name;
      option.selected = name === this.target;
      which.append(option);
    }
    which.addEventListener('change', () => {
      this.target = which.value;
      this.#ask();
    });
    const close = el('button', '', 'Close');
    close.type = 'button';
    close.addEventListener('click', () => this.dialog.close());
    this.body = el('div', '', 'asking');
    this.body.setAttribute('aria-live', 'off');
    this.dialog.replaceChildren(el('div', 'bar', title, which, close));
    if (this.mayChange) this.dialog.append(this.#changes());
    this.dialog.append(this.body);
    if (!this.dialog.open) this.dialog.showModal();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#ask(), 2000);
    this.#ask();
  }

  #selector() {
    const {engine, channel, method} = this.method;
    return {engine, channel, method};
  }

  async #post(path, body, token) {
    const headers = {'Content-Type': 'application/json'};
    if (token) headers['X-Firebreak-Token'] = token;
    const response = await fetch(
        `/api/${path}?target=${encodeURIComponent(this.target)}`,
        {method: 'POST', headers, body: JSON.stringify(body)});
    if (!response.ok) throw new Error((await response.text()).trim());
    return response.json();
  }

  async #ask() {
    const mine = ++this.#asked;
    try {
      const answer = await this.#post('method', this.#selector());
      if (mine === this.#asked) this.#draw(answer);
    } catch (error) {
      if (mine !== this.#asked) return;
      this.body.replaceChildren(el('p', 'error', clean(error.message, 500)));
    }
  }

  #draw({method: got, decisions, policy}) {
    if (got.error !== undefined) {
      this.body.replaceChildren(el('p', 'error', clean(got.error, 500)));
      return;
    }
    const m = got.method;
    const skew = this.model.targets.get(this.target)?.skew ?? 0;
    this.body.replaceChildren(
        el('h2', '', 'Breakers'), this.#breakers(m, skew),
        el('h2', '', 'Why calls were refused, retried or hedged'),
        this.#decisions(decisions),
        el('h2', '', 'Calls'), this.#calls(m),
        el('h2', '', 'Events'), this.#events(),
        el('h2', '', 'Policy'), ...this.#policy(m, policy));
  }

  #breakers(m, skew) {
    return table(['target', 'state', 'since', 'next', 'failed', 'cause'],
        (m.breakers ?? []).map((b) => {
          const state = nameOf(b.state, 'BREAKER_STATE_', 'state');
          return [clean(b.target || '–'), stateText(state) +
              (b.shadow ? ' (shadow)' : ''), clock(ms(b.since) - skew),
              timerText({state, probe: ms(b.probeDue),
                         overrideEnd: ms(b.overrideEnd),
                         check: b.checksHealth ? b.health : undefined}, skew),
              `${b.windowFailures} of ${b.windowCalls}`, clean(b.cause, 400)];
        }));
  }

  #decisions(answer) {
    if (answer.error !== undefined) {
      return el('p', '', 'This process does not tell: ' +
          clean(answer.error, 200));
    }
    if (answer.decisions.length === 0) {
      return el('p', '', 'No call was refused, retried or hedged.');
    }
    return table(['last', 'times', 'decision', 'reason', 'why'],
        answer.decisions.map((d) => [
          clock(ms(d.last)), String(d.count),
          nameOf(d.kind, 'DECISION_KIND_', 'kind').replace('_', ' '),
          clean(d.reason || '–', 60), clean(d.why, 600)]));
  }

  #calls(m) {
    const calls = m.calls ?? {};
    const attempts = m.attempts ?? {};
    const model = m.latencyModel ?? {};
    const budget = m.budget ?? {};
    const places = m.bulkhead;
    return facts([
      ['health', `${Math.round(m.health?.score ?? 0)} of 100`],
      ['calls', `${some(calls.started)} started, ` +
          `${some(calls.inFlight)} in flight, ${some(calls.successes)} OK, ` +
          `${some(calls.failures)} failed, ${some(calls.rejected)} refused, ` +
          `${some(calls.cancelled)} cancelled`],
      ['failed with', list(calls.codes, (c) => c.code)],
      ['refused by', list(calls.rejections)],
      ['attempts', `${some(attempts.first)} first, ` +
          `${some(attempts.retries)} retries, ${some(attempts.hedges)} ` +
          `hedges, ${some(attempts.hedgeWins)} of them won`],
      ['not attempted', list(attempts.stops)],
      ['latency, 30 s', ['p50', 'p90', 'p95', 'p99'].map((q) =>
          `${q} ${latency(micros(model[q]))}`).join(', ')],
      ['usual p50', latency(micros(model.usualP50))],
      ['budget', `${(budget.tokens ?? 0).toFixed(1)} of ` +
          `${some(budget.burst)} tokens`],
      ['bulkhead', places ? `${places.active} of ${places.limit} in use, ` +
          `${places.queued} of ${places.queueLimit} waiting, ` +
          `${percent(places.rejectionRate)} refused` : ''],
    ]);
  }

  #events() {
    const mine = this.model.events.filter((e) => e.process === this.target &&
        (e.method === this.method.method || e.method === '*' || !e.method) &&
        (!e.channel || e.channel === this.method.channel)).slice(-50).reverse();
    const out = el('ol', '', ...mine.map((e) => eventItem(e, this.model)));
    return mine.length > 0 ? out : el('p', '', 'Nothing has happened.');
  }

  #policy(m, policy) {
    const from = policy.error !== undefined ? clean(policy.error, 200)
        : `version ${policy.version}, ${clean(policy.source, 300)}`;
    const lines = JSON.stringify(m.options?.policy ?? {}, null, 2).split('\n');
    const pre = el('pre', '', lines.map((each) => clean(each, 500)).join('\n'));
    pre.tabIndex = 0;
    return [facts([['entry', clean(m.policy)], ['from', from]]), pre];
  }

  // A change is sent only after the user has confirmed it with the token.
  #changes() {
    const box = el('div');
    const bar = el('div', 'bar');
    const said = el('p', '');
    said.setAttribute('role', 'status');
    const ask = (label, path, body) => {
      const button = el('button', '', label);
      button.type = 'button';
      button.addEventListener('click', () => confirm(label, path, body));
      bar.append(button);
    };
    const confirm = (label, path, body) => {
      const token = el('input');
      token.type = 'password';
      token.autocomplete = 'off';
      const reason = el('input');
      reason.maxLength = 200;
      const go = el('button', '', 'Yes, do it');
      const no = el('button', '', 'Cancel');
      no.type = 'button';
      const form = el('form', 'change',
          el('strong', '', `${label}: ${clean(this.method.method, 200)} on ` +
             `${clean(this.target, 100)}?`),
          el('label', '', 'Token ', token), el('label', '', 'Reason ', reason),
          go, no);
      no.addEventListener('click', () => form.remove());
      form.addEventListener('submit', async (event) => {
        event.preventDefault();
        try {
          await this.#post(path, {...body, selector: this.#selector(),
                                  reason: reason.value}, token.value);
          said.textContent = label + ': done';
          form.remove();
          this.#ask();
        } catch (error) {
          said.textContent = label + ': ' + clean(error.message, 300);
        }
      });
      box.querySelector('form')?.remove();
      box.append(form);
      token.focus();
    };
    ask('Refuse all calls for 5 minutes', 'override',
        {state: 'BREAKER_STATE_FORCED_OPEN', duration: '300s'});
    ask('Admit all calls for 5 minutes', 'override',
        {state: 'BREAKER_STATE_FORCED_CLOSED', duration: '300s'});
    ask('End the override', 'clear', {});
    ask('Reset', 'reset', {});
    box.append(bar, said);
    return box;
  }
}
