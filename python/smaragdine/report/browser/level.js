// One level of a diagram laid out, as `figures/level.py` lays it out: boxes, and arrows as SVG paths, in pixels.

const nameWidth = (name, longest = page.level.name) => Math.max(92, 7 * Math.min([...name].length, longest) + 24);

function arranged(level) {
  const { height, rank, gap, margin, title, beside, boxes: most, name: longest } = page.level;
  let shown = level.inside;
  let others = [];
  if (shown.length > most) {
    const byEnergy = [...shown].sort((one, other) => other.energy - one.energy);
    others = byEnergy.slice(most - 1);
    const kept = new Set(byEnergy.slice(0, most - 1));
    shown = shown.filter((box) => kept.has(box));
  }
  const place = new Map(shown.map((box, i) => [box, i]));
  const arrows = [...level.arrows.values()]
    .map(({ source, target }) => [place.get(source), place.get(target)])
    .filter(([source, target]) => source !== undefined && target !== undefined);
  const flowing = [...new Set(arrows.flat())].sort((a, b) => a - b);
  const widths = shown.map((box) => nameWidth(gradient(box)));
  const local = new Map(flowing.map((node, i) => [node, i]));
  const count = flowing.length;
  const wide = flowing.map((node) => widths[node]);
  const flow = layering(count, arrows.map((ends) => ends.map((end) => local.get(end))), wide, beside, gap);

  const item = (box) => ({ box, name: gradient(box), share: box.share, width: nameWidth(gradient(box)) });
  const loose = shown.filter((_, i) => !local.has(i));
  loose.sort((a, b) => a.isTensor - b.isTensor || (a.isTensor ? b.energy - a.energy : 0));
  const items = loose.map(item);
  if (others.length) {
    const name = `${others.length} smaller`;
    items.push({ box: null, name, share: sum(others.map((box) => box.share)), width: nameWidth(name) });
  }
  const perRow = Math.min(beside, Math.max(3, Math.ceil(items.length / 2)));
  const rows = [];
  for (let i = 0; i < items.length; i += perRow) rows.push(items.slice(i, i + perRow));
  const rowWidths = rows.map((row) => sum(row.map(({ width }) => width)) + gap * (row.length - 1));

  const half = (node) => (node < count ? wide[node] / 2 : 4);
  const centres = [...flow.centres];
  const left = centres.length ? Math.min(...centres.map(([node, centre]) => centre - half(node))) : 0;
  const right = centres.length ? Math.max(...centres.map(([node, centre]) => centre + half(node))) : 0;
  const inner = Math.max(right - left, ...rowWidths, nameWidth(level.path || level.name, 60));
  const shift = margin + (inner - (right - left)) / 2 - left;
  const top = title + margin / 2;

  const boxes = [];
  const add = ({ box, name, share, width }, x, y) =>
    boxes.push({ x, y, w: width, h: height, name: box ? shorten(name, longest) : name, share, box });
  const boxOf = new Map();
  flow.ranks.forEach((nodes, depth) => {
    for (const node of nodes.filter((node) => node < count)) {
      const x = flow.centres.get(node) + shift - wide[node] / 2;
      add(item(shown[flowing[node]]), x, top + depth * (height + rank));
      boxOf.set(node, boxes.at(-1));
    }
  });
  const routes = routed(flow, boxOf, shift, top);
  let below = top + flow.ranks.length * (height + rank);
  rows.forEach((row, i) => {
    let x = margin + (inner - rowWidths[i]) / 2;
    for (const one of row) {
      add(one, x, below);
      x += one.width + gap;
    }
    below += height + gap;
  });
  const tall = below - (rows.length ? gap : rank) + margin;
  return { w: inner + 2 * margin, h: Math.max(tall, title + 2 * margin), boxes, routes };
}

// Arrows from box to box; where several leave or enter a box, they do so side by side.
function routed(flow, boxOf, shift, top) {
  const { height, rank } = page.level;
  const rankOf = new Map(flow.ranks.flatMap((nodes, depth) => nodes.map((node) => [node, depth])));
  const ends = (chain) => {
    const down = rankOf.get(chain[0]) < rankOf.get(chain.at(-1));
    return [[chain[0], down, chain[1]], [chain.at(-1), !down, chain.at(-2)]];
  };
  const ports = new Map(); // at each edge of each box, below or above, by where arrows come from or go to
  for (const [node, below, other] of flow.chains.flatMap(ends)) {
    const key = `${node} ${below}`;
    if (!ports.has(key)) ports.set(key, new Set());
    ports.get(key).add(other);
  }
  const port = ([node, below, other]) => {
    const near = [...ports.get(`${node} ${below}`)];
    near.sort((a, b) => flow.centres.get(a) - flow.centres.get(b) || a - b);
    const apart = Math.min(18, (0.6 * boxOf.get(node).w) / Math.max(1, near.length - 1));
    return flow.centres.get(node) + shift + apart * (near.indexOf(other) - (near.length - 1) / 2);
  };
  return flow.chains.map((chain) => {
    const [first, last] = ends(chain);
    const [near, far] = first[1] ? [height, 0] : [0, height];
    const y = (node, edge) => top + rankOf.get(node) * (height + rank) + edge;
    const points = [[port(first), y(chain[0], near)]];
    for (const node of chain.slice(1, -1)) {
      const x = flow.centres.get(node) + shift;
      points.push([x, y(node, far)], [x, y(node, near)]);
    }
    points.push([port(last), y(chain.at(-1), far)]);
    return points;
  });
}

// The line of an arrow as an SVG path, which ends at the foot of its head, and the head.
function wire(points) {
  let [[x, y], ...rest] = points;
  const parts = [`M${x.toFixed(1)},${y.toFixed(1)}`];
  rest.forEach(([toX, toY], i) => {
    if (i === rest.length - 1) toY += toY > y ? -page.level.head : page.level.head;
    const [a, b, c, d, bend] = [x, y, toX, toY, (y + toY) / 2].map((at) => at.toFixed(1));
    parts.push(Math.abs(toX - x) < 0.05 ? `L${c},${d}` : `C${a},${bend} ${c},${bend} ${c},${d}`);
    [x, y] = [toX, toY];
  });
  return parts.join("");
}
function head(points) {
  const [[, before], [x, y]] = points.slice(-2);
  const back = y > before ? y - page.level.head : y + page.level.head;
  const side = page.level.head / 2;
  return `M${x.toFixed(1)},${y.toFixed(1)}L${(x - side).toFixed(1)},${back.toFixed(1)}L${(x + side).toFixed(1)},${back.toFixed(1)}Z`;
}
