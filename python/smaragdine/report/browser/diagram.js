// The energy distribution diagram of one view, made of the columns: as `accounts/edd.py` makes it of a footprint.

class Box {
  constructor(node, parent, name, path, isTensor, measured) {
    Object.assign(this, { node, parent, name, path, isTensor, measured });
    this.energy = this.low = this.high = this.time = this.count = 0;
    this.sd = null;
    this.share = 1;
    this.phases = new Map(); // joules by pass
    this.ofRun = page.runs > 1 ? new Float64Array(page.runs) : null;
    this.inside = [];
    this.arrows = new Map();
  }
  get power() {
    return this.time > 0 ? this.energy / this.time : null;
  }
  // The pass of all that is inside; null where several meet.
  get phase() {
    return this.phases.size === 1 ? page.columns.phases[this.phases.keys().next().value] : null;
  }
  *walk() {
    const stack = [this];
    while (stack.length) {
      const box = stack.pop();
      yield box;
      for (let i = box.inside.length - 1; i >= 0; i--) stack.push(box.inside[i]);
    }
  }
}

// An operation's QTN, which its box in the first tree spells; `folded`: with self-similar layers as one.
function spelt(named, folded = false) {
  const c = page.columns;
  const odd = folded ? c.spelt_folded : c.spelt;
  if (Object.hasOwn(odd, named)) return odd[named];
  const segments = [];
  let box = (folded ? c.named_folded_name : c.named_name)[named];
  for (; c.box_parent[box] !== box; box = c.box_parent[box]) segments.push(c.names[c.box_name[box]]);
  return segments.reverse().join("/");
}

class Diagram {
  constructor(view) {
    const columns = page.columns;
    this.view = view;
    this.modelled = !view.measured;
    this.phase = view.phase === null ? null : columns.phases.indexOf(view.phase);
    this.grouped = view.tree !== "name";
    this.leaf = columns[`named_${view.tree}`];
    this.root = columns.roots[page.trees.indexOf(view.tree)];
    this.boxes = new Map();
    this.whole = this.#box(this.root, null, null);
    this.#fill();
    this.#order();
    this.places = [...this.whole.walk()]; // by id
    this.places.forEach((box, id) => (box.id = String(id)));
    this.lifted = false;
  }

  #box(node, parent, named) {
    const { names, box_name, box_tensor } = page.columns;
    const name = parent ? names[box_name[node]] : page.name;
    const tensor = box_tensor[node] === 1;
    let path = "";
    if (tensor) path = spelt(named, this.view.tree === "folded");
    else if (parent) path = parent.path ? `${parent.path}/${name}` : name;
    const box = new Box(node, parent, name, path, tensor, this.view.measured);
    this.boxes.set(node, box);
    return box;
  }

  // The box of an operation's leaf, made with all that hold it where it is not there.
  #leaf(node, named) {
    return (
      this.boxes.get(node) ?? this.#box(node, this.#leaf(page.columns.box_parent[node], named), named)
    );
  }

  #fill() {
    const c = page.columns;
    const measured = Number(this.view.measured);
    const part = 1 / page.runs;
    for (let row = 0; row < c.row_named.length; row++) {
      const named = c.row_named[row];
      const phase = c.named_phase[named];
      if (c.row_measured[row] !== measured || (this.phase !== null && phase !== this.phase)) continue;
      const energy = c.row_energy_j[row] * part;
      for (let box = this.#leaf(this.leaf[named], named); box; box = box.parent) {
        if (box.ofRun) box.ofRun[c.row_run[row]] += energy * page.runs;
        box.energy += energy;
        box.low += c.row_low_j[row] * part; // what is not known makes the sum unknown
        box.high += c.row_high_j[row] * part;
        box.time += c.row_time_s[row] * part;
        box.count += c.row_count[row] * part;
        box.phases.set(phase, (box.phases.get(phase) ?? 0) + energy);
      }
    }
  }

  #order() {
    for (const box of this.boxes.values()) box.parent?.inside.push(box);
    for (const box of this.boxes.values()) {
      box.inside.sort((one, other) => one.node - other.node);
      const level = box.inside.reduce((sum, inside) => sum + inside.energy, 0);
      for (const inside of box.inside) inside.share = level > 0 ? inside.energy / level : 0;
      if (box.ofRun) box.sd = deviation(box.ofRun);
    }
  }

  // The outermost level with something to compare.
  get entrance() {
    let box = this.whole;
    while (box.inside.length === 1 && box.inside[0].inside.length) box = box.inside[0];
    return box;
  }

  // Edges between operations become arrows of the level where the ways to their ends part.
  lift() {
    if (this.lifted) return this;
    this.lifted = true;
    const c = page.columns;
    const backward = c.phases.indexOf("backward");
    const shown = (op) => this.phase === null || c.named_phase[c.op_named[op]] === this.phase;
    const boxOf = Array.from(c.op_named, (named, op) => (shown(op) ? this.boxes.get(this.leaf[named]) : undefined));
    const inputs = new Map();
    for (let i = 0; i < c.edge_to.length; i++) {
      const to = c.edge_to[i];
      if (inputs.has(to)) inputs.get(to).push(c.edge_from[i]);
      else inputs.set(to, [c.edge_from[i]]);
    }
    boxOf.forEach((target, op) => {
      // In a diagram of all passes the gradients would run against every forward arrow: once is enough.
      if (!target || (this.grouped && c.named_phase[c.op_named[op]] === backward)) return;
      const seen = new Set();
      const waiting = [...(inputs.get(op) ?? [])];
      while (waiting.length) {
        const input = waiting.pop();
        if (seen.has(input)) continue;
        seen.add(input);
        if (boxOf[input]) this.#arrow(boxOf[input], target);
        else if (shown(input)) waiting.push(...(inputs.get(input) ?? [])); // the profiler hid it
      }
    });
    return this;
  }

  #arrow(source, target) {
    const [from, to] = [source, target].map((end) => {
      const way = [];
      for (let box = end; box; box = box.parent) way.push(box);
      return way.reverse();
    });
    for (let i = 1; i < from.length && i < to.length; i++) {
      if (from[i] !== to[i]) {
        const arrows = from[i - 1].arrows;
        const ends = `${from[i].node} ${to[i].node}`;
        if (!arrows.has(ends)) arrows.set(ends, { source: from[i], target: to[i], count: 0 });
        arrows.get(ends).count += 1;
        return;
      }
    }
  }
}

// Standard deviation of a sample.
function deviation(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

// `∇` before a tensor of the backward pass.
const gradient = (box) => (box.isTensor && box.phase === "backward" ? `∇ ${box.name}` : box.name);

// What a pointer over the box tells, as plotly's HTML.
function hover(box, total) {
  const passes = [...box.phases]
    .sort(([, one], [, other]) => other - one)
    .map(([phase, energy], _, all) => {
      const name = page.columns.phases[phase];
      return all.length > 1 && box.energy > 0 ? `${name} ${percent(energy / box.energy)}` : name;
    });
  const modelled = !box.measured;
  return [
    `<b>${safe(broken(box.path || box.name))}</b>`.replaceAll("\n", "<br>"),
    joules(box.energy) + (modelled ? " (modelled)" : ""),
    spread(box, page.runs),
    `${percent(box.share)} of its level, ${percent(total > 0 ? box.energy / total : 0)} of all operations`,
    `${modelled ? "" : `${watts(box.power)} over `}${seconds(box.time)}, ${count(box.count)} executions`,
    safe(passes.join(", ")),
  ]
    .filter(Boolean)
    .join("<br>");
}
