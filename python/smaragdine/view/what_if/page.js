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
  const undo = [...document.querySelectorAll('.does button')].find((button) => button.textContent === 'Undo');
  if (undo && undo.offsetParent) { event.preventDefault(); undo.click(); }
});
