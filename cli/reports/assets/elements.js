// Elements, numbers and the search. Text of the data becomes text nodes, never markup.
const SVG = 'http://www.w3.org/2000/svg';
const DATA = JSON.parse(document.getElementById('data').textContent);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) {
    if (child === null || child === undefined) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}
function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}
function shape(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}
function empty(element) {
  element.replaceChildren();
  return element;
}
// Text of others: its direction does not change that of the text around it.
function text(value, extra) {
  return make('bdi', { class: extra ? 't ' + extra : 't', dir: 'auto' }, value);
}
function code(value) {
  return make('bdi', { class: 't code', dir: 'ltr' }, value);
}

function bytes(size) {
  if (size === null || size === undefined) return 'not known';
  if (size >= 1e10) return (size / 1e9).toFixed(1) + ' GB';
  if (size >= 1e6) return (size / 1e6).toFixed(1) + ' MB';
  if (size >= 1e3) return (size / 1e3).toFixed(size >= 1e5 ? 0 : 1) + ' kB';
  return Math.round(size) + ' B';
}
function count(number, noun) {
  return String(number).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f') + ' ' + noun + (number === 1 ? '' : 's');
}
function percent(part, whole) {
  return whole ? (100 * part / whole).toFixed(1) + ' %' : '';
}

// The search of the page: each section registers what it does with the words.
const searches = [];
let words = [];
function matches(content) {
  const lower = content.toLowerCase();
  return words.every((word) => lower.includes(word));
}
function search(given) {
  words = given.toLowerCase().split(/\s+/).filter((word) => word);
  return searches.map((apply) => apply());
}

// One of several elements is in the order of the tab key; arrows move among them.
function rove(elements, move) {
  elements.forEach((element, at) => {
    element.tabIndex = at ? -1 : 0;
    element.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 'right', ArrowLeft: 'left', ArrowUp: 'up', ArrowDown: 'down' }[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      const next = move(elements, element, step);
      event.preventDefault();
      if (!next) return;
      elements.forEach((other) => { other.tabIndex = -1; });
      next.tabIndex = 0;
      next.focus();
    });
  });
}
// The nearest element in a direction, by the boxes on the screen.
function nearest(elements, from, step) {
  const own = from.getBoundingClientRect();
  let best = null;
  let least = Infinity;
  for (const element of elements) {
    if (element === from) continue;
    const box = element.getBoundingClientRect();
    const across = (box.left + box.right - own.left - own.right) / 2;
    const down = (box.top + box.bottom - own.top - own.bottom) / 2;
    const [along, aside] = { right: [across, down], left: [-across, down], down: [down, across], up: [-down, across] }[step];
    if (along <= 1) continue;
    const distance = along + 3 * Math.abs(aside);
    if (distance < least) [least, best] = [distance, element];
  }
  return best;
}
