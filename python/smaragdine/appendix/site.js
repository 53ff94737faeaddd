"use strict";
// Draws the page's figures, sorts its tables; loads and sends nothing.
(() => {
  const drawings = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const places = [...document.querySelectorAll("[data-figure]")];
  const ink = (printing) => ({ "font.color": dark.matches && !printing ? "#c3cbd3" : "#4b5563" });
  const recolour = (printing) => places.forEach((place) => Plotly.relayout(place, ink(printing)));

  async function draw() {
    for (const place of places) {
      const { data, layout } = drawings[place.dataset.figure];
      await Plotly.newPlot(place, data, layout, { displaylogo: false, responsive: true });
      await Plotly.relayout(place, ink(false));
    }
    document.documentElement.dataset.ready = "";
  }

  // What a cell is worth: its first number, with a leading sign; words sort as words.
  function worth(row, column) {
    const text = row.cells[column].textContent.trim();
    const number = /^[+−-]?[\d,]*\.?\d+/.exec(text);
    return number ? Number(number[0].replaceAll(",", "").replace("−", "-")) : text;
  }

  function sort(table, header) {
    const column = header.cellIndex;
    const order = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", order === 1 ? "ascending" : "descending");
    const body = table.tBodies[0];
    const compare = (a, b) => {
      const [x, y] = [worth(a, column), worth(b, column)];
      if (typeof x === typeof y) return order * (typeof x === "number" ? x - y : x.localeCompare(y));
      return typeof x === "number" ? -1 : 1;
    };
    body.append(...[...body.rows].sort(compare));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const header of table.tHead.rows[0].cells) header.addEventListener("click", () => sort(table, header));
  }
  dark.addEventListener("change", () => recolour(false));
  window.addEventListener("beforeprint", () => recolour(true));
  window.addEventListener("afterprint", () => recolour(false));
  draw();
})();
