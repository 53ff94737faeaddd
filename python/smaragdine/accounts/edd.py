"""The energy distribution diagram (EDD): layers nested as the program nests them, with shares and dataflow arrows.

A diagram of one pass follows the QTNs. Without a pass, operations stand under their layer, forward and backward of a
layer together, and optimizer, loss, metrics, data and runtime have boxes of their own beside the model.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from smaragdine.accounts.display import Drawn
from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.accounts.footprint import Footprints
from smaragdine.accounts.near import did_you_mean
from smaragdine.accounts.row import FootprintRow, sum_known
from smaragdine.accounts.summary import natural
from smaragdine.accounts.words import LAYER_WORDS
from smaragdine.errors import UsageError

# Deeper names than any model has stay whole.
_DEEPEST = 64

# What a QTN has before a layer's path, in which a model may be called so, too.
_PASSES = ("gradients", "optimizer")

# Name, whether it is a tensor; in a diagram of all passes, the tensor's pass, and the layer where it is a word of ours.
Key = tuple[str, bool, str]


@dataclass(frozen=True, slots=True)
class OpName:
    """What a diagram needs to know of an operation, one with no energy included: arrows may pass through it."""

    op: int
    qtn: str
    layer: str
    phase: str


@dataclass(frozen=True, slots=True, eq=False)
class Arrow:
    """Data flows from one box of a level to another."""

    source: EDD
    target: EDD
    count: int
    """Edges between operations that it stands for."""


@dataclass(slots=True, eq=False, repr=False)
class EDD(Drawn):
    """A box: a tensor, or a composite layer which is itself a diagram of the boxes inside."""

    name: str
    path: str
    """The layer's path, the tensor's QTN; empty for the whole program."""
    basis: str
    is_tensor: bool = False
    energy_j: float = 0.0
    energy_low_j: float | None = 0.0
    """Interval of the energy: the sum of its parts' bounds, None as soon as one is unknown."""
    energy_high_j: float | None = 0.0
    energy_sd_j: float | None = None
    """Standard deviation over the runs (of a sample); None for one run."""
    runs: int = 1
    """Runs that the diagram is the mean of."""
    time_s: float = 0.0
    """Sum of durations."""
    count: float = 0.0
    """Executions of operations."""
    share: float = 1.0
    """Of the level: of the sum over the boxes beside it and itself."""
    phases: dict[str, float] = field(default_factory=dict)
    """Joules by phase."""
    children: list[EDD] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    """Between children; empty where the trace has no graph."""
    left_out_j: float = 0.0
    """Of the whole program: joules of the other basis, which this diagram does not show."""
    notice: str | None = None
    """What every view of a modelled diagram opens with."""

    @classmethod
    def of(
        cls,
        subject: Footprints,
        phase: str | None = None,
        *,
        ops: Iterable[OpName] = (),
        edges: Iterable[tuple[int, int]] = (),
        basis: str | None = None,
        name: str = "program",
    ) -> EDD:
        """The diagram of a footprint: of one pass, or with `phase=None` of all, grouped by layer.

        Of several runs, that of their mean, with deviations; a box that is absent from a run has 0 J there. Shows one
        basis: the given one, else `measured` where anything was measured.
        """
        footprints = (subject if phase is None else subject.phase(phase)).footprints
        if basis is None:
            bases = {row.basis for footprint in footprints for row in footprint.rows}
            nothing_measured = not bases and all(footprint.modelled for footprint in footprints)
            basis = MODELLED if bases == {MODELLED} or nothing_measured else MEASURED
        n = len(footprints)
        root = cls(name, "", basis, runs=n, notice=subject.notice if basis == MODELLED else None)
        builder = _Builder(root, grouped=phase is None)
        for run, footprint in enumerate(footprints):
            for row in footprint.rows:
                if row.basis == basis:
                    builder.add(row.scaled(1 / n, 1 / n) if n > 1 else row, run)
                else:
                    builder.root.left_out_j += row.energy_j / n
        return builder.finish([op for op in ops if phase is None or op.phase == phase], edges)

    @property
    def power_w(self) -> float | None:
        return self.energy_j / self.time_s if self.time_s > 0 else None

    @property
    def modelled(self) -> bool:
        return self.basis == MODELLED

    @property
    def phase(self) -> str | None:
        """The pass of all that is inside; None where several meet."""
        return next(iter(self.phases)) if len(self.phases) == 1 else None

    @property
    def entrance(self) -> EDD:
        """The outermost level with something to compare: this one, or inside layers that are alone."""
        box = self
        while len(box.children) == 1 and box.children[0].children:
            box = box.children[0]
        return box

    def __iter__(self) -> Iterator[EDD]:
        return iter(self.children)

    def walk(self) -> Iterator[EDD]:
        """This box and all inside, outer before inner."""
        stack = [self]
        while stack:
            box = stack.pop()
            yield box
            stack.extend(reversed(box.children))

    def find(self, path: str) -> EDD:
        """The box with this path, a layer before a tensor of the same one. Raises SmaragdineError without one."""
        found = sorted((box for box in self.walk() if box.path == path), key=lambda box: box.is_tensor)
        if found:
            return found[0]
        paths = (box.path for box in self.walk() if box.path)
        raise UsageError(f"the diagram has no layer {path!r}", did_you_mean(path, paths))


def nesting(qtn: str, layer: str, phase: str, *, grouped: bool) -> tuple[Key, ...]:
    """The boxes that hold an operation, from the outermost to its own: by its QTN, or `grouped` under its layer."""
    segments = [name for name in qtn.split("/", _DEEPEST) if name] or [qtn]
    if grouped:
        path = [name for name in layer.split("/", _DEEPEST) if name]
        # A model may be called as a pass is; then the pass stands before its name.
        in_front = path[:1] != segments[:1] or segments[1 : len(path) + 1] == path
        if len(segments) > 1 and segments[0] in _PASSES and in_front:
            del segments[0]
        inside = segments[len(path) :] if segments[: len(path)] == path else segments
        segments = path + (inside or segments[-1:])
    # One that is called as a word of ours has a box of its own beside that of the word.
    word = layer if grouped and layer in LAYER_WORDS else ""
    *path, tensor = segments
    return (*((name, False, word) for name in path), (tensor, True, phase if grouped else ""))


class _Builder:
    """Hangs rows into the tree by their names, then lifts edges to the levels where their ends part."""

    def __init__(self, root: EDD, grouped: bool) -> None:
        self.root = root
        self.grouped = grouped
        self.below: dict[EDD, dict[Key, EDD]] = {root: {}}
        self.run_j: dict[EDD, dict[int, float]] = {root: {}}

    def add(self, row: FootprintRow, run: int) -> None:
        box = self.root
        self._count(box, row, run)
        for key in nesting(row.qtn, row.layer, row.phase, grouped=self.grouped):
            inside = self.below[box]
            if key not in inside:
                name, is_tensor, _ = key
                path = row.qtn if is_tensor else f"{box.path}/{name}".lstrip("/")
                inside[key] = EDD(name, path, self.root.basis, is_tensor, runs=self.root.runs, notice=self.root.notice)
                self.below[inside[key]], self.run_j[inside[key]] = {}, {}
            box = inside[key]
            self._count(box, row, run)

    def _count(self, box: EDD, row: FootprintRow, run: int) -> None:
        of_run = self.run_j[box]
        of_run[run] = of_run.get(run, 0.0) + row.energy_j * self.root.runs
        box.energy_j += row.energy_j
        box.energy_low_j = sum_known((box.energy_low_j, row.energy_low_j))
        box.energy_high_j = sum_known((box.energy_high_j, row.energy_high_j))
        box.time_s += row.time_s
        box.count += row.count
        box.phases[row.phase] = box.phases.get(row.phase, 0.0) + row.energy_j

    def finish(self, ops: Sequence[OpName], edges: Iterable[tuple[int, int]]) -> EDD:
        for box, inside in self.below.items():
            box.children = [inside[key] for key in sorted(inside, key=lambda key: (natural(key[0]), *key[1:]))]
            level_j = sum(child.energy_j for child in box.children)
            for child in box.children:
                child.share = child.energy_j / level_j if level_j > 0 else 0.0
        if (runs := self.root.runs) > 1:
            for box, of_run in self.run_j.items():
                box.energy_sd_j = statistics.stdev(of_run.get(run, 0.0) for run in range(runs))
        self._lift(ops, edges)
        return self.root

    def _lift(self, ops: Sequence[OpName], edges: Iterable[tuple[int, int]]) -> None:
        keys = {op.op: nesting(op.qtn, op.layer, op.phase, grouped=self.grouped) for op in ops}
        # In a diagram of all passes the gradients would run against every forward arrow: once is enough.
        left_out = {op.op for op in ops if self.grouped and op.phase == "backward"}
        arrows: dict[EDD, dict[tuple[EDD, EDD], int]] = {}
        drawn = {op for op, path in keys.items() if self._box(path) is not None}
        for from_op, to_op in _between(drawn - left_out, drawn, keys.keys() - drawn, edges):
            level = self.root
            for source, target in zip(keys[from_op], keys[to_op], strict=False):
                inside = self.below[level]
                if source != target:
                    ends = (inside[source], inside[target])
                    lifted = arrows.setdefault(level, {})
                    lifted[ends] = lifted.get(ends, 0) + 1
                    break
                level = inside[source]
        for box, lifted in arrows.items():
            box.arrows = [Arrow(source_box, target_box, count) for (source_box, target_box), count in lifted.items()]

    def _box(self, path: Sequence[Key]) -> EDD | None:
        box: EDD | None = self.root
        for key in path:
            box = self.below[box].get(key) if box else None
        return box


def _between(
    targets: Set[int], sources: Set[int], passed: Set[int], edges: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """The edges from `sources` to `targets`, also by way of operations that are `passed`: the profiler hid them."""
    inputs: dict[int, list[int]] = {}
    for from_op, to_op in edges:
        inputs.setdefault(to_op, []).append(from_op)
    for target in sorted(targets):
        seen: set[int] = set()
        waiting = list(inputs.get(target, ()))
        while waiting:
            op = waiting.pop()
            if op in seen:
                continue
            seen.add(op)
            if op in sources:
                yield op, target
            elif op in passed:
                waiting += inputs.get(op, ())
