// The graph of packages. A chosen node shows the path from the image, and the reason of each of its edges.
function graph(section) {
  const found = section.content;
  const [width, height] = found.node;
  const nodes = found.nodes.map(([name, version, size, why, reason, label, x, y]) => ({ name, version, size, why, reason, label, x, y }));
  const edges = found.edges.map(([start, end, primary, path, reasons, more]) => ({ start, end, primary, path, reasons, more }));
  const drawing = shape('svg', { viewBox: `0 0 ${found.width} ${found.height}`, role: 'group', 'aria-label': section.title });
  const canvas = make('div', { class: 'canvas', tabindex: -1 }, drawing);
  const details = make('div', { class: 'details', role: 'status' });
  const full = (node) => node.name + (node.version ? ' ' + node.version : '');
  let scale = 1;

  function resize(next) {
    scale = Math.min(Math.max(next, 0.1), 3);
    drawing.setAttribute('width', Math.round(found.width * scale));
    drawing.setAttribute('height', Math.round(found.height * scale));
  }
  function line(edge) {
    if (edge.path) return edge.path;
    const [from, to] = [nodes[edge.start], nodes[edge.end]];
    const forward = from.x < to.x;
    const [x, y] = [from.x + (forward ? width : 0), from.y + height / 2];
    const [endX, endY] = [to.x + (forward ? 0 : width), to.y + height / 2];
    const middle = (x + endX) / 2;
    return `M${x} ${y}C${middle} ${y} ${middle} ${endY} ${endX} ${endY}`;
  }
  for (const edge of [...edges].sort((a, b) => a.primary - b.primary)) {
    const kind = edge.primary ? 'primary' : edge.path ? null : 'extra';
    edge.element = shape('path', { d: line(edge), class: kind }, shape('title', null, full(nodes[edge.start]) + ' \u2192 ' + full(nodes[edge.end]) + ': ' + because(edge)));
    drawing.append(edge.element);
  }
  nodes.forEach((node, at) => {
    const label = shape('text', { x: node.x + 8, y: node.y + 16 }, node.label);
    const box = shape('rect', { x: node.x, y: node.y, width, height, rx: 3 });
    node.element = shape('g', {
      class: 'node', role: 'button', 'aria-label': full(node) + (node.reason ? ', ' + node.reason : ''), 'aria-pressed': 'false',
      onclick: () => choose(at), onkeydown: (event) => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          choose(at);
        } else if (event.key === 'Escape') choose(-1);
      },
    }, shape('title', null, full(node) + ', ' + bytes(node.size)), box, label);
    drawing.append(node.element);
  });
  rove(nodes.map((node) => node.element), nearest);

  function because(edge) {
    if (!edge.reasons.length) return 'needed; the manifest does not say which files load it';
    return edge.reasons.join('; ') + (edge.more ? '; ' + edge.more + ' more' : '');
  }
  function link(at) {
    return make('button', { type: 'button', class: 'link', onclick: () => { choose(at); nodes[at].element.focus(); } }, text(full(nodes[at])));
  }
  function list(name, found, other) {
    const rows = found.map((edge) => make('li', null, link(other(edge)), ' ', text(because(edge), 'quiet')));
    return make('div', null, make('h3', null, name + ' (' + found.length + ')'), found.length ? make('ul', { class: 'plain' }, ...rows) : make('p', { class: 'quiet' }, 'none'));
  }
  function chain(at) {
    const found = [];
    for (let node = at; node >= 0 && !found.includes(node); node = nodes[node].why) found.unshift(node);
    return found;
  }
  function choose(at) {
    canvas.classList.toggle('chosen', at >= 0);
    const why = at >= 0 ? chain(at) : [];
    nodes.forEach((node, number) => {
      node.element.classList.toggle('chosen', number === at);
      node.element.classList.toggle('why', why.includes(number));
      node.element.classList.toggle('on', why.includes(number));
      node.element.setAttribute('aria-pressed', number === at);
    });
    for (const edge of edges) {
      const own = edge.start === at || edge.end === at;
      const onWay = edge.primary && why.includes(edge.end) && why[why.indexOf(edge.end) - 1] === edge.start;
      edge.element.classList.toggle('on', own);
      edge.element.classList.toggle('why', Boolean(onWay));
      if (own) {
        nodes[edge.start].element.classList.add('on');
        nodes[edge.end].element.classList.add('on');
      }
    }
    picker.value = String(at);
    empty(details);
    if (at < 0) {
      details.append(make('p', { class: 'quiet' }, 'Choose a package to see why it is in the image, what it needs and what needs it.'));
      return;
    }
    const node = nodes[at];
    const steps = why.slice(1).map((number) => make('li', null, number === at ? text(full(nodes[number])) : link(number), ' ', text(nodes[number].reason, 'quiet')));
    details.append(
      make('h3', null, text(full(node)), ' ', make('span', { class: 'quiet' }, bytes(node.size))),
      make('div', { class: 'panels' },
        make('div', null, make('h3', null, 'Why it is in the image'), steps.length ? make('ol', { class: 'chain' }, ...steps) : make('p', { class: 'quiet' }, 'it is the image')),
        list('Needs', edges.filter((edge) => edge.start === at), (edge) => edge.end),
        list('Needed by', edges.filter((edge) => edge.end === at), (edge) => edge.start)));
    show(node);
  }
  function show(node) {
    const [x, y] = [node.x * scale, node.y * scale];
    const [right, bottom] = [x + width * scale, y + height * scale];
    if (x < canvas.scrollLeft || right > canvas.scrollLeft + canvas.clientWidth) canvas.scrollLeft = (x + right - canvas.clientWidth) / 2;
    if (y < canvas.scrollTop || bottom > canvas.scrollTop + canvas.clientHeight) canvas.scrollTop = (y + bottom - canvas.clientHeight) / 2;
  }
  const picker = make('select', { 'aria-label': 'Package', onchange: () => { choose(Number(picker.value)); } },
    make('option', { value: '-1' }, 'choose a package'),
    ...nodes.map((node, at) => make('option', { value: String(at) }, full(node))));
  const extra = edges.filter((edge) => !edge.path && !edge.primary).length;
  const all = make('button', { type: 'button', 'aria-pressed': 'false', hidden: !extra, onclick: () => {
    all.setAttribute('aria-pressed', canvas.classList.toggle('all'));
  } }, 'all edges');
  const zooms = [
    make('button', { type: 'button', 'aria-label': 'Larger', onclick: () => resize(scale * 1.25) }, '+'),
    make('button', { type: 'button', 'aria-label': 'Smaller', onclick: () => resize(scale / 1.25) }, '\u2212'),
    make('button', { type: 'button', onclick: () => resize((canvas.clientWidth - 2) / found.width) }, 'fit'),
  ];
  searches.push(() => {
    let number = 0;
    canvas.classList.toggle('search', words.length > 0);
    for (const node of nodes) {
      const hit = words.length > 0 && matches(full(node) + ' ' + node.reason);
      node.element.classList.toggle('found', hit);
      number += hit ? 1 : 0;
    }
    return words.length ? number : null;
  });
  resize(1);
  choose(-1);
  new ResizeObserver((_, observer) => {
    show(nodes[0]);
    observer.disconnect();
  }).observe(canvas);
  return [make('div', { class: 'tools' }, picker, all, make('span', { class: 'grow' }), ...zooms), canvas, details];
}
