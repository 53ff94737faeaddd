// Layered drawing of a small directed graph, step for step as `figures/layering.py` does it and explains it.

function layering(count, edges, widths, most, gap) {
  const onward = withoutCycles(count, edges);
  const rank = ranked(count, onward.map(([, ends]) => ends), most);
  const drawn = withPassages(count, onward, rank);
  const neighbours = neighboursOf(drawn.chains);
  ordered(drawn.ranks, neighbours);
  const width = new Map(drawn.ranks.flat().map((node) => [node, node < count ? widths[node] : gap / 2]));
  placed(drawn, neighbours, width, gap, count);
  return drawn;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
const lists = (count) => Array.from({ length: count }, () => []);

// Each edge once, with the direction in which it is ranked, and whether that is its reverse.
function withoutCycles(count, edges) {
  const following = lists(count);
  const entered = new Array(count).fill(0);
  for (const [source, target] of edges) {
    if (source === target) continue;
    following[source].push(target);
    entered[target] += 1;
  }
  const state = new Array(count).fill(0); // 0 not seen, 1 on the path, 2 done
  const back = new Set();
  const starts = [...Array(count).keys()].sort((a, b) => (entered[a] > 0) - (entered[b] > 0) || a - b);
  for (const start of starts) {
    if (state[start]) continue;
    state[start] = 1;
    const stack = [[start, 0]];
    while (stack.length) {
      const top = stack.at(-1);
      const [node, next] = top;
      const target = following[node][next];
      top[1] += 1;
      if (target === undefined) {
        state[node] = 2;
        stack.pop();
      } else if (state[target] === 1) {
        back.add(`${node} ${target}`);
      } else if (state[target] === 0) {
        state[target] = 1;
        stack.push([target, 0]);
      }
    }
  }
  const once = new Map(edges.map((edge) => [edge.join(" "), edge]));
  return [...once]
    .filter(([, [source, target]]) => source !== target)
    .map(([key, [source, target]]) => (back.has(key) ? [key, [target, source], true] : [key, [source, target], false]));
}

// Longest path from the sources, a rank taking `most` nodes; then sources move down to what they feed.
function ranked(count, edges, most) {
  const before = Array.from({ length: count }, () => new Set());
  const after = Array.from({ length: count }, () => new Set());
  for (const [source, target] of edges) {
    before[target].add(source);
    after[source].add(target);
  }
  const rank = new Array(count).fill(-1);
  const held = new Map();
  const hold = (level, change) => held.set(level, (held.get(level) ?? 0) + change);
  const full = (level) => (held.get(level) ?? 0) >= most;
  const deepest = (node) => Math.max(-1, ...[...before[node]].map((other) => rank[other]));
  const waiting = [...Array(count).keys()].filter((node) => !before[node].size);
  while (waiting.length) {
    waiting.sort((a, b) => deepest(a) - deepest(b) || a - b);
    const node = waiting.shift();
    let level = deepest(node) + 1;
    while (full(level)) level += 1;
    rank[node] = level;
    hold(level, 1);
    for (const target of [...after[node]].sort((a, b) => a - b)) {
      const ready = [...before[target]].every((other) => rank[other] >= 0);
      if (rank[target] < 0 && !waiting.includes(target) && ready) waiting.push(target);
    }
  }
  for (const node of [...Array(count).keys()].sort((a, b) => rank[b] - rank[a] || a - b)) {
    if (before[node].size || !after[node].size) continue;
    let level = Math.min(...[...after[node]].map((other) => rank[other])) - 1;
    while (level > rank[node] && full(level)) level -= 1;
    hold(rank[node], -1);
    hold(level, 1);
    rank[node] = level;
  }
  const used = [...new Set(rank)].sort((a, b) => a - b);
  return rank.map((level) => used.indexOf(level));
}

function withPassages(count, onward, rank) {
  const ranks = lists(Math.max(-1, ...rank) + 1);
  for (let node = 0; node < count; node++) ranks[rank[node]].push(node);
  let fresh = count;
  const chains = onward.map(([, [source, target], reverse]) => {
    const chain = [source];
    for (let level = rank[source] + 1; level < rank[target]; level++) {
      ranks[level].push(fresh);
      chain.push(fresh++);
    }
    chain.push(target);
    return reverse ? chain.reverse() : chain;
  });
  return { ranks, chains, centres: new Map() };
}

function neighboursOf(chains) {
  const neighbours = new Map();
  const join = (one, other) => {
    if (!neighbours.has(one)) neighbours.set(one, new Set());
    neighbours.get(one).add(other);
  };
  for (const chain of chains) {
    for (let i = 1; i < chain.length; i++) {
      join(chain[i - 1], chain[i]);
      join(chain[i], chain[i - 1]);
    }
  }
  return neighbours;
}

// Sweeps down and up by barycentre; keeps the order that crosses least.
function ordered(ranks, neighbours) {
  const placesOf = (nodes) => new Map((nodes ?? []).map((node, place) => [node, place]));
  let best = ranks.map((nodes) => [...nodes]);
  let fewest = crossings(ranks, neighbours);
  for (let sweep = 0; sweep < 12 && fewest > 0; sweep++) {
    const down = sweep % 2 === 0;
    const levels = down ? [...ranks.keys()].slice(1) : [...ranks.keys()].slice(0, -1).reverse();
    for (const level of levels) {
      const beside = placesOf(ranks[down ? level - 1 : level + 1]);
      const own = placesOf(ranks[level]);
      const barycentre = new Map(
        ranks[level].map((node) => {
          const places = [...(neighbours.get(node) ?? [])].map((other) => beside.get(other)).filter((p) => p !== undefined);
          return [node, places.length ? sum(places) / places.length : own.get(node)];
        })
      );
      ranks[level].sort((a, b) => barycentre.get(a) - barycentre.get(b) || own.get(a) - own.get(b));
    }
    const now = crossings(ranks, neighbours);
    if (now < fewest) [best, fewest] = [ranks.map((nodes) => [...nodes]), now];
  }
  ranks.splice(0, ranks.length, ...best);
}

function crossings(ranks, neighbours) {
  let total = 0;
  for (let i = 1; i < ranks.length; i++) {
    const place = new Map(ranks[i].map((node, index) => [node, index]));
    const seen = [];
    for (const node of ranks[i - 1]) {
      const ends = [...(neighbours.get(node) ?? [])].map((other) => place.get(other)).filter((p) => p !== undefined);
      for (const end of ends) for (const other of seen) if (other > end) total += 1;
      seen.push(...ends);
    }
  }
  return total;
}

// Each rank in turn as near as its order allows to the mean of its neighbours, a few times over.
function placed(drawn, neighbours, width, gap, count) {
  const { centres, chains, ranks } = drawn;
  const near = new Map(
    ranks.flat().map((node) => {
      const others = [...(neighbours.get(node) ?? [])];
      const pulls = others.map((other) => pull(node, other, count, neighbours));
      return [node, { others, pulls, weight: sum(pulls) || 1 }];
    })
  );
  for (const nodes of ranks) {
    let at = -(sum(nodes.map((node) => width.get(node))) + gap * (nodes.length - 1)) / 2;
    for (const node of nodes) {
      centres.set(node, at + width.get(node) / 2);
      at += width.get(node) + gap;
    }
  }
  for (let sweep = 0; sweep < 40; sweep++) {
    for (const nodes of sweep % 2 === 0 ? ranks : [...ranks].reverse()) {
      const wanted = nodes.map((node) => {
        const { others, pulls, weight } = near.get(node);
        return others.length ? sum(others.map((other, i) => centres.get(other) * pulls[i])) / weight : centres.get(node);
      });
      const offsets = [0];
      for (let i = 1; i < nodes.length; i++) {
        offsets.push(offsets[i - 1] + (width.get(nodes[i - 1]) + width.get(nodes[i])) / 2 + gap);
      }
      const weights = nodes.map((node) => near.get(node).weight);
      const places = nondecreasing(wanted.map((value, i) => value - offsets[i]), weights);
      nodes.forEach((node, i) => centres.set(node, places[i] + offsets[i]));
    }
  }
  // What is left of a lane's wobble goes where half a gap, which is free on either side, suffices.
  for (const chain of chains) {
    const inner = chain.slice(1, -1);
    const lane = inner.map((node) => centres.get(node));
    if (lane.length && Math.max(...lane) - Math.min(...lane) <= gap / 2) {
      for (const node of inner) centres.set(node, sum(lane) / lane.length);
    }
  }
}

// A lane should be straight before it is near either of its ends, and so should a chain of nodes.
function pull(node, other, count, neighbours) {
  const passages = (node >= count) + (other >= count);
  const busiest = Math.max(neighbours.get(node).size, neighbours.get(other).size);
  return passages === 0 && busiest <= 2 ? 4 : [1, 2, 32][passages];
}

// The non-decreasing sequence nearest to the values in weighted least squares (pool adjacent violators).
function nondecreasing(values, weights) {
  const pools = [];
  values.forEach((value, i) => {
    pools.push([value, weights[i], 1]);
    while (pools.length > 1 && pools.at(-2)[0] > pools.at(-1)[0]) {
      const [[high, v, n], [low, w, m]] = pools.splice(-2);
      pools.push([(high * v + low * w) / (v + w), v + w, n + m]);
    }
  });
  return pools.flatMap(([mean, , size]) => new Array(size).fill(mean));
}
