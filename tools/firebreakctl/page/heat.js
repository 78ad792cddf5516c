// An overview of the fleet: methods x processes. Drawn only while visible.
import {clean, el, put, short, stateText, symbol} from './text.js';
import {gravity} from './model.js';

const rows = new Map();  // key -> {row, cells: Map(target -> button)}
let columns = '';

function worst(one) {
  return one.breakers.reduce(
      (a, b) => gravity(b.state) > gravity(a) ? b.state : a, 'disabled');
}

function drawCell(cell, model, target, one) {
  const dead = model.isDead(target);
  const state = one ? worst(one) : '';
  const poor = one && one.level > 1 && gravity(state) <= 1;
  cell.className = 'cell ' +
      (dead ? 'dead' : !one ? '' : poor ? 'poor' : clean(state, 40));
  put(cell, dead ? '?' : !one ? '' : poor ? '!' : symbol(state));
  const label = clean(target, 80) + ': ' + (dead
      ? clean(model.targets.get(target)?.error ?? 'no answer', 200) : !one
      ? 'not called' : `${stateText(state)}, score ${one.score}`);
  if (cell.title !== label) {
    cell.title = label;
    cell.setAttribute('aria-label', label);
  }
}

export function drawHeat(table, model, order, filter, open) {
  const targets = [...model.targets.keys()];
  if (columns !== targets.join('\n')) {
    columns = targets.join('\n');
    rows.clear();
    const head = el('tr', '', el('th', '', 'method'));
    for (const target of targets) {
      const th = el('th', '', clean(target, 60));
      th.scope = 'col';
      head.append(th);
    }
    table.replaceChildren(el('thead', '', head), el('tbody'));
  }
  const body = table.tBodies[0];
  let next = body.firstElementChild;
  for (const {method, sum} of order) {
    let r = rows.get(method.key);
    if (!r) {
      const th = el('th', '', short(method.method));
      th.scope = 'row';
      th.title = clean(method.channel + ' ' + method.method);
      r = {row: el('tr', '', th), cells: new Map()};
      for (const target of targets) {
        const cell = el('button');
        cell.type = 'button';
        cell.addEventListener('click', () => open(method.key, target));
        r.cells.set(target, cell);
        r.row.append(el('td', '', cell));
      }
      rows.set(method.key, r);
      r.isNew = true;
    }
    if (r.isNew || model.changed.has(method.key)) {
      r.isNew = false;
      for (const [target, cell] of r.cells) {
        drawCell(cell, model, target, method.of.get(target));
      }
    }
    r.row.hidden = Boolean(filter) && !(method.method + ' ' + method.channel +
        ' ' + sum.state).toLowerCase().includes(filter);
    if (r.row === next) {
      next = next.nextElementSibling;
    } else {
      body.insertBefore(r.row, next);
    }
  }
  for (const [key, r] of rows) {
    if (model.methods.has(key)) continue;
    r.row.remove();
    rows.delete(key);
  }
}
