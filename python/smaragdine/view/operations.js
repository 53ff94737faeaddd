// The list of operations: drawn here, for a component of Dash for each cell would take longer than all pictures.
window.smaragdine.listed = (told) => {
  const place = document.getElementById('operations');
  if (!place || !told) return;
  const made = (tag, text, className) => Object.assign(document.createElement(tag), { textContent: text, className: className || '' });
  if (told.problem) return place.replaceChildren(made('p', told.problem, 'notice'));
  // Who opens a layer by the keyboard stays where the operation is, if it is still there.
  const before = place.contains(document.activeElement) ? document.activeElement.textContent : null;
  const numeric = (column) => (column > 0 && column < 5 ? 'num' : '');
  const head = made('tr');
  head.append(...told.head.map((word, column) => made('th', word, numeric(column))));
  const rows = told.rows.map(([name, ...cells]) => {
    const button = Object.assign(made('button', name), { type: 'button', title: 'opens its layer' });
    const first = made('td');
    first.append(button);
    const row = made('tr');
    row.append(first, ...cells.map((cell, column) => made('td', cell, numeric(column + 1))));
    return row;
  });
  const [table, top, body] = [made('table', '', 'listed'), made('thead'), made('tbody')];
  top.append(head);
  body.append(...rows);
  table.append(top, body);
  const said = made('p', told.said, 'fine');
  said.setAttribute('role', 'status');
  place.replaceChildren(said, table);
  const again = before !== null && [...body.querySelectorAll('button')].find((one) => one.textContent === before);
  if (again) again.focus({ preventScroll: true });
};
document.addEventListener('click', (event) => {
  const button = event.target.closest('#operations button');
  // Twice the same is twice an answer: the second one leads back to where it was opened.
  if (button) window.dash_clientside.set_props('opening', { data: { name: button.textContent, at: Date.now() } });
});
