"""`Profile`: what a run took by component, epoch or step, as a small JSON that can be shared and varied."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smaragdine.errors import UsageError
from smaragdine.files import regular
from smaragdine.what_if import amounts, energyvis, form, taken
from smaragdine.what_if.part import Part
from smaragdine.what_if.point import Point
from smaragdine.what_if.work import Layers

if TYPE_CHECKING:
    from smaragdine.carbon.run import Run


@dataclass(frozen=True, slots=True)
class Profile:
    """What a run took; `docs/what-if.md` and `schema/profile.json` tell the file."""

    name: str
    by: str
    """`epoch`, `step` or `run`: what a point is."""
    points: tuple[Point, ...]
    parts: tuple[Part, ...] = ()
    basis: str = "unknown"
    notice: str = ""
    """What every view of it opens with; empty where a sensor was read."""
    region: str | None = None
    """Code of a place; None where nobody told one."""
    pue: float | None = None
    started: str | None = None
    """ISO 8601 with its zone."""
    outside_kwh: Mapping[str, float] = field(default_factory=dict)
    """What the run took outside all points: start and end, pauses, profiling."""
    layers: Layers | None = None
    source: str = ""

    @classmethod
    def read(cls, path: str | Path) -> Profile:
        """Of a file: ours, or EnergyVis's. Raises SmaragdineError with the place of what makes no sense."""
        return cls.parse(regular.text(Path(path), f"the profile {path}"), str(path))

    @classmethod
    def parse(cls, text: str, where: str = "the profile") -> Profile:
        """Of a text; `where` it is from."""
        try:
            content = json.loads(text, parse_constant=_not_finite)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where} is no JSON: {error}", "a profile is what `smaragdine export` writes") from None
        if energyvis.is_one(content):
            return cls(**energyvis.fields(content, where))
        return cls(**form.fields(content, where))

    @classmethod
    def of(cls, trace: Run, by: str | None = None) -> Profile:
        """Of a trace: by epoch where it has several, else by step, else the run as a whole.

        Its energy is what the run is charged with, as `smaragdine statement` tells it, without PUE.
        """
        return cls(**taken.fields(trace, by))

    def to_json(self) -> dict[str, Any]:
        """As `schema/profile.json` has it; what is unknown is null."""
        layers = self.layers
        return {
            "format": form.FORMAT,
            "version": form.VERSION,
            "name": self.name,
            "source": self.source,
            "basis": self.basis,
            "notice": self.notice,
            "region": self.region,
            "pue": self.pue,
            "started": self.started,
            "hardware": [
                {"name": p.name, "kind": p.kind, "quantity": p.quantity, "power_w": p.power_w, "flops": p.flops,
                 "source": p.source}
                for p in self.parts
            ],
            "by": self.by,
            "points": [
                {"number": p.number, "kwh": dict(p.kwh), "duration_s": p.duration_s, "metrics": dict(p.metrics)}
                for p in self.points
            ],
            "outside_kwh": dict(self.outside_kwh),
            "layers": None if layers is None else {
                "application_j": layers.application_j,
                "rows": [
                    {"layer": w.layer, "phase": w.phase, "type": w.type, "basis": w.basis, "energy_j": w.energy_j,
                     "low_j": w.low_j, "high_j": w.high_j, "flops": w.flops}
                    for w in layers.rows
                ],
            },
        }  # fmt: skip

    def write(self, path: str | Path) -> None:
        """Whole or not at all. Raises SmaragdineError where it cannot be written."""
        from smaragdine.files.writing import written
        from smaragdine.shown import json_text

        try:
            with written(Path(path)) as file:
                file.write((json_text(self.to_json()) + "\n").encode())
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror or error}", "name another place") from None

    @property
    def kwh(self) -> float:
        """All of it, without PUE."""
        return amounts.total((*(point.total_kwh for point in self.points), *self.outside_kwh.values()))

    @property
    def modelled(self) -> bool:
        return self.basis == "modelled"

    @property
    def duration_s(self) -> float | None:
        """Of all points; None as soon as one is unknown."""
        lengths = [point.duration_s for point in self.points if point.duration_s is not None]
        return sum(lengths) if len(lengths) == len(self.points) else None

    @property
    def start(self) -> datetime | None:
        return datetime.fromisoformat(self.started.replace("Z", "+00:00")) if self.started else None


def _not_finite(word: str) -> float:
    raise ValueError(f"{word} is no number")
