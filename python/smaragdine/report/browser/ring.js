// A diagram as slices of the sunburst, whose dress `figures/sunburst.py` made: the same slices as it draws itself.

class Ring {
  constructor(diagram, scale) {
    this.diagram = diagram;
    this.power = scale === "power";
    this.drawing = this.power ? diagram.view.by_power : diagram.view.sunburst;
    this.closed = closed(diagram.whole, page.limits.slices);
    this.slices = [];
    this.at = new Map(); // slices by id
    this.#cut();
  }

  inside(box) {
    return this.closed.has(box) ? [] : box.inside;
  }

  // Parents before their children, those of one level in their order.
  #cut() {
    const { whole } = this.diagram;
    const add = (id, parent, box, colour, rest = null) => {
      const amount = rest ?? box;
      const leaf = rest !== null || !this.inside(box).length;
      const value = leaf ? (this.power ? amount.time : amount.energy) : 0;
      const slice = { id, parent, box, colour, value, rest, inside: [] };
      this.slices.push(slice);
      this.at.set(id, slice);
      this.at.get(parent)?.inside.push(slice);
      return slice;
    };
    const own = (box, share) => (this.power ? (box.power ?? 0) : share);
    add(whole.id, "", whole, own(whole, 0)); // the whole has no parent: it stays pale
    for (const { id, box, rest } of this.slices) {
      if (rest) continue;
      const level = this.inside(box);
      const thin = thinOf(level);
      for (const inside of level) if (!thin.has(inside)) add(inside.id, id, inside, own(inside, inside.share));
      if (thin.size) {
        const all = { size: thin.size, energy: 0, time: 0, largest: 0 };
        for (const one of thin) {
          all.energy += one.energy;
          all.time += one.time;
          all.largest = Math.max(all.largest, one.energy);
        }
        const share = box.energy > 0 ? all.energy / box.energy : 0;
        add(`${id}+`, id, box, this.power ? (all.time > 0 ? all.energy / all.time : 0) : share, all);
      }
    }
  }

  label({ box, rest }) {
    if (rest) return `${rest.size} more`;
    if (box.path !== "") return shorten(gradient(box), page.limits.label);
    const amount = joules(box.energy) + (this.power ? `, ${watts(box.power)}` : "");
    return `${shorten(box.name, 20)} · ${amount}`;
  }

  hover(slice) {
    const { box, rest } = slice;
    if (!rest) return hover(box, this.diagram.whole.energy);
    return `<b>${this.label(slice)}</b><br>${joules(rest.energy)}, the largest ${joules(rest.largest)}`;
  }

  // Rings to draw from a layer outwards, four or fewer: drawing takes time by the slice.
  rings(id) {
    let ring = [this.at.get(id)];
    let slices = 1;
    for (const [depth, most] of [[2, Infinity], [3, 450], [4, 600]]) {
      ring = ring.flatMap((slice) => slice.inside);
      slices += ring.length;
      if (slices > most) return depth - 1;
    }
    return 4;
  }

  // What the pointer will tell of the slices that are seen from a layer: of all at once would take its time.
  tell(id) {
    let ring = [this.at.get(id)];
    for (let depth = this.rings(id); depth > 0; depth--) {
      for (const slice of ring) this.trace.hovertext[slice.place] ??= this.hover(slice);
      ring = ring.flatMap((slice) => slice.inside);
    }
  }

  // Plotly's trace; it goes round anticlockwise, people read clockwise.
  get trace() {
    if (this.drawn) return this.drawn;
    const [dress] = this.drawing.data;
    const slices = [...this.slices].reverse();
    slices.forEach((slice, place) => (slice.place = place));
    const marker = { ...dress.marker, colors: slices.map((slice) => slice.colour) };
    if (this.power) {
      // What hardly ran may have any power: it must not pale the rest.
      const longest = slices.reduce((sum, slice) => sum + slice.value, 0);
      const told = slices.filter((slice) => !slice.parent || slice.value > page.limits.thin * longest);
      marker.cmax = told.reduce((most, slice) => Math.max(most, slice.colour), 0) || 1;
    }
    // Thousands of slices would be hidden by the lines between them.
    if (slices.length >= page.limits.lines) marker.line = { ...marker.line, width: 0.3 };
    this.drawn = {
      ...dress,
      marker,
      ids: slices.map((slice) => slice.id),
      labels: slices.map((slice) => safe(this.label(slice))),
      parents: slices.map((slice) => slice.parent),
      values: slices.map((slice) => slice.value),
      hovertext: slices.map(() => null),
    };
    return this.drawn;
  }
}

// What gets no slice of its own: the smallest of very many, where they cannot be seen.
function thinOf(level) {
  const { thin, beside } = page.limits;
  if (level.length <= beside + 1) return new Set();
  const smallest = [...level].sort((one, other) => other.energy - one.energy).slice(beside);
  const few = smallest.filter((box) => box.share < thin);
  return new Set(few.length > 1 ? few : []);
}

// The layers with the least energy, whose insides are left out of the ring once there are more than `most` boxes.
function closed(whole, most) {
  const shut = new Set();
  const boxes = [...whole.walk()];
  let left = boxes.length;
  if (left <= most) return shut;
  const size = (box) => (shut.has(box) ? 1 : box.inside.reduce((sum, inside) => sum + size(inside), 1));
  // Backwards: of a layer and the only one inside, which have the same energy, the inner goes first.
  const layers = boxes.slice(1).filter((box) => box.inside.length).reverse();
  for (const box of layers.sort((one, other) => one.energy - other.energy)) {
    if (left <= most) break;
    left -= size(box) - 1;
    shut.add(box);
  }
  return shut;
}
