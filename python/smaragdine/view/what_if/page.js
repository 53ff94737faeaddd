window.smaragdine = {
  tab: '',
  scenario: '',
  // The scenario is in the address while its tab is open: it can be kept as a bookmark, and is never sent to a server.
  addressed() {
    const { tab, scenario } = this;
    const hash = tab === 'what-if' && scenario ? '#' + scenario : tab && tab !== 'explore' ? '#tab=' + tab : '';
    if (hash !== location.hash) history.replaceState(null, '', location.pathname + hash);
  },
  kept(scenario) {
    this.scenario = scenario;
    this.addressed();
  },
  // A place that is hovered is drawn here: a way to the server and back would take longer than a glance.
  hovered(hover) {
    const graph = document.querySelector('#consumption .js-plotly-plot');
    if (!graph || !graph.data) return;
    const before = graph.data.findIndex((line) => line.meta === 'hovered');
    const needed = graph.layout.meta;
    const point = hover && hover.points[0];
    if (!needed || !point || !(point.z > 0)) {
      if (before >= 0) Plotly.deleteTraces(graph, before);
      return;
    }
    const y = needed.kwh.map((kwh) => kwh * point.z * needed.factor);
    const name = point.text.split('<br>')[0].replace(/<\/?b>/g, '');
    if (before >= 0) {
      Plotly.restyle(graph, { y: [y], name }, before);
      return;
    }
    Plotly.addTraces(graph, {
      x: needed.x,
      y,
      name,
      meta: 'hovered',
      mode: needed.x.length > 60 ? 'lines' : 'lines+markers',
      line: { color: needed.colour, width: 2.2, dash: 'dash' },
      hovertemplate: '%{y:.4g} ' + needed.unit,
    });
  },
  tabbed(tab) {
    const first = !this.tab;
    this.tab = tab;
    for (const panel of document.querySelectorAll('[data-tab]')) panel.hidden = panel.dataset.tab !== tab;
    // What the address asks for is read before it is written.
    if (!first) this.addressed();
    // Pictures that were drawn while they were hidden had no size.
    requestAnimationFrame(() => window.dispatchEvent(new Event('resize')));
  },
};
document.addEventListener('contextmenu', (event) => {
  const chip = event.target.closest('.chip');
  const over = chip && chip.querySelector('.over:not([disabled])');
  if (!over) return;
  event.preventDefault();
  over.click();
});
document.addEventListener('keydown', (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key !== 'z' || event.target.matches('input, textarea')) return;
  const undo = [...document.querySelectorAll('.what-if button')].find(
    (button) => button.textContent === 'Undo' && button.offsetParent,
  );
  if (undo) { event.preventDefault(); undo.click(); }
});
// / searches, Escape leads outwards, Alt and a number to a tab.
document.addEventListener('keydown', (event) => {
  if (event.altKey && /^[1-4]$/.test(event.key)) {
    const tab = document.querySelectorAll('#tab input')[event.key - 1];
    if (tab) { event.preventDefault(); tab.click(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, textarea')) return;
  const search = document.getElementById('search');
  if (!search || !search.offsetParent || document.querySelector('.dash-dropdown-content')) return;
  if (event.key === '/') { event.preventDefault(); search.focus(); }
  if (event.key === 'Escape') {
    const outwards = [...document.querySelectorAll('#crumbs button:not([disabled])')].at(-1);
    if (outwards) outwards.click();
  }
});
// What is drawn anew takes the focus with it: who uses the keyboard would start at the top of the page after each key.
(() => {
  let last = null;
  const key = (element) => {
    if (!element.id.startsWith('{')) return element.id;
    const told = JSON.parse(element.id);
    return JSON.stringify([told.do ?? told.set, told.to ?? told.of]);
  };
  document.addEventListener('focusin', (event) => {
    last = event.target.id && event.target.closest('.what-if') ? event.target : null;
  });
  new MutationObserver(() => {
    if (!last || last.isConnected || document.activeElement !== document.body) return;
    const wanted = key(last);
    const again = [...document.querySelectorAll('.what-if :is(button, input)[id]')].find((one) => key(one) === wanted);
    last = null;
    if (again) again.focus({ preventScroll: true });
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
