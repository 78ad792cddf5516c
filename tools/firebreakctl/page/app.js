// The page: messages update the model, which is drawn a little later.
import {Model} from './model.js';
import {drawTiles, drawTimers} from './tiles.js';
import {drawHeat} from './heat.js';
import {drawEvents} from './events.js';
import {Detail} from './detail.js';
import {clean} from './text.js';

const $ = (id) => document.getElementById(id);
const model = new Model();
const detail = new Detail($('detail'), model);
let view = 'tiles';
let scheduled = false;
let hasNewEvents = true;

function draw() {
  scheduled = false;
  const began = performance.now();
  const filter = $('filter').value.trim().toLowerCase();
  const open = (key, target) => detail.open(key, target);
  const order = drawTiles($('tile-list'), model, filter, open);
  if (view === 'fleet') drawHeat($('heat'), model, order, filter, open);
  if (view === 'events' && hasNewEvents) {
    drawEvents($('event-list'), model.events, model, filter);
    hasNewEvents = false;
  }
  $('empty').hidden = model.methods.size > 0;
  model.changed.clear();
  drawStatus(order);
  // For tests that measure the page.
  document.documentElement.dataset.drawMs =
      (performance.now() - began).toFixed(2);
  document.documentElement.dataset.draws =
      1 + Number(document.documentElement.dataset.draws ?? 0);
}

// Not requestAnimationFrame, which does not run for a page in the background.
function schedule() {
  if (scheduled) return;
  scheduled = true;
  setTimeout(draw, 50);
}

let lost = '';
function drawStatus(order) {
  const dead = [...model.targets].filter(([, t]) => t.error);
  const bad = order.filter(({sum}) => sum.state === 'open' && !sum.stale).length;
  let text = `${model.targets.size - dead.length} of ${model.targets.size} ` +
      `processes answer, ${order.length} methods, ${bad} open`;
  for (const [name, {error}] of dead.slice(0, 3)) {
    text += `; ${clean(name, 80)}: ${clean(error, 160)}`;
  }
  if (dead.length > 3) text += `; and ${dead.length - 3} more`;
  $('status').textContent = lost || text;
  $('status').className = lost || dead.length > 0 ? 'bad' : '';
}

function connect() {
  const source = new EventSource('/events');
  source.addEventListener('hello', (message) => {
    const hello = JSON.parse(message.data);
    lost = '';
    // After a reconnection all events are sent again.
    model.events = [];
    hasNewEvents = true;
    detail.mayChange = hello.changes;
    model.setTargets(hello.targets);
    schedule();
  });
  source.addEventListener('target', (message) => {
    hasNewEvents = model.take(JSON.parse(message.data)) || hasNewEvents;
    schedule();
  });
  source.addEventListener('error', () => {
    lost = 'the connection to firebreakctl is lost; trying again';
    schedule();
    // The browser does not retry a refused connection: too many viewers.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  });
}

for (const button of document.querySelectorAll('[data-view]')) {
  button.addEventListener('click', () => {
    view = button.dataset.view;
    for (const other of document.querySelectorAll('[data-view]')) {
      other.setAttribute('aria-pressed', String(other === button));
      $(other.dataset.view).hidden = other !== button;
    }
    for (const key of model.methods.keys()) model.changed.add(key);
    hasNewEvents = true;
    schedule();
  });
}
$('filter').addEventListener('input', () => {
  hasNewEvents = true;
  schedule();
});
setInterval(() => drawTimers(model), 1000);
setInterval(() => { model.sample(); schedule(); }, 5000);
connect();
