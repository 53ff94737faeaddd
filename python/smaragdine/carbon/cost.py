"""`Cost`: what one of many runs cost, or why that is not known, and whether the run came to its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smaragdine.carbon.emissions import drawn
from smaragdine.carbon.statement import Statement
from smaragdine.errors import NotMeasuredError

if TYPE_CHECKING:
    from smaragdine.carbon.place import Place
    from smaragdine.carbon.pue import Pue
    from smaragdine.carbon.run import Run

NOT_MEASURED = "no energy was measured or modelled"
# What programs and schedulers write of a run that came to nothing, in labels of these names.
_STATES = ("status", "state", "outcome")
_FAILED = ("failed", "fail", "error", "crashed", "killed", "cancelled", "timeout", "oom", "diverged")
_TRUE = ("true", "yes", "1")


@dataclass(frozen=True, slots=True)
class Cost:
    """One run. `statement` is None where nothing of it was counted: then its energy is not known, and never 0."""

    run: Run
    statement: Statement | None
    failed: str | None = None
    """Why the run counts as failed: it was cut, or its labels say so."""

    @classmethod
    def of(
        cls,
        run: Run,
        place: Place | None = None,
        *,
        pue: Pue | None = None,
        told_by: str = "",
        failed: Mapping[str, str] | None = None,
    ) -> Cost:
        """Modelled energy is taken, and marked. Imported logs keep their own PUE and intensity where neither place nor
        PUE is told. `failed`: labels with which a run counts as failed, beside those that are known to say so."""
        from dataclasses import replace

        try:
            statement = Statement.of([run], place, pue=pue, allow_modelled=True)
            if told_by and place:
                statement = replace(statement, told_by=told_by)
        except NotMeasuredError:
            return cls(run, None, failure(run, failed or {}))
        return cls(run, statement.with_cost(None), failure(run, failed or {}))

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def basis(self) -> str | None:
        """`measured`, `modelled`, or `measured and modelled`; None where nothing was counted."""
        return self.statement.basis if self.statement else None

    @property
    def kwh(self) -> float | None:
        """Without PUE."""
        return self.statement.kwh if self.statement else None

    @property
    def energy_kwh(self) -> float | None:
        """With PUE."""
        return self.statement.energy_kwh if self.statement else None

    @property
    def modelled_kwh(self) -> float | None:
        """Of `energy_kwh`."""
        return self.statement.modelled_kwh if self.statement else None

    @property
    def pue(self) -> float | None:
        return self.statement.pue.factor if self.statement else None

    @property
    def kg(self) -> float | None:
        """CO2 equivalent; None where no place is known."""
        return self.statement.kg if self.statement else None

    @property
    def source(self) -> str | None:
        """Where the carbon intensity comes from, in words: place, value, method, year, scope, source."""
        if self.statement is None or self.kg is None:
            return None
        value = self.statement.intensity_g_per_kwh
        figure = "" if value is None else f"{value:.4g} g CO2e/kWh; "
        if imported := self.statement.imported:
            where = f"{imported.region}: " if imported.region else ""
            return f"{where}{figure}{imported.intensity_source} ({imported.tool}’s own)"
        emissions = self.statement.emissions
        return f"{emissions.place.name} ({emissions.place.code}): {figure}{emissions.origin}" if emissions else None

    @property
    def hours(self) -> float | None:
        """Of the recording."""
        seconds = self.run.metadata.duration_s
        return None if seconds is None else seconds / 3600

    def component_kwh(self, name: str) -> float | None:
        """`cpu`, `gpu`, `dram` or `module`, without PUE; None where it was not measured."""
        return self.statement.credit.component_kwh(name) if self.statement and self.statement.credit else None

    def share_until(self, at_ns: int) -> float | None:
        """How much of the run's energy had been drawn by an instant of its clock: 0 before it began, 1 after its end.

        By its readings and its share of them; None where those tell nothing.
        """
        times, energy_j = drawn([self.run])
        return _until(times, energy_j, at_ns)


def failure(run: Run, told: Mapping[str, str]) -> str | None:
    """Why a run counts as failed; None where nothing says so."""
    if run.metadata.cut:
        return run.metadata.cut
    for label, value in sorted(run.metadata.labels.items()):
        name, word = label.lower(), value.strip().lower()
        if (
            (label in told and told[label] == value)
            or (name in _STATES and word in _FAILED)
            or (name == "failed" and word in _TRUE)
            or (name in ("exit_code", "exit-code") and word not in ("", "0"))
        ):
            return f"its label {label} says {value}"
    return None


def _until(times: NDArray[np.int64], energy_j: NDArray[np.float64], at_ns: int) -> float | None:
    whole = float(energy_j.sum())
    if whole <= 0:
        return None
    lengths = np.maximum(times[:, 1] - times[:, 0], 1)
    parts = np.clip((at_ns - times[:, 0]) / lengths, 0.0, 1.0)
    return float((energy_j * parts).sum()) / whole


def doubles(costs: Sequence[Cost], names: Sequence[str]) -> Iterator[str]:
    """What makes means look surer than they are: copies of one run, and ranks of one job taken for runs."""
    seals: dict[str, str] = {}
    jobs: dict[str, tuple[str, str]] = {}
    for cost, name in zip(costs, names, strict=True):
        seal, labels = cost.run.metadata.raw.get("seal"), cost.run.metadata.labels
        if isinstance(seal, str) and seals.setdefault(seal, name) != name:
            yield f"{name} is a copy of {seals[seal]}: it counts twice, and errors look smaller than they are."
        if (job := labels.get("job")) and (rank := labels.get("rank")):
            first_rank, first = jobs.setdefault(job, (rank, name))
            if rank != first_rank:
                yield f"{name} is a rank of the same job as {first}: they are one run, and count as two."


def titles(costs: Sequence[Cost]) -> list[str]:
    """A name for each: its own, with the folder where several share it, with a number where they share that, too."""
    told = [cost.name for cost in costs]
    folders = [cost.run.path.resolve().name for cost in costs]
    told = [
        f"{name} ({folder})" if told.count(name) > 1 and folder != name else name
        for name, folder in zip(told, folders, strict=True)
    ]
    seen: dict[str, int] = {}
    numbered = []
    for name in told:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(f"{name} #{seen[name]}" if told.count(name) > 1 else name)
    return numbered
