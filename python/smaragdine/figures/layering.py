"""Layered drawing of a small directed graph: ranks, order within ranks, positions. Pure geometry, no drawing.

The classic four steps (Sugiyama): break cycles, rank with a limit on width, order ranks by barycentres so that few
edges cross, then place each rank as close to its neighbours as the order allows. An edge over several ranks gets a
place of its own in each rank between, so that no edge ever runs through a node.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

Edge = tuple[int, int]


@dataclass(slots=True)
class Layering:
    """Nodes 0…n-1 are the caller's, further ones stand for edges that pass a rank."""

    ranks: list[list[int]]
    """Nodes of each rank from left to right."""
    chains: dict[Edge, list[int]]
    """For each edge given: its nodes from source to target."""
    centres: dict[int, float] = field(default_factory=dict)
    """Horizontal centre of each node."""


def layer(count: int, edges: Sequence[Edge], widths: Sequence[float], *, most: int, gap: float) -> Layering:
    """Places `count` nodes of the given widths, at most `most` of them beside one another, `gap` apart."""
    onward = _without_cycles(count, edges)
    rank = _ranks(count, [edge for edge, _ in onward.values()], most)
    layering = _with_passages(count, onward, rank)
    neighbours = _neighbours(layering.chains)
    _order(layering.ranks, neighbours)
    width = {node: widths[node] if node < count else gap / 2 for nodes in layering.ranks for node in nodes}
    _place(layering, neighbours, width, gap, count)
    return layering


def _without_cycles(count: int, edges: Sequence[Edge]) -> dict[Edge, tuple[Edge, bool]]:
    """Each edge with the direction in which it is ranked, and whether that is its reverse."""
    following: list[list[int]] = [[] for _ in range(count)]
    entered = [0] * count
    for source, target in edges:
        if source != target:
            following[source].append(target)
            entered[target] += 1
    state = [0] * count  # 0 not seen, 1 on the path, 2 done
    back: set[Edge] = set()
    for start in sorted(range(count), key=lambda node: (entered[node] > 0, node)):
        stack = [(start, iter(following[start]))] if state[start] == 0 else []
        state[start] = state[start] or 1
        while stack:
            node, rest = stack[-1]
            target = next(rest, -1)
            if target < 0:
                state[node] = 2
                stack.pop()
            elif state[target] == 1:
                back.add((node, target))
            elif state[target] == 0:
                state[target] = 1
                stack.append((target, iter(following[target])))
    return {(s, t): ((t, s), True) if (s, t) in back else ((s, t), False) for s, t in dict.fromkeys(edges) if s != t}


def _ranks(count: int, edges: Sequence[Edge], most: int) -> list[int]:
    """Longest path from the sources, a rank taking `most` nodes; then sources move down to what they feed."""
    before: list[set[int]] = [set() for _ in range(count)]
    after: list[set[int]] = [set() for _ in range(count)]
    for source, target in edges:
        before[target].add(source)
        after[source].add(target)
    rank = [-1] * count
    held: dict[int, int] = {}
    waiting = [node for node in range(count) if not before[node]]
    while waiting:
        # In the order in which they could have been placed: a breadth-first sweep keeps chains together.
        waiting.sort(key=lambda node: (max((rank[b] for b in before[node]), default=-1), node))
        node = waiting.pop(0)
        level = max((rank[b] for b in before[node]), default=-1) + 1
        while held.get(level, 0) >= most:
            level += 1
        rank[node] = level
        held[level] = held.get(level, 0) + 1
        for target in sorted(after[node]):
            if rank[target] < 0 and target not in waiting and all(rank[b] >= 0 for b in before[target]):
                waiting.append(target)
    for node in sorted(range(count), key=lambda node: -rank[node]):
        if not before[node] and after[node]:
            level = min(rank[a] for a in after[node]) - 1
            while level > rank[node] and held.get(level, 0) >= most:
                level -= 1
            held[rank[node]] -= 1
            held[level] = held.get(level, 0) + 1
            rank[node] = level
    used = sorted(set(rank))
    return [used.index(level) for level in rank]


def _with_passages(count: int, onward: dict[Edge, tuple[Edge, bool]], rank: list[int]) -> Layering:
    ranks: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for node in range(count):
        ranks[rank[node]].append(node)
    chains: dict[Edge, list[int]] = {}
    fresh = count
    for edge, ((source, target), reverse) in onward.items():
        chain = [source]
        for level in range(rank[source] + 1, rank[target]):
            ranks[level].append(fresh)
            chain.append(fresh)
            fresh += 1
        chain.append(target)
        chains[edge] = chain[::-1] if reverse else chain
    return Layering(ranks, chains)


def _neighbours(chains: dict[Edge, list[int]]) -> dict[int, set[int]]:
    neighbours: dict[int, set[int]] = {}
    for chain in chains.values():
        for one, other in itertools.pairwise(chain):
            neighbours.setdefault(one, set()).add(other)
            neighbours.setdefault(other, set()).add(one)
    return neighbours


def _order(ranks: list[list[int]], neighbours: dict[int, set[int]]) -> None:
    """Sweeps down and up by barycentre; keeps the order that crosses least."""
    best, fewest = [list(nodes) for nodes in ranks], _crossings(ranks, neighbours)
    for sweep in range(12):
        if fewest == 0:
            break
        levels = range(1, len(ranks)) if sweep % 2 == 0 else range(len(ranks) - 2, -1, -1)
        for level in levels:
            fixed = {node: place for place, node in enumerate(ranks[level - 1 if sweep % 2 == 0 else level + 1])}
            own = {node: place for place, node in enumerate(ranks[level])}

            def barycentre(node: int, fixed: dict[int, int] = fixed, own: dict[int, int] = own) -> tuple[float, int]:
                places = [fixed[other] for other in neighbours.get(node, ()) if other in fixed]
                return (sum(places) / len(places) if places else own[node], own[node])

            ranks[level].sort(key=barycentre)
        crossings = _crossings(ranks, neighbours)
        if crossings < fewest:
            best, fewest = [list(nodes) for nodes in ranks], crossings
    ranks[:] = best


def _crossings(ranks: list[list[int]], neighbours: dict[int, set[int]]) -> int:
    total = 0
    for upper, lower in itertools.pairwise(ranks):
        place = {node: index for index, node in enumerate(lower)}
        ends = [sorted(place[other] for other in neighbours.get(node, ()) if other in place) for node in upper]
        seen: list[int] = []
        for group in ends:
            total += sum(1 for end in group for other in seen if other > end)
            seen.extend(group)
    return total


def _place(
    layering: Layering, neighbours: dict[int, set[int]], width: dict[int, float], gap: float, count: int
) -> None:
    """Each rank in turn as near as its order allows to the mean of its neighbours, a few times over."""
    centres = layering.centres
    for nodes in layering.ranks:
        at = -(sum(width[node] for node in nodes) + gap * (len(nodes) - 1)) / 2
        for node in nodes:
            centres[node] = at + width[node] / 2
            at += width[node] + gap
    for sweep in range(40):
        for nodes in layering.ranks if sweep % 2 == 0 else reversed(layering.ranks):
            wanted, weights = [], []
            for node in nodes:
                near = [(centres[other], _pull(node, other, count, neighbours)) for other in neighbours.get(node, ())]
                weights.append(sum(pull for _, pull in near) or 1.0)
                wanted.append(sum(x * pull for x, pull in near) / weights[-1] if near else centres[node])
            offsets = [0.0]
            for one, other in itertools.pairwise(nodes):
                offsets.append(offsets[-1] + (width[one] + width[other]) / 2 + gap)
            ordered = _nondecreasing([w - o for w, o in zip(wanted, offsets, strict=True)], weights)
            for node, position, offset in zip(nodes, ordered, offsets, strict=True):
                centres[node] = position + offset
    # What is left of a lane's wobble goes where half a gap, which is free on either side, suffices.
    for chain in layering.chains.values():
        lane = [centres[node] for node in chain[1:-1]]
        if lane and max(lane) - min(lane) <= gap / 2:
            centres.update(dict.fromkeys(chain[1:-1], sum(lane) / len(lane)))


def _pull(node: int, other: int, count: int, neighbours: dict[int, set[int]]) -> float:
    """A lane should be straight before it is near either of its ends, and so should a chain of nodes."""
    passages = (node >= count) + (other >= count)
    if passages == 0 and max(len(neighbours[node]), len(neighbours[other])) <= 2:
        return 4.0
    return (1.0, 2.0, 32.0)[passages]


def _nondecreasing(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-decreasing sequence nearest to the values in weighted least squares (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (high, v, n), (low, w, m) = pools[-2:]
            pools[-2:] = [((high * v + low * w) / (v + w), v + w, n + m)]
    return [mean for mean, _, size in pools for _ in range(size)]
