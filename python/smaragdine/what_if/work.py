"""What operations of one layer, pass and type took: the rows of a footprint by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from smaragdine.accounts.footprint import Footprint
from smaragdine.accounts.row import FootprintRow, sum_known
from smaragdine.errors import UsageError

OPTIMIZER = "optimizer"


@dataclass(frozen=True, slots=True)
class Work:
    """Energy with its interval in joules, and the floating-point operations that took it; None where unknown."""

    layer: str
    phase: str
    type: str
    basis: str
    energy_j: float
    low_j: float | None
    high_j: float | None
    flops: float | None


@dataclass(frozen=True, slots=True)
class Layers:
    """A footprint by layer, of the traced steps, in which the application drew `application_j` in all."""

    application_j: float
    rows: tuple[Work, ...]

    @classmethod
    def of(cls, footprint: Footprint, flops: Mapping[str, float], application_j: float | None = None) -> Layers:
        """`flops`: of one execution, by QTN. Without `application_j`, operations are all that the application drew.

        Raises UsageError for a footprint of both bases, whose joules must not be compared.
        """
        rows = work_of(footprint, flops)
        if len({row.basis for row in rows}) > 1:
            raise UsageError("the footprint is partly modelled: its layers cannot be compared")
        return cls(sum(row.energy_j for row in rows) if application_j is None else application_j, rows)


def work_of(rows: Iterable[FootprintRow], flops: Mapping[str, float]) -> tuple[Work, ...]:
    """A footprint's rows by layer, pass, type and basis. `flops`: of one execution, by QTN.

    What an optimizer does for a layer, which its name tells (`optimizer/adamw/bert/pooler/AssignSub`), is that layer's,
    in the optimizer's pass.
    """
    rows = list(rows)
    layers = {row.layer for row in rows if row.phase in ("forward", "backward")}
    same: dict[tuple[str, str, str, str, bool], list[tuple[FootprintRow, float]]] = {}
    for row in rows:
        known = flops.get(row.qtn)
        layer = _served(row.qtn, layers) or row.layer if row.phase == OPTIMIZER else row.layer
        key = (layer, row.phase, row.type, row.basis, known is not None)
        same.setdefault(key, []).append((row, (known or 0.0) * row.count))
    return tuple(
        Work(
            layer, phase, kind, basis,
            sum(row.energy_j for row, _ in held),
            sum_known(row.energy_low_j for row, _ in held),
            sum_known(row.energy_high_j for row, _ in held),
            sum(done for _, done in held) if known else None,
        )
        for (layer, phase, kind, basis, known), held in same.items()
    )  # fmt: skip


def _served(qtn: str, layers: set[str]) -> str | None:
    """The longest layer's path within the name of an operation."""
    segments = qtn.split("/")
    for length in range(len(segments), 0, -1):
        for start in range(len(segments) - length + 1):
            if (path := "/".join(segments[start : start + length])) in layers:
                return path
    return None
