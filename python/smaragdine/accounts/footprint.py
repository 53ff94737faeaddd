"""The tensor energy footprint (TEF): qualified tensor name → energy, time, power, count, interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from smaragdine.accounts.coverage import Coverage
from smaragdine.accounts.energy import MEASURED, MODELLED, MODELLED_NOTICE, Energy
from smaragdine.accounts.frame import dataframe
from smaragdine.errors import SmaragdineError

if TYPE_CHECKING:
    import pandas as pd

    from smaragdine.accounts.summary import Summary

KEYS = ("op", "layer", "type", "phase", "stef")


@dataclass(frozen=True, slots=True)
class FootprintRow:
    """Energy and time of one operation on one device. `op` is None where a summary folded several into one."""

    op: int | None
    qtn: str
    layer: str
    type: str
    phase: str
    device: str
    basis: str
    energy_j: float
    energy_low_j: float | None
    energy_high_j: float | None
    time_s: float
    """Sum of durations."""
    count: float
    """Executions; a fraction where the footprint is scaled to a step or a sample."""

    @property
    def power_w(self) -> float | None:
        """Energy ÷ time; None where there is no time."""
        return self.energy_j / self.time_s if self.time_s > 0 else None

    def scaled(self, energy: float, amount: float) -> FootprintRow:
        """Energy and its interval times `energy`; time and count times `amount`."""
        return replace(
            self,
            energy_j=self.energy_j * energy,
            energy_low_j=None if self.energy_low_j is None else self.energy_low_j * energy,
            energy_high_j=None if self.energy_high_j is None else self.energy_high_j * energy,
            time_s=self.time_s * amount,
            count=self.count * amount,
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one name and basis. Of several runs, means; `*_sd_*` are their standard deviations."""

    name: str
    basis: str
    energy_j: float
    energy_low_j: float | None
    energy_high_j: float | None
    time_s: float
    power_w: float | None
    count: float
    share: float
    """Of all energy of this basis."""
    phase: str | None
    """None where operations of several phases meet."""
    energy_sd_j: float | None = None
    power_sd_w: float | None = None
    runs: int = 1
    """Runs in which the name occurs."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Rows of one policy. What is summed over rows keeps measured and modelled joules apart."""

    rows: tuple[FootprintRow, ...]
    policy: str
    coverage: Coverage
    scope: str = "traced"
    """`traced`: as accounted in traced steps; `run`: extrapolated to all steps."""
    per: str = "run"
    summarized_by: Summary | None = None
    """How names were folded; None where they were not."""
    operations: tuple[FootprintRow, ...] = ()
    """Of a summary: the rows that were folded."""

    def __iter__(self) -> Iterator[FootprintRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def total(self) -> Energy:
        return Energy.total((row.basis, row.energy_j) for row in self.rows)

    @property
    def modelled(self) -> bool:
        """No row rests on a sensor."""
        return self.coverage.modelled or (bool(self.rows) and all(row.basis == MODELLED for row in self.rows))

    @property
    def notice(self) -> str | None:
        """What every view of it opens with; None where a row rests on a sensor."""
        return self.coverage.notice or (MODELLED_NOTICE if self.modelled else None)

    @property
    def footprints(self) -> tuple[Footprint, ...]:
        """Itself: one run, where several may be meant."""
        return (self,)

    @property
    def summarized(self) -> bool:
        return self.summarized_by is not None

    def summary(self, patterns: Mapping[str, str] | None = None) -> Summary:
        """How the names fold; see `summarize`."""
        from smaragdine.accounts.summary import Summary

        return Summary.of(((row.qtn, row.layer) for row in self.rows), patterns)

    def folded(self, summary: Summary) -> Footprint:
        return replace(self, rows=summary.fold(self.rows), summarized_by=summary, operations=self.rows)

    def summarize(self, patterns: Mapping[str, str] | None = None) -> Footprint:
        """The STEF: self-similar layers folded, `layer_0` … `layer_11` → `transformer`; operations never fold.

        `patterns` are the user's own folds, before those by structure: `{"net/stage_*": "stage"}` folds all layers
        of that path (`*` and `?` as in file names, never across a `/`) into `net/stage`.
        """
        return self if self.summarized else self.folded(self.summary(patterns))

    def unfold(self, name: str) -> Footprint:
        """The operations that one name of a summary stands for: of a tensor, or of all in a layer.

        Raises SmaragdineError where the footprint is no summary, or has no such name.
        """
        if self.summarized_by is None:
            raise SmaragdineError("only a summary can be unfolded", "call summarize() first", exit_code=2)
        chosen = self.summarized_by.unfold(name)
        rows = tuple(row for row in self.operations if row.qtn in chosen)
        return replace(self, rows=rows, summarized_by=None, operations=())

    def by(self, key: str) -> list[Group]:
        """Rows grouped by `op` (QTN), `layer`, `type`, `phase` or `stef`, most energy first.

        A name with energy of both bases has two groups. Raises SmaragdineError for another key.
        """
        if key == "stef":
            return self.summarize().by("op")
        names: dict[str, Callable[[FootprintRow], str]] = {
            "op": lambda row: row.qtn,
            "layer": lambda row: row.layer,
            "type": lambda row: row.type,
            "phase": lambda row: row.phase,
        }
        if key not in names:
            raise SmaragdineError(f"a footprint cannot be grouped by {key!r}", f"choose one of {', '.join(KEYS)}", 2)
        name = names[key]
        grouped: dict[tuple[str, str], list[FootprintRow]] = {}
        for row in self.rows:
            grouped.setdefault((name(row), row.basis), []).append(row)
        total = self.total
        groups = [_group(name, basis, rows, total[basis]) for (name, basis), rows in grouped.items()]
        # Measured before modelled: their joules must not be compared with each other.
        return sorted(groups, key=lambda group: (group.basis != MEASURED, -group.energy_j, group.name))

    def top(self, n: int = 10, key: str = "op") -> list[Group]:
        """The `n` groups with the most energy."""
        return self.by(key)[:n]

    def phase(self, phase: str) -> Footprint:
        """Only the rows of one phase."""
        rows, operations = (tuple(row for row in of if row.phase == phase) for of in (self.rows, self.operations))
        return replace(self, rows=rows, operations=operations)

    def divided(self, amount: float, per: str) -> Footprint:
        """Per step, sample or token: every amount divided by how many there were."""
        rows, operations = (
            tuple(row.scaled(1 / amount, 1 / amount) for row in of) for of in (self.rows, self.operations)
        )
        return replace(self, rows=rows, operations=operations, per=per)

    def _repr_html_(self) -> str:
        from smaragdine.text.notebook import of_footprint

        return of_footprint(self)

    def to_dicts(self) -> list[dict[str, Any]]:
        return [{"policy": self.policy, **asdict(row), "power_w": row.power_w} for row in self.rows]

    def to_pandas(self) -> pd.DataFrame:
        """One row per operation and device; needs pandas."""
        return dataframe(self.to_dicts(), ["policy", *FootprintRow.__dataclass_fields__, "power_w"])


def _group(name: str, basis: str, rows: list[FootprintRow], total_j: float) -> Group:
    energy_j = sum(row.energy_j for row in rows)
    time_s = sum(row.time_s for row in rows)
    phases = {row.phase for row in rows}
    return Group(
        name=name,
        basis=basis,
        energy_j=energy_j,
        energy_low_j=sum_known(row.energy_low_j for row in rows),
        energy_high_j=sum_known(row.energy_high_j for row in rows),
        time_s=time_s,
        power_w=energy_j / time_s if time_s > 0 else None,
        count=sum(row.count for row in rows),
        share=energy_j / total_j if total_j > 0 else 0.0,
        phase=phases.pop() if len(phases) == 1 else None,
    )


def sum_known(values: Iterable[float | None]) -> float | None:
    """Sum of bounds, the widest the interval of a sum can be; None as soon as one is unknown."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total
