"""All operations of a footprint as columns, each number and each name once: what the page's script draws from.

Names are interned by segment, boxes of all diagrams as a tree of them: a box is a number, whose parent and name stand
in a column. Three trees hang side by side: by QTN, by layer, and by layer with self-similar ones folded. A diagram of
one of them is what rows put into its boxes, so a number stands here once however many diagrams show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smaragdine.accounts.edd import Key, OpName, nesting
from smaragdine.accounts.energy import MEASURED
from smaragdine.accounts.footprint import Footprints
from smaragdine.accounts.summary import Summary, natural
from smaragdine.accounts.words import PHASES
from smaragdine.trace.runs import Runs

Numbers = NDArray[Any]
ROOTS = ("name", "layer", "folded")
"""The trees, by the first boxes' places."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Equal lengths: `box_*`, `named_*`, `row_*`, `op_*` (of the first run), `edge_*`."""

    names: list[str]
    """Segments in the order in which people read them: `layer_2` before `layer_10`."""
    phases: list[str]
    types: list[str]
    roots: Numbers
    """The box of all, of each tree in the order of `ROOTS`."""
    box_parent: Numbers
    """A root is its own. Boxes of one level stand in their order."""
    box_name: Numbers
    box_tensor: Numbers
    named_phase: Numbers
    named_name: Numbers
    """The box of an operation's name in the first tree, which spells its QTN."""
    named_layer: Numbers
    named_folded: Numbers
    named_folded_name: Numbers
    """What spells its QTN with self-similar layers folded."""
    spelt: dict[int, str]
    """QTNs that no box spells, for a slash at an odd place: by the place in `named_*`."""
    spelt_folded: dict[int, str]
    row_named: Numbers
    row_type: Numbers
    row_run: Numbers
    row_measured: Numbers
    row_energy_j: Numbers
    row_low_j: Numbers
    """NaN: not known."""
    row_high_j: Numbers
    row_time_s: Numbers
    row_count: Numbers
    op_named: Numbers
    edge_from: Numbers
    """Places of operations in `op_*`."""
    edge_to: Numbers

    @classmethod
    def of(cls, runs: Runs, footprint: Footprints, summary: Summary) -> Columns:
        rows = [row for one in footprint.footprints for row in one.rows]
        ops, edges = runs.traces[0].ops(), runs.traces[0].edges()
        named: dict[tuple[str, str, str], int] = {}
        row_named = [named.setdefault((row.qtn, row.layer, row.phase), len(named)) for row in rows]
        op_named = [named.setdefault((op.qtn, op.layer, op.phase), len(named)) for op in ops]
        trees = _Trees()
        leaves = np.array([trees.leaves(*one, summary) for one in named], np.uint32).reshape(-1, 4)
        names, place, boxes = trees.ordered()
        leaves = place[leaves]
        phases = list(dict.fromkeys([*PHASES, *(phase for _, _, phase in named)]))
        types = list(dict.fromkeys(row.type for row in rows))
        of_phase, of_type = ({word: i for i, word in enumerate(words)} for words in (phases, types))
        ends = _ends(ops, edges)
        return cls(
            names=names,
            phases=phases,
            types=types,
            roots=place[: len(ROOTS)],
            **boxes,
            named_phase=np.array([of_phase[phase] for _, _, phase in named], np.uint16),
            named_name=leaves[:, 0],
            named_layer=leaves[:, 1],
            named_folded=leaves[:, 2],
            named_folded_name=leaves[:, 3],
            spelt=_unspelt(enumerate(qtn for qtn, _, _ in named)),
            spelt_folded=_unspelt((i, summary.names.get(qtn, qtn)) for i, (qtn, _, _) in enumerate(named)),
            row_named=np.array(row_named, np.uint32),
            row_type=np.array([of_type[row.type] for row in rows], np.uint32),
            row_run=np.repeat(np.arange(len(runs), dtype=np.uint32), [len(one.rows) for one in footprint.footprints]),
            row_measured=np.array([row.basis == MEASURED for row in rows], np.uint8),
            row_energy_j=np.array([row.energy_j for row in rows], np.float64),
            row_low_j=_known([row.energy_low_j for row in rows]),
            row_high_j=_known([row.energy_high_j for row in rows]),
            row_time_s=np.array([row.time_s for row in rows], np.float64),
            row_count=np.array([row.count for row in rows], np.float64),
            op_named=np.array(op_named, np.uint32),
            edge_from=ends[:, 0],
            edge_to=ends[:, 1],
        )  # fmt: skip

    def of_phase(self, phase: str | None) -> NDArray[np.bool_]:
        """Which rows are of a pass; all where it is None."""
        if phase is None:
            return np.ones(len(self.row_named), np.bool_)
        rows: NDArray[np.bool_] = self.named_phase[self.row_named] == self.phases.index(phase)
        return rows

    def told(self) -> dict[str, Any]:
        """By name, for the page."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class _Trees:
    """Boxes as they are met; a box is its place."""

    def __init__(self) -> None:
        self._parent = list(range(len(ROOTS)))
        self._key: list[Key] = [("", False, "")] * len(ROOTS)
        self._place: dict[tuple[int, Key], int] = {}
        self._leaves: dict[tuple[int, str, str, str], int] = {}

    def leaves(self, qtn: str, layer: str, phase: str, summary: Summary) -> tuple[int, int, int, int]:
        """Of an operation: its box by name, by layer, by folded layer, and that of its folded name."""
        own, by_layer = self._leaf(0, qtn, layer, phase), self._leaf(1, qtn, layer, phase)
        folded = summary.names.get(qtn, qtn)
        if folded == qtn:
            return own, by_layer, self._leaf(2, qtn, layer, phase), own
        folded_layer = summary.layer(OpName(0, qtn, layer, phase), folded)
        return own, by_layer, self._leaf(2, folded, folded_layer, phase), self._leaf(0, folded, folded_layer, phase)

    def _leaf(self, tree: int, qtn: str, layer: str, phase: str) -> int:
        known = (tree, qtn, layer, phase)  # most folded names are met many times
        box = self._leaves.get(known)
        if box is None:
            box = tree
            for key in nesting(qtn, layer, phase, grouped=tree > 0):
                box = self._inside(box, key)
            self._leaves[known] = box
        return box

    def _inside(self, box: int, key: Key) -> int:
        inside = self._place.get((box, key))
        if inside is None:
            inside = self._place[box, key] = len(self._parent)
            self._parent.append(box)
            self._key.append(key)
        return inside

    def ordered(self) -> tuple[list[str], Numbers, dict[str, Numbers]]:
        """The names in order, the place of each box in a column in which levels stand in theirs, and the columns."""
        names = sorted({name for name, _, _ in self._key}, key=natural)
        of_name = {name: index for index, name in enumerate(names)}
        name = np.array([of_name[name] for name, _, _ in self._key], np.uint32)
        tensor = np.array([is_tensor for _, is_tensor, _ in self._key], np.uint8)
        words = sorted({word for _, _, word in self._key})
        of_word = {word: index for index, word in enumerate(words)}
        word = np.array([of_word[word] for _, _, word in self._key], np.uint32)
        order = np.lexsort((word, tensor, name))
        place = np.empty(len(order), np.uint32)
        place[order] = np.arange(len(order), dtype=np.uint32)
        parent = place[np.array(self._parent, np.uint32)]
        return names, place, {"box_parent": parent[order], "box_name": name[order], "box_tensor": tensor[order]}


def _known(values: Sequence[float | None]) -> Numbers:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _unspelt(names: Iterable[tuple[int, str]]) -> dict[int, str]:
    return {place: name for place, name in names if "//" in name or name.startswith("/") or name.endswith("/")}


def _ends(ops: Sequence[OpName], edges: Sequence[tuple[int, int]]) -> Numbers:
    """Edges between operations that have a name, by their places."""
    place = {op.op: index for index, op in enumerate(ops)}
    known = [(place[source], place[target]) for source, target in edges if source in place and target in place]
    return np.array(known, np.uint32).reshape(-1, 2)
