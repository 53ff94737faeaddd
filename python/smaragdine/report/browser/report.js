// What the page does: draws what comes into sight, opens layers, switches views, prints.

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

// Figures that nobody has seen yet.
const unseen = new Map();
const sight = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => see(entry.target)),
  { rootMargin: "300px" }
);
function whenSeen(element, act, height = 0) {
  if (height) element.style.minHeight = `${height}px`;
  unseen.set(element, act);
  sight.observe(element);
}
function see(element) {
  const act = unseen.get(element);
  unseen.delete(element);
  sight.unobserve(element);
  return act?.();
}

function recolour(printing) {
  for (const element of drawn) Plotly.relayout(element, ink(printing));
}
function print(printing) {
  if (printing) [...unseen.keys()].forEach(see);
  recolour(printing);
  for (const element of document.querySelectorAll("details")) element.open = printing || element.dataset.open === "true";
}

const svg = (name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
// Hover texts are plotly's HTML with every name escaped: as plain text they serve as an SVG title.
const plain = (markup) => new DOMParser().parseFromString(markup.replaceAll("<br>", "\n"), "text/html").body.textContent;

const diagrams = [];
const diagramOf = (i) => (diagrams[i] ??= new Diagram(page.views[i]));
let diagram = null;
let scale = "energy";
let shown = null; // the box whose level is shown

function ring() {
  const own = scale === "power" && diagram.view.ring.power ? "power" : "energy";
  diagram.rings ??= {};
  return (diagram.rings[own] ??= new Ring(diagram, own));
}

function crumbs(level) {
  const path = [];
  for (let box = level; box; box = box.parent) path.unshift(box);
  const nav = document.getElementById("crumbs");
  nav.replaceChildren();
  path.forEach((box, i) => {
    if (i) nav.append(Object.assign(document.createElement("i"), { textContent: "/" }));
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = i ? shorten(gradient(box), page.limits.label) : `${shorten(box.name, 20)} · ${joules(box.energy)}`;
    button.disabled = i === path.length - 1;
    button.addEventListener("click", () => open(box));
    nav.append(button);
  });
}

// Shows the level inside a layer; a tensor is shown within the level that holds it.
function show(box) {
  const tensor = !box.inside.length && box.parent ? box : null;
  shown = tensor ? box.parent : box;
  crumbs(shown);
  diagram.lift();
  const level = arranged(shown);
  const top = page.level.title; // the title's room, which the crumbs above already fill
  const picture = svg("svg", { width: level.w, height: level.h - top, viewBox: `0 ${top} ${level.w} ${level.h - top}` });
  for (const route of level.routes) {
    picture.append(svg("path", { d: wire(route), class: "wire" }), svg("path", { d: head(route), class: "head" }));
  }
  const byPower = scale === "power" && diagram.view.ring.power;
  const hottest = Math.max(0, ...shown.inside.map((one) => one.power ?? 0));
  for (const one of level.boxes) {
    const group = svg("g", {});
    const own = one.box;
    const hot = byPower && own;
    const { fill, ink, edge } = paint(hot ? (hottest > 0 ? (own.power ?? 0) / hottest : 0) : one.share);
    const round = own === null || !own.isTensor ? 13 : 0;
    const middle = one.x + one.w / 2;
    const name = svg("text", { x: middle, y: one.y + one.h / 2 - 8, fill: ink });
    name.textContent = one.name;
    const told = svg("text", { x: middle, y: one.y + one.h / 2 + 8, fill: ink, "font-weight": 700 });
    told.textContent = hot ? watts(own.power) : percent(one.share);
    group.append(
      svg("rect", { x: one.x, y: one.y, width: one.w, height: one.h, rx: round, fill, stroke: edge, "stroke-width": 1.3 }),
      name,
      told
    );
    if (own) {
      const title = svg("title", {});
      title.textContent = plain(hover(own, diagram.whole.energy));
      group.append(title);
      if (own === tensor) group.setAttribute("class", "here");
      if (own.inside.length) {
        group.setAttribute("role", "button");
        group.setAttribute("tabindex", "0");
        group.addEventListener("click", () => open(own));
        group.addEventListener("keydown", (event) => event.key === "Enter" && open(own));
      }
    }
    picture.append(group);
  }
  const place = document.getElementById("level");
  place.dataset.level = shown.id;
  place.replaceChildren(picture);
  place.scrollTop = 0;
}

// Opens a layer in both pictures.
function open(box) {
  show(box);
  if (box.inside.length) burstAt(box);
}

async function choose(i) {
  diagram = diagramOf(i);
  document.querySelectorAll("[data-view]").forEach((button, k) => button.setAttribute("aria-selected", String(k === i)));
  document.getElementById("caption").textContent = diagram.view.caption;
  await burstAt(diagram.entrance);
  show(diagram.entrance);
}

// Draws the ring from one layer outwards, by energy or by power.
async function burstAt(box) {
  const own = ring();
  while (!(own.of(box) && box.inside.length) && box.parent) box = box.parent;
  const slice = own.of(box);
  const data = { ...own.trace(slice), level: box.id, maxdepth: own.rings(slice) };
  // Among so many no name fits, and measuring each is what takes the time.
  if (own.inside(slice).length > 450) data.textinfo = "none";
  // On a narrow screen a ring needs no more height than its width, and room for the colours below.
  const height = Math.min(own.drawing.layout.height, burst.clientWidth + 100);
  await draw(burst, { data: [data], layout: { ...own.drawing.layout, height } });
}

async function measure(chosen) {
  scale = chosen;
  for (const button of document.querySelectorAll("[data-scale]")) {
    button.setAttribute("aria-pressed", String(button.dataset.scale === chosen));
  }
  const id = burst._fullData[0].level || "0";
  await burstAt(diagram.places[id]);
  show(shown);
}

// A click on the middle leads outwards.
function clicked(event) {
  const own = ring();
  const id = event.points[0].id;
  const entry = burst._fullData[0].level || "0";
  const next = id === entry ? (own.at.get(id).parent ?? own.root) : own.at.get(id);
  show(next.box);
  if (next.rest || !own.inside(next).length) return true;
  if (own.drawn && own.rings(next) === burst._fullData[0].maxdepth) {
    own.tell(next);
    return true;
  }
  burstAt(next.box);
  return false; // plotly's own way there keeps the number of rings
}

async function begin() {
  const [library] = await Promise.all([inflated("plotly"), unpacked("payload").then((told) => (page = told))]);
  const script = document.createElement("script");
  script.textContent = new TextDecoder().decode(library);
  document.head.append(script);
  if (page.views.length) {
    await choose(0);
    performance.mark("drawn");
    burst.on("plotly_sunburstclick", clicked);
    document.querySelectorAll("[data-view]").forEach((button, i) => button.addEventListener("click", () => choose(i)));
    for (const button of document.querySelectorAll("[data-scale]")) {
      button.addEventListener("click", () => measure(button.dataset.scale));
    }
    const finder = document.getElementById("operations");
    if (finder) {
      const own = new Finder(finder);
      whenSeen(finder, () => own.open());
    }
  } else {
    for (const place of [".pair", ".choices", "#operations"]) document.querySelector(place)?.remove();
  }
  for (const element of document.querySelectorAll("[data-figure]")) {
    const figure = page.figures[element.dataset.figure];
    whenSeen(element, () => draw(element, figure), figure.layout.height);
  }
  dark.addEventListener("change", () => recolour(false));
  window.addEventListener("beforeprint", () => {
    for (const element of document.querySelectorAll("details")) element.dataset.open = String(element.open);
    print(true);
  });
  window.addEventListener("afterprint", () => print(false));
  // For whoever reads the page's numbers by a script.
  window.report = { page, diagramOf, operations, arranged, wire, hover, Ring, told: { joules, watts, seconds, percent, count } };
  performance.mark("opened");
  document.documentElement.dataset.ready = "true";
}

begin().catch((error) => {
  const place = document.getElementById("failed");
  place.hidden = false;
  place.textContent = window.DecompressionStream
    ? `The figures could not be drawn: ${error.message}`
    : "The figures need a browser that can inflate what the page holds: any since 2023. The numbers above and below are whole.";
  document.documentElement.dataset.ready = "failed";
});
