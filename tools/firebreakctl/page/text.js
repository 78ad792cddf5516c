// Formats names, states and figures. Names come from applications, so they
// are text, never markup.

const UNSEEN = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f' +
  '\\u2028-\\u202e\\u2060-\\u2069\\ufeff]', 'g');

// Shows invisible characters, and those that change the direction of the
// text, as dots; cuts text that is very long.
export function clean(text, longest = 300) {
  const shown = String(text).slice(0, longest + 1).replace(UNSEEN, '·');
  return shown.length > longest ? shown.slice(0, longest) + '…' : shown;
}

// An element with its class and children, which are text unless they are nodes.
export function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

// Changes the text only if it differs.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const STATES = {
  open: '✕ open', forced_open: 'F held open', half_open: '◐ half-open',
  ramp: '◔ ramp', forced_closed: 'F held closed', closed: '● closed',
  disabled: '– no breaker',
};
export const stateText = (state) => STATES[state] ?? clean(state, 40);
export const symbol = (state) => ({
  open: '✕', half_open: '◐', ramp: '◔', closed: '·', disabled: '·',
  forced_open: 'F', forced_closed: 'F',
})[state] ?? '?';

// Formats microseconds.
export function latency(us) {
  if (!us) return '–';
  if (us < 1000) return us + '\u00a0µs';
  return us < 1e6 ? +(us / 1000).toPrecision(3) + '\u00a0ms'
                  : +(us / 1e6).toPrecision(3) + '\u00a0s';
}

export const percent = (share) =>
  share > 0 && share < 0.01 ? '<1\u00a0%' : Math.round(share * 100) + '\u00a0%';

export function age(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return s + ' s';
  if (s < 3600) return Math.floor(s / 60) + ' min ' + (s % 60) + ' s';
  return Math.floor(s / 3600) + ' h ' + Math.floor((s % 3600) / 60) + ' min';
}

export function clock(ms) {
  const t = new Date(ms);
  if (Number.isNaN(t.getTime())) return el('time', '', '–');
  const node = el('time', '', t.toLocaleTimeString([], {hour12: false}) + '.' +
    String(t.getMilliseconds()).padStart(3, '0'));
  node.dateTime = t.toISOString();
  return node;
}

export function short(method) {
  const path = clean(method);
  const slash = path.lastIndexOf('/');
  return path.slice(slash + 1) || path;
}
