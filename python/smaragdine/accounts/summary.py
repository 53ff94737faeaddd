"""Summaries (STEF, STPF): which composite layers are self-similar, and the name under which they fold.

Two siblings fold when their names differ in numbers alone and their insides have the same structure. Only layers fold,
operations never: `MatMul` and `MatMul_1` are different products, and so are the scopes that hold their gradients. Works
on names alone; energies follow their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from smaragdine.accounts.near import did_you_mean
from smaragdine.accounts.row import FootprintRow, sum_known
from smaragdine.errors import UsageError

# Graph optimisers add a cast here and drop a reshape there, so twelve equal layers seldom run exactly equal operations.
# Layers have the same structure when they share this much of all tensors that either of them has.
SAME_STRUCTURE = 0.75

# What the field calls a repeated layer of this name.
_KNOWN_NAMES = {"layer_k": "transformer"}

# Deeper names than any model has stay whole, so that no name can exhaust the stack.
_DEEPEST = 64

_NUMBER = re.compile(r"\d+")
_COUNTS = re.compile(r"(_#)+$")

# What a QTN may have before the layer's path.
_PASSES = ("gradients", "optimizer")


class Named(Protocol):
    """An operation by its name: a footprint's row, a diagram's node."""

    @property
    def qtn(self) -> str: ...
    @property
    def layer(self) -> str: ...


_N = TypeVar("_N", bound=Named)


@dataclass(slots=True)
class _Layer:
    """One scope of names: the tensors and scopes right below."""

    name: str
    folds: bool = False
    """It is a layer of the program; the scope that an operation opens within its layer is none."""
    tensors: set[str] = field(default_factory=set)
    layers: dict[str, _Layer] = field(default_factory=dict)
    _shape: frozenset[str] | None = None

    def shape(self) -> frozenset[str]:
        """Every tensor below, by its path with the numbers of layers left out; asked for once all are there."""
        if self._shape is None:
            stems = ((f"{layer.stem}/", layer) for layer in self.layers.values())
            self._shape = frozenset(self.tensors.union(stem + path for stem, layer in stems for path in layer.shape()))
        return self._shape

    @property
    def stem(self) -> str:
        """The name without a layer's numbers; frameworks leave the first of several unnumbered.

        So Keras's `dense` goes with `dense_1`, and where TensorFlow enters a scope again, `group_0` with `group_0_1`.
        """
        return _COUNTS.sub("", _NUMBER.sub("#", self.name)) if self.folds else self.name


@dataclass(frozen=True, slots=True)
class Summary:
    """How names fold: QTN → summarized QTN, and the layers that each folded layer stands for."""

    names: Mapping[str, str]
    folds: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, operations: Iterable[tuple[str, str]], patterns: Mapping[str, str] | None = None) -> Summary:
        """The summary of a set of operations, given as QTN and layer; it does not depend on their order.

        `patterns`: globs of layer paths with the name under which they fold, whatever their structure.
        """
        root = _Layer("")
        for qtn, path in sorted(set(operations)):
            layer = root
            *segments, tensor = qtn.split("/", _DEEPEST)
            first, last = _stretch(segments, path)
            for depth, name in enumerate(segments):
                layer = layer.layers.setdefault(name, _Layer(name))
                layer.folds |= first <= depth < last
            layer.tensors.add(tensor)
        names: dict[str, str] = {}
        folds: dict[str, tuple[str, ...]] = {}
        _Folding(names, folds, patterns or {}).fold([("", root)], "")
        return cls(names, folds)

    def unfold(self, name: str) -> frozenset[str]:
        """The QTNs behind a summarized name: a tensor's, or all in a layer. Raises SmaragdineError without any."""
        chosen = frozenset(qtn for qtn, own in self.names.items() if own == name or own.startswith(f"{name}/"))
        if not chosen:
            names = {*self.folds, *self.names.values()}
            raise UsageError(f"the summary has no {name!r}", did_you_mean(name, names))
        return chosen

    def rename(self, named: _N) -> _N:
        """The operation under its summarized name; as it is where the summary does not know it."""
        name = self.names.get(named.qtn)
        if name is None:
            return named
        return replace(named, qtn=name, layer=self.layer(named, name))  # type: ignore[type-var]

    def fold(self, rows: Sequence[FootprintRow]) -> tuple[FootprintRow, ...]:
        """Rows under their summarized names: those that now share name, pass, device and basis are added up."""
        merged: dict[tuple[str, str, str, str], list[FootprintRow]] = {}
        for row in rows:
            merged.setdefault((self.names[row.qtn], row.phase, row.device, row.basis), []).append(row)
        return tuple(self._merge(name, same) for (name, *_), same in merged.items())

    def _merge(self, name: str, rows: list[FootprintRow]) -> FootprintRow:
        return replace(
            rows[0],
            op=rows[0].op if len(rows) == 1 else None,
            qtn=name,
            layer=self.layer(rows[0], name),
            energy_j=sum(row.energy_j for row in rows),
            energy_low_j=sum_known(row.energy_low_j for row in rows),
            energy_high_j=sum_known(row.energy_high_j for row in rows),
            time_s=sum(row.time_s for row in rows),
            count=sum(row.count for row in rows),
        )

    @staticmethod
    def layer(row: Named, name: str) -> str:
        """The row's layer under its summarized name: a layer path is a stretch of the QTN, and folding keeps depth."""
        first, last = _stretch(row.qtn.split("/", _DEEPEST)[:-1], row.layer)
        return "/".join(name.split("/", _DEEPEST)[first:last]) or row.layer


def _stretch(segments: Sequence[str], layer: str) -> tuple[int, int]:
    """Where the layer's path lies in a QTN's segments: from the first to before the last; (0, 0) where it does not."""
    path = layer.split("/")
    for first in (0, 1) if segments and segments[0] in _PASSES else (0,):
        if list(segments[first : first + len(path)]) == path:
            return first, first + len(path)
    return 0, 0


@dataclass(frozen=True, slots=True)
class _Folding:
    """Gives names to everything, from the root inwards."""

    names: dict[str, str]
    folds: dict[str, tuple[str, ...]]
    patterns: Mapping[str, str]

    def fold(self, instances: list[tuple[str, _Layer]], folded: str) -> None:
        """Names all below layers that fold into one: `instances` are their paths, `folded` their common one."""
        for path, layer in instances:
            for tensor in layer.tensors:
                self.names[path + tensor] = folded + tensor
        children = [(path + name, child) for path, layer in instances for name, child in layer.layers.items()]
        children.sort(key=lambda item: natural(item[0]))
        asked: dict[str, list[tuple[str, _Layer]]] = {}
        for path, child in children:
            if (wanted := self._wanted(path, child)) is not None:
                asked.setdefault(wanted, []).append((path, child))
        rest = [(path, child) for path, child in children if self._wanted(path, child) is None]
        groups = [*asked.items(), *((None, alike) for alike in _self_similar(rest))]
        taken: set[str] = set()
        for wanted, alike in groups:
            own = list(dict.fromkeys(child.name for _, child in alike))
            name = wanted or _folded_name(own)
            if name in taken:  # layers of the same name that differ inside stay apart
                name = own[0] if len(own) == 1 else f"{own[0]}…{own[-1]}"
            taken.add(name)
            if len(own) > 1:
                self.folds[folded + name] = tuple(path for path, _ in alike)
            self.fold([(f"{path}/", child) for path, child in alike], f"{folded}{name}/")

    def _wanted(self, path: str, layer: _Layer) -> str | None:
        """The user's own name for a layer."""
        if not layer.folds or not self.patterns:
            return None
        segments = path.split("/")
        for pattern, name in self.patterns.items():
            globs = pattern.split("/")
            for own in (segments, segments[1:] if segments[0] in _PASSES else segments):
                if len(own) == len(globs) and all(fnmatchcase(s, g) for s, g in zip(own, globs, strict=True)):
                    return name
        return None


def _self_similar(children: Sequence[tuple[str, _Layer]]) -> list[list[tuple[str, _Layer]]]:
    """Children, in the natural order of their names, in groups of one stem and structure."""
    groups: list[tuple[str, frozenset[str], list[tuple[str, _Layer]]]] = []
    for path, child in children:
        stem, shape = child.stem, child.shape()
        for other_stem, other_shape, members in groups:
            if stem == other_stem and _alike(shape, other_shape, child.name == members[0][1].name):
                members.append((path, child))
                break
        else:
            groups.append((stem, shape, [(path, child)]))
    # The largest group first: it has the best claim on the plain name.
    return [members for _, _, members in sorted(groups, key=lambda group: -len(group[2]))]


def _alike(one: frozenset[str], other: frozenset[str], same_name: bool) -> bool:
    # The same layer inside folded parents is one layer, whatever an optimiser did to it in one of them.
    return same_name or len(one & other) >= SAME_STRUCTURE * len(one | other)


def _folded_name(names: Sequence[str]) -> str:
    """`k` where the names' numbers differ: `group_0_1`, `group_0_2` → `group_0_k`."""
    if len(names) == 1:
        return names[0]
    numbers = [_NUMBER.findall(name) for name in names]
    most = max(names, key=lambda name: len(_NUMBER.findall(name)))
    varies = [len({n[i] if i < len(n) else None for n in numbers}) > 1 for i in range(len(_NUMBER.findall(most)))]
    places = iter(varies)
    name = _NUMBER.sub(lambda match: "k" if next(places) else match.group(), most)
    return _KNOWN_NAMES.get(name, name)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key under which `layer_2` comes before `layer_10`."""
    return [
        (0, int(part), part) if part.isdigit() and part.isascii() else (1, 0, part) for part in re.split(r"(\d+)", name)
    ]
