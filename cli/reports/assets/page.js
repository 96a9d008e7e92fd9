// The page: its head, its sections, and the switch between light and dark.
function fields(section) {
  const rows = section.rows.flatMap(([name, values]) => [
    make('dt', null, name), make('dd', null, ...values.map((value) => make('div', null, text(value)))),
  ]);
  return [make('dl', null, ...rows)];
}
const KINDS = {
  fields,
  table: (section) => (section.rows.length ? table(section, section.columns, section.rows)
    : [make('p', { class: 'missing' }, section.empty || 'none')]),
  missing: () => [],
  treemap,
  graph,
  files,
};

function start() {
  const themes = ['auto', 'light', 'dark'];
  let theme = 0;
  const light = make('button', { type: 'button', onclick: () => {
    theme = (theme + 1) % themes.length;
    if (theme) document.documentElement.dataset.theme = themes[theme];
    else delete document.documentElement.dataset.theme;
    light.textContent = themes[theme];
    light.setAttribute('aria-label', 'Colours: ' + themes[theme]);
  }, 'aria-label': 'Colours: auto' }, 'auto');
  const status = make('span', { class: 'hidden', role: 'status' });
  let waiting = 0;
  const find = make('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search this page', autocomplete: 'off', spellcheck: 'false', oninput: () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const found = search(find.value).filter((number) => number !== null);
      status.textContent = words.length ? 'found: ' + found.reduce((a, b) => a + b, 0) : '';
    }, 120);
  } });
  addEventListener('keydown', (event) => {
    if (event.key === '/' && !(event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement)) {
      event.preventDefault();
      find.focus();
    }
  });
  const main = make('main', { id: 'content' });
  document.body.append(
    make('a', { class: 'skip', href: '#content' }, 'Skip to the content'),
    make('header', { class: 'bar' }, make('span', { class: 'name' }, text(DATA.title)), make('div', { class: 'find', role: 'search' }, find, status), light),
    make('div', { class: 'layout' },
      make('h1', null, text(DATA.title)),
      make('ul', { class: 'facts' }, ...DATA.facts.map((fact) => make('li', null, text(fact)))),
      DATA.sections.length > 1 ? make('nav', { class: 'parts', 'aria-label': 'Sections' }, ...DATA.sections.map((section) => make('a', { href: '#' + section.id }, section.title))) : null,
      main));
  for (const section of DATA.sections) {
    const element = make('section', { id: section.id, 'aria-labelledby': section.id + '-title' }, make('h2', { id: section.id + '-title' }, section.title));
    if (section.note) element.append(make('p', { class: section.kind === 'missing' ? 'missing' : 'note' }, text(section.note)));
    main.append(element);
    element.append(...KINDS[section.kind](section));
  }
}
start();
