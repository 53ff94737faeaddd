// A diagram as slices of the sunburst, whose dress `figures/sunburst.py` made: the same slices as it draws itself.

class Ring {
  constructor(diagram, scale) {
    this.diagram = diagram;
    this.power = scale === "power";
    this.drawing = diagram.view.ring[scale];
    this.at = new Map(); // slices by id, as far as somebody has looked
    const { whole } = diagram;
    this.root = this.#slice(whole.id, null, whole, this.power ? (whole.power ?? 0) : 0); // it stays pale: it has no parent
  }

  #slice(id, parent, box, colour, rest = null) {
    const slice = { id, parent, box, colour, rest, inside: null };
    this.at.set(id, slice);
    return slice;
  }

  // The slices right inside another.
  inside(slice) {
    if (slice.inside) return slice.inside;
    const { id, box, rest } = slice;
    const level = rest ? [] : box.inside;
    const thin = thinOf(level);
    slice.inside = level
      .filter((one) => !thin.has(one))
      .map((one) => this.#slice(one.id, slice, one, this.power ? (one.power ?? 0) : one.share));
    if (thin.size) {
      const all = { size: thin.size, energy: 0, time: 0, largest: 0 };
      for (const one of thin) {
        all.energy += one.energy;
        all.time += one.time;
        all.largest = Math.max(all.largest, one.energy);
      }
      const share = box.energy > 0 ? all.energy / box.energy : 0;
      const colour = this.power ? (all.time > 0 ? all.energy / all.time : 0) : share;
      slice.inside.push(this.#slice(`${id}+`, slice, box, colour, all));
    }
    return slice.inside;
  }

  // A box's slice; undefined where it shares one.
  of(box) {
    if (!this.at.has(box.id) && box.parent && this.of(box.parent)) this.inside(this.of(box.parent));
    return this.at.get(box.id);
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
  rings(slice) {
    let ring = [slice];
    let slices = 1;
    for (const [depth, most] of [[2, Infinity], [3, 450], [4, 600]]) {
      ring = ring.flatMap((one) => this.inside(one));
      slices += ring.length;
      if (slices > most) return depth - 1;
    }
    return 4;
  }

  // Slices that are seen from one: its rings. Parents before their children, those of one level in their order.
  seen(slice, rings) {
    let ring = [slice];
    const all = [slice];
    for (let depth = 1; depth < rings && ring.length; depth++) {
      ring = ring.flatMap((one) => this.inside(one));
      for (const one of ring) all.push(one);
    }
    return all;
  }

  // Plotly's trace of all slices, or, of a program with very many, of those that are seen from one and the way there.
  trace(slice) {
    if (this.diagram.places.length <= page.limits.slices) {
      this.drawn ??= this.draw(this.seen(this.root, Infinity));
      this.tell(slice);
      return this.drawn;
    }
    const way = [];
    for (let outer = slice.parent; outer; outer = outer.parent) way.unshift(outer);
    const drawn = this.draw([...way, ...this.seen(slice, this.rings(slice))]);
    drawn.hovertext = this.order.map((one) => this.hover(one));
    return drawn;
  }

  // What the pointer will tell of the slices that are seen from one: of all at once would take its time.
  tell(slice) {
    for (const one of this.seen(slice, this.rings(slice))) this.drawn.hovertext[one.place] ??= this.hover(one);
  }

  // Watts of the deepest colour, wherever one looks. What hardly ran may have any power: it must not pale the rest.
  #hottest() {
    const leaves = this.seen(this.root, Infinity).filter((slice) => !this.inside(slice).length);
    const time = (slice) => (slice.rest ?? slice.box).time;
    const longest = sum(leaves.map(time));
    const told = leaves.filter((slice) => time(slice) > page.limits.thin * longest);
    return told.reduce((most, slice) => Math.max(most, slice.colour), this.root.colour) || 1;
  }

  draw(slices) {
    const [dress] = this.drawing.data;
    // Plotly goes round anticlockwise, people read clockwise.
    this.order = [...slices].reverse();
    this.order.forEach((slice, place) => (slice.place = place));
    const branches = new Set(slices.map((slice) => slice.parent));
    const values = this.order.map((slice) => {
      const amount = slice.rest ?? slice.box;
      return branches.has(slice) ? 0 : this.power ? amount.time : amount.energy;
    });
    const marker = { ...dress.marker, colors: this.order.map((slice) => slice.colour) };
    if (this.power) marker.cmax = this.hottest ??= this.#hottest();
    // Thousands of slices would be hidden by the lines between them.
    if (slices.length >= page.limits.lines) marker.line = { ...marker.line, width: 0.3 };
    return {
      ...dress,
      marker,
      values,
      ids: this.order.map((slice) => slice.id),
      labels: this.order.map((slice) => safe(this.label(slice))),
      parents: this.order.map((slice) => slice.parent?.id ?? ""),
      hovertext: this.order.map(() => null),
    };
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
