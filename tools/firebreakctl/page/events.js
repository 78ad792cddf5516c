// Events on a time line, the newest first.
import {clean, clock, el, stateText} from './text.js';

function eventText(event) {
  const change = event.from && event.to
      ? `${stateText(event.from)} → ${stateText(event.to)}` : '';
  const who = event.actor
      ? `${clean(event.actor, 80)}: ${clean(event.action, 120)}` +
        (event.refused ? ': refused' : '') : '';
  return [event.kind === 'transition' ? '' : event.kind, who, change,
          event.shadow ? '(shadow)' : '', clean(event.cause, 400)]
      .filter(Boolean).join(' ');
}

export function eventItem(event, model) {
  const skew = model.targets.get(event.process)?.skew ?? 0;
  const where = [event.process, event.channel, event.method, event.target]
      .filter(Boolean).map((each) => clean(each, 120)).join(' ');
  const ours = Math.abs(skew) < 1000 ? event.time : event.time - skew;
  return el('li', '', clock(ours), ' ', el('span', 'name', where), ' ',
            eventText(event));
}

export function drawEvents(list, events, model, filter) {
  const shown = events.filter((event) => !filter ||
      (event.method + ' ' + event.channel + ' ' + event.cause + ' ' +
       event.process).toLowerCase().includes(filter)).slice(-300).reverse();
  list.replaceChildren(...shown.map((event) => eventItem(event, model)));
  if (shown.length === 0) list.append(el('li', '', 'Nothing has happened.'));
}
