// The treemap: layers, their packages and their files, each as large as its share. Cells are buttons.
function paths(coded) {
  const found = [];
  let last = '';
  for (let at = 0; at < coded.length; at += 2) {
    last = last.slice(0, coded[at]) + coded[at + 1];
    found.push(last);
  }
  return found;
}

// The content of an image, decoded once. The treemap's section has it, for all sections that show it.
let decoded = null;
function contents() {
  const { content } = DATA.sections.find((section) => section.kind === 'treemap');
  if (!decoded) decoded = { ...content, path: paths(content.paths) };
  return decoded;
}

function files(section) {
  const found = contents();
  const columns = [['path', 'code'], ['size', 'size'], ['of', 'text'], ['layer', 'number'], ['mode', 'code'],
    ['owner', 'code'], ['link to', 'code']];
  if (found.sha256) columns.push(['sha256', 'code']);
  const rows = {
    length: found.path.length,
    at: (row) => {
      const part = found.parts[found.part[row]];
      const line = [found.path[row], found.sizes[row], part[1], part[0] + 1, found.modes[found.mode[row]],
        found.owners[found.owner[row]], found.targets[row] || ''];
      if (found.sha256) line.push(found.sha256[row]);
      return line;
    },
  };
  return table(section, columns, rows);
}

// Source: M. Bruls, K. Huizing, J. van Wijk, "Squarified treemaps", 2000. Values are sorted, the largest first.
function squarified(values, x, y, width, height) {
  const boxes = [];
  const sum = values.reduce((a, b) => a + b, 0);
  const scale = sum ? width * height / sum : 0;
  let at = 0;
  while (at < values.length) {
    const side = Math.min(width, height);
    let end = at;
    let total = 0;
    let worst = Infinity;
    while (end < values.length) {
      const next = total + values[end] * scale;
      const square = side * side * scale / (next * next);
      const ratio = Math.max(square * values[at], 1 / (square * values[end]));
      if (ratio > worst) break;
      [worst, total, end] = [ratio, next, end + 1];
    }
    const thick = side ? total / side : 0;
    let along = width >= height ? y : x;
    for (; at < end; at += 1) {
      const length = thick ? values[at] * scale / thick : 0;
      boxes.push(width >= height ? [x, along, thick, length] : [along, y, length, thick]);
      along += length;
    }
    if (width >= height) [x, width] = [x + thick, Math.max(width - thick, 0)];
    else [y, height] = [y + thick, Math.max(height - thick, 0)];
  }
  return boxes;
}

const SMALL = 30; // square pixels: smaller items are combined
const HEAD = 18; // pixels of the name of a cell

function tree(found) {
  const root = { name: DATA.title, kind: 'image', children: [], unpacked: 0, compressed: 0, files: found.total };
  const layers = found.layers.map((layer, at) => ({
    name: 'layer ' + (at + 1), kind: 'layer', children: [], unpacked: layer.unpacked, compressed: layer.size, parent: root, files: 0,
  }));
  const parts = found.parts.map(([layer, name, number, size]) => {
    const above = layers[layer];
    // Only a layer's compressed size is known. That of its parts is estimated by their shares.
    const ratio = above.unpacked ? above.compressed / above.unpacked : 0;
    const part = { name, kind: 'part', children: [], unpacked: size, compressed: size * ratio, parent: above, files: number, ratio };
    above.children.push(part);
    above.files += number;
    return part;
  });
  found.path.forEach((name, at) => {
    const parent = parts[found.part[at]];
    const unpacked = found.sizes[at];
    parent.children.push({ name, kind: 'file', unpacked, compressed: unpacked * parent.ratio, parent, files: 1 });
  });
  for (const [part, number, unpacked] of found.rest) {
    const parent = parts[part];
    parent.children.push({
      name: count(number, 'smaller file'), kind: 'rest', unpacked, compressed: unpacked * parent.ratio, parent, files: number,
    });
  }
  for (const layer of layers) {
    if (layer.children.length === 1) layer.title = layer.children[0].name;
    else if (layer.children.length) layer.title = layer.name + ': ' + count(layer.children.length, 'part');
    root.compressed += layer.compressed;
    root.unpacked += layer.unpacked || 0;
    root.children.push(layer);
  }
  return root;
}

function treemap(section) {
  const root = tree(contents());
  const known = root.children.every((layer) => layer.unpacked !== null);
  let measure = known ? 'unpacked' : 'compressed';
  let view = root;
  const map = make('div', { class: 'map', role: 'group', 'aria-label': 'Treemap' });
  const crumbs = make('nav', { class: 'crumbs', 'aria-label': 'Zoom' });
  const details = make('div', { class: 'details', role: 'status' });
  const modes = (known ? ['unpacked', 'compressed'] : ['compressed']).map((name) => make('button', {
    type: 'button', 'aria-pressed': name === measure, onclick: () => { measure = name; draw(); },
  }, name));

  function value(node) { return node[measure] || 0; }
  // Whether a node or something below it is found.
  function isFound(node) {
    return matches(node.name) || (node.children || []).some(isFound);
  }
  function title(node) { return node.title || node.name; }
  function label(node) { return node.kind === 'file' ? base(node.name) : title(node); }
  function sizes(node) {
    const exact = node.kind === 'image' || node.kind === 'layer';
    const unpacked = node.unpacked === null ? '' : bytes(node.unpacked) + ' unpacked';
    const compressed = (exact ? '' : 'about ') + bytes(node.compressed) + ' compressed';
    return [unpacked, compressed].filter((part) => part).join(', ');
  }
  function describe(node) {
    const lines = [code(title(node)), ' ', sizes(node), ', ', percent(value(node), value(root)), ' of the image'];
    if (node.kind !== 'file' && node.files) lines.push(', ' + count(node.files, 'file'));
    for (let above = node.parent; above && above !== root; above = above.parent) {
      lines.push(', in ', text(title(above)));
    }
    empty(details).append(...lines);
  }
  function zoom(node, focus) {
    while (node.children && node.children.length === 1 && node.children[0].children) node = node.children[0];
    view = node.children && node.children.length ? node : node.parent || root;
    draw();
    describe(node);
    const first = map.querySelector('button');
    if (focus && first) first.focus();
  }
  function out() {
    let above = view.parent;
    while (above && above.children.length === 1 && above !== root) above = above.parent;
    if (above) zoomTo(above);
  }
  function zoomTo(node) {
    view = node;
    draw();
    describe(node);
    const first = map.querySelector('button');
    if (first) first.focus();
  }
  // Children to draw, the largest first; those that would be too small are one item.
  function items(node, area) {
    const list = node.children.filter((child) => value(child) > 0).sort((a, b) => value(b) - value(a));
    const least = value(node) ? SMALL * value(node) / area : 0;
    let end = list.length;
    while (end > 1 && value(list[end - 1]) < least) end -= 1;
    if (list.length - end < 2) return list;
    const rest = list.slice(end);
    const made = { name: count(rest.length, 'smaller item'), kind: 'group', children: rest, parent: node, files: 0, unpacked: 0, compressed: 0 };
    for (const child of rest) {
      made.unpacked += child.unpacked || 0;
      made.compressed += child.compressed;
      made.files += child.files;
    }
    return [...list.slice(0, end), made];
  }
  function place(element, [x, y, width, height]) {
    Object.assign(element.style, { left: x + 'px', top: y + 'px', width: width + 'px', height: height + 'px' });
    return element;
  }
  function mark(element, node) {
    if (words.length) element.classList.add(isFound(node) ? node.children ? 'has' : 'on' : 'off');
    return element;
  }
  function draw() {
    const width = map.clientWidth || 320;
    const height = Math.round(Math.max(300, Math.min(width * 0.6, 640)));
    map.style.height = height + 'px';
    empty(map);
    const shown = items(view, width * height);
    const boxes = squarified(shown.map(value), 0, 0, width, height);
    const cells = shown.map((node, at) => {
      const [x, y, w, h] = boxes[at];
      const button = place(make('button', {
        type: 'button', class: 'cell', 'aria-label': title(node) + ', ' + sizes(node),
        onclick: (event) => zoom(event.target.node || node, true), onfocus: () => describe(node),
      }), boxes[at]);
      button.node = node;
      if (w > 24 && h > 15) button.append(make('span', { class: 'label' }, text(short(label(node))), ' ', make('span', { class: 'quiet' }, bytes(value(node)))));
      let inside = node;
      while (inside.children && inside.children.length === 1 && inside.children[0].children) inside = inside.children[0];
      if (inside.children && w > 40 && h > 50) {
        const room = [2, HEAD, w - 6, h - HEAD - 4];
        const below = items(inside, room[2] * room[3]);
        const places = squarified(below.map(value), ...room);
        below.forEach((child, number) => {
          const [, , cw, ch] = places[number];
          const inner = place(make('span', { class: 'inner', title: title(child) + ', ' + sizes(child) }), places[number]);
          inner.node = child;
          if (cw > 50 && ch > 15) {
            const name = make('span', { class: 'label' }, text(short(label(child))));
            name.node = child;
            inner.append(name);
          }
          button.append(mark(inner, child));
        });
      }
      return mark(button, node);
    });
    map.append(...cells);
    rove(cells, nearest);
    modes.forEach((button) => button.setAttribute('aria-pressed', button.textContent === measure));
    const above = [];
    for (let node = view; node; node = node.parent) {
      // A layer of one part is that part.
      if (node === view || node === root || node.children.length > 1) above.unshift(node);
    }
    empty(crumbs);
    above.forEach((node, at) => {
      if (at) crumbs.append(make('span', { class: 'quiet', 'aria-hidden': 'true' }, '/'));
      const last = at === above.length - 1;
      crumbs.append(make('button', { type: 'button', 'aria-current': last ? 'true' : null, onclick: () => zoomTo(node) }, text(short(at ? title(node) : 'image'))));
    });
  }
  map.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' || event.key === 'Backspace') {
      event.preventDefault();
      out();
    }
  });
  searches.push(() => {
    draw();
    return null;
  });
  let width = 0;
  new ResizeObserver(() => {
    if (map.clientWidth !== width) {
      width = map.clientWidth;
      draw();
    }
  }).observe(map);
  describe(root);
  return [make('div', { class: 'tools' }, crumbs, make('span', { class: 'grow' }), ...modes), map, details];
}

function short(name) { return name.length > 80 ? name.slice(0, 78) + '\u2026' : name; }
function base(name) { return name.slice(name.lastIndexOf('/') + 1) || name; }
