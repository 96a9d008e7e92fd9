// Tables: sorted by a column, filtered by the search, drawn in steps.
const FIRST = 25; // rows that a table shows at first
const STEP = 500;
const MEASURED = 500; // rows that decide how wide a column is
const MOST_PRINTED = 2000;
const TONES = {
  critical: 'bad', high: 'bad', medium: 'warn', low: 'quiet', negligible: 'quiet', unknown: 'quiet',
  affected: 'bad', under_investigation: 'warn', not_affected: 'good', fixed: 'good',
  reproduced: 'good', 'not reproduced': 'bad', 'no data': 'quiet',
  'not checked': 'warn', 'not signed': 'quiet', 'cannot be read': 'bad',
  added: 'good', removed: 'bad', changed: 'warn', new: 'bad',
};
const RANKS = ['critical', 'high', 'medium', 'low', 'negligible', 'unknown'];

function cell(value, type) {
  if (value === null || value === '') return '';
  if (type === 'size') return bytes(value);
  if (type === 'number') return String(value);
  if (type === 'code') return code(value);
  if (type === 'badge') return make('span', { class: 'badge ' + (Object.hasOwn(TONES, value) ? TONES[value] : 'quiet') }, value);
  if (type === 'link') return make('a', { href: value, rel: 'noreferrer noopener' }, value.replace(/^https?:\/\//, ''));
  return text(value);
}

function compared(a, b, type) {
  if (type === 'badge' && RANKS.includes(a) && RANKS.includes(b)) return RANKS.indexOf(a) - RANKS.indexOf(b);
  if (typeof a === 'number' || typeof b === 'number') return (a === null ? -1 : a) - (b === null ? -1 : b);
  const [x, y] = [String(a === null ? '' : a), String(b === null ? '' : b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

// rows: an array of rows, or {length, at(number)}. Returns the element; registers with the search.
function table(section, columns, rows) {
  const all = Array.from({ length: rows.length }, (_, at) => at);
  const at = rows.at ? (number) => rows.at(number) : (number) => rows[number];
  const body = make('tbody');
  const status = make('span', { class: 'quiet', role: 'status' });
  const more = make('button', { type: 'button', onclick: () => draw(STEP) });
  const found = { list: all, drawn: 0 };
  const sorted = { column: -1, down: false };
  // Wide enough for most of its texts, so that a table scrolls on a narrow screen instead of breaking each word.
  function width(column) {
    const lengths = [];
    for (let row = 0; row < Math.min(rows.length, MEASURED); row += 1) lengths.push(String(at(row)[column] || '').length);
    lengths.sort((a, b) => a - b);
    const usual = lengths[Math.floor(lengths.length * 0.9)] || 0;
    return Math.max(6, Math.min(columns[column][1] === 'code' ? 36 : usual > 80 ? 46 : 24, usual + 3));
  }
  const heads = columns.map(([name, type], number) => {
    const right = type === 'size' || type === 'number';
    const button = make('button', { type: 'button', onclick: () => sort(number) }, name);
    const head = make('th', { scope: 'col', class: right ? 'right' : null }, button);
    if (!right) head.style.minWidth = width(number) + 'ch';
    return head;
  });

  function draw(step) {
    const end = Math.min(found.drawn + step, found.list.length);
    const lines = document.createDocumentFragment();
    for (; found.drawn < end; found.drawn += 1) {
      const row = at(found.list[found.drawn]);
      lines.append(make('tr', null, ...columns.map(([, type], number) => {
        const right = type === 'size' || type === 'number';
        const value = row[number];
        const attributes = { class: right ? 'right' : null };
        return number ? make('td', attributes, cell(value, type))
          : make('th', { ...attributes, scope: 'row' }, cell(value, type));
      })));
    }
    body.append(lines);
    const left = found.list.length - found.drawn;
    more.hidden = !left;
    more.textContent = 'Show ' + count(Math.min(left, STEP), 'more row');
    status.textContent = words.length ? found.list.length + ' of ' + count(all.length, 'row') + ' found'
      : count(all.length, 'row');
  }
  function refresh() {
    empty(body);
    found.drawn = 0;
    draw(FIRST);
  }
  function sort(number) {
    sorted.down = sorted.column === number ? !sorted.down : columns[number][1] === 'size' || columns[number][1] === 'number';
    sorted.column = number;
    const values = all.map((row) => at(row)[number]);
    const place = all.map((_, row) => row);
    place.sort((a, b) => (sorted.down ? -1 : 1) * compared(values[a], values[b], columns[number][1]) || a - b);
    order = place;
    heads.forEach((head, other) => {
      if (other === number) head.setAttribute('aria-sort', sorted.down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    filter();
  }
  let order = all;
  function filter() {
    found.list = words.length ? order.filter((row) => matches(at(row).join(' '))) : order;
    refresh();
    return words.length ? found.list.length : null;
  }
  searches.push(filter);
  addEventListener('beforeprint', () => draw(Math.max(MOST_PRINTED - found.drawn, 0)));
  refresh();
  return [
    make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': section.title },
      make('table', { class: columns[0][1] === 'text' ? 'names' : null, 'aria-label': section.title }, make('thead', null, make('tr', null, ...heads)), body)),
    make('div', { class: 'tools more' }, status, more),
  ];
}
