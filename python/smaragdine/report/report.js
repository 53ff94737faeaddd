"use strict";
(() => {
  const payload = JSON.parse(document.getElementById("payload").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const config = { displayModeBar: false, responsive: true };
  const SVG = "http://www.w3.org/2000/svg";
  const burst = document.getElementById("sunburst");
  const drawn = [];

  const ink = (printing) => ({ "font.color": dark.matches && !printing ? "#c3cbd3" : "#4b5563" });

  async function draw(element, figure) {
    const layout = structuredClone(figure.layout);
    layout.font.color = ink(false)["font.color"];
    layout.autosize = true;
    delete layout.width;
    if (!drawn.includes(element)) drawn.push(element);
    await Plotly.react(element, figure.data, layout, config);
  }

  function recolour(printing) {
    for (const element of drawn) Plotly.relayout(element, ink(printing));
  }
  function print(printing) {
    recolour(printing);
    for (const element of document.querySelectorAll("details")) element.open = printing || element.dataset.open === "true";
  }
  dark.addEventListener("change", () => recolour(false));
  window.addEventListener("beforeprint", () => {
    for (const element of document.querySelectorAll("details")) element.dataset.open = String(element.open);
    print(true);
  });
  window.addEventListener("afterprint", () => print(false));

  const svg = (name, attributes) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  // Hover texts are plotly's HTML with every name escaped: as plain text they serve as an SVG title.
  const plain = (markup) =>
    new DOMParser().parseFromString(markup.replaceAll("<br>", "\n"), "text/html").body.textContent;
  const percent = (share) => (share >= 0.09995 ? (100 * share).toFixed(1) : (100 * share).toFixed(2)) + " %";

  let view = null;
  let scale = "energy";
  let nodes = new Map();

  function index(chosen) {
    const { ids, parents, labels, hovertext } = chosen.sunburst.data[0];
    nodes = new Map(ids.map((id, i) => [id, { id, parent: parents[i], label: labels[i], hover: hovertext[i], inside: [] }]));
    for (const node of nodes.values()) nodes.get(node.parent)?.inside.push(node);
  }

  // Rings to draw from a layer outwards, four or fewer: drawing takes time by the slice.
  function rings(id) {
    let ring = [nodes.get(id)];
    let slices = 1;
    for (const [depth, most] of [[2, Infinity], [3, 450], [4, 600]]) {
      ring = ring.flatMap((node) => node.inside);
      slices += ring.length;
      if (slices > most) return depth - 1;
    }
    return 4;
  }

  function crumbs(id) {
    const path = [];
    for (let node = nodes.get(id); node; node = nodes.get(node.parent)) path.unshift(node);
    const nav = document.getElementById("crumbs");
    nav.replaceChildren();
    path.forEach((node, i) => {
      if (i) nav.append(Object.assign(document.createElement("i"), { textContent: "/" }));
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = plain(node.label);
      button.disabled = i === path.length - 1;
      button.addEventListener("click", () => open(node.id));
      nav.append(button);
    });
  }

  // Shows the level inside a layer; a tensor is shown within the level that holds it.
  function show(id) {
    let tensor = null;
    if (!view.levels[id] && view.levels[nodes.get(id)?.parent]) {
      tensor = id;
      id = nodes.get(id).parent;
    }
    crumbs(id);
    const place = document.getElementById("level");
    place.dataset.level = id;
    const level = view.levels[id];
    if (!level) {
      place.replaceChildren(
        Object.assign(document.createElement("p"), { className: "empty", textContent: "too small a share to be drawn" })
      );
      return;
    }
    const top = 34; // the title's room, which the crumbs above already fill
    const box = svg("svg", { width: level.w, height: level.h - top, viewBox: `0 ${top} ${level.w} ${level.h - top}` });
    for (const [wire, head] of level.arrows) {
      box.append(svg("path", { d: wire, class: "wire" }), svg("path", { d: head, class: "head" }));
    }
    for (const b of level.boxes) {
      const group = svg("g", {});
      const r = b.round ? 13 : 0;
      const paint = scale === "power" && b.power ? b.power : b;
      group.append(
        svg("rect", { x: b.x, y: b.y, width: b.w, height: b.h, rx: r, fill: paint.fill, stroke: paint.edge, "stroke-width": 1.3 })
      );
      const middle = b.x + b.w / 2;
      const name = svg("text", { x: middle, y: b.y + b.h / 2 - 8, fill: paint.ink });
      name.textContent = b.name;
      const share = svg("text", { x: middle, y: b.y + b.h / 2 + 8, fill: paint.ink, "font-weight": 700 });
      share.textContent = paint === b ? percent(b.share) : b.power.told;
      group.append(name, share);
      if (b.id !== null) {
        const title = svg("title", {});
        title.textContent = plain(nodes.get(b.id).hover);
        group.append(title);
        if (b.id === tensor) group.setAttribute("class", "here");
        if (view.levels[b.id]) {
          group.setAttribute("role", "button");
          group.setAttribute("tabindex", "0");
          group.addEventListener("click", () => open(b.id));
          group.addEventListener("keydown", (event) => event.key === "Enter" && open(b.id));
        }
      }
      box.append(group);
    }
    place.replaceChildren(box);
    place.scrollTop = 0;
  }

  // Opens a layer in both pictures.
  function open(id) {
    show(id);
    if (nodes.get(id).inside.length) burstAt(id);
  }

  async function choose(i) {
    view = payload.views[i];
    document.querySelectorAll("[data-view]").forEach((button, k) => button.setAttribute("aria-selected", String(k === i)));
    document.getElementById("caption").textContent = view.caption;
    index(view);
    await burstAt(view.start);
    show(view.start);
  }

  // Draws the ring from one layer outwards, by energy or by power.
  async function burstAt(id) {
    const data = { ...view.sunburst.data[0], level: id, maxdepth: rings(id) };
    // Among so many no name fits, and measuring each is what takes the time.
    if (nodes.get(id).inside.length > 450) data.textinfo = "none";
    if (scale === "power" && view.byPower) {
      Object.assign(data, { values: view.byPower.values, marker: { ...data.marker, ...view.byPower.marker } });
    }
    await draw(burst, { data: [data], layout: view.sunburst.layout });
  }

  async function measure(chosen) {
    scale = chosen;
    for (const button of document.querySelectorAll("[data-scale]")) {
      button.setAttribute("aria-pressed", String(button.dataset.scale === chosen));
    }
    await burstAt(burst._fullData[0].level || "0");
    show(document.getElementById("level").dataset.level);
  }

  async function start() {
    if (payload.views.length) {
      await choose(0);
      // A click on the middle leads outwards: what is shown next is told by nextLevel.
      burst.on("plotly_sunburstclick", (event) => {
        const id = event.points[0].id;
        const entry = burst._fullData[0].level || "0";
        const next = id === entry ? event.nextLevel || nodes.get(id).parent || "0" : id;
        show(next);
        if (!nodes.get(next).inside.length || rings(next) === burst._fullData[0].maxdepth) return true;
        burstAt(next);
        return false; // plotly's own way there keeps the number of rings
      });
      document.querySelectorAll("[data-view]").forEach((button, i) => button.addEventListener("click", () => choose(i)));
      for (const button of document.querySelectorAll("[data-scale]")) {
        button.addEventListener("click", () => measure(button.dataset.scale));
      }
    } else {
      document.querySelector(".pair").remove();
      document.querySelector(".choices").remove();
    }
    for (const element of document.querySelectorAll("[data-figure]")) {
      const figure = payload.figures[element.dataset.figure];
      await draw(element, figure);
    }
    document.documentElement.dataset.ready = "true";
  }
  start();
})();
