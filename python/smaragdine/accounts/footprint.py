"""The tensor energy footprint (TEF): qualified tensor name → energy, time, power, count, interval."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from smaragdine.accounts.coverage import Coverage
from smaragdine.accounts.display import Displayed
from smaragdine.accounts.energy import MODELLED, MODELLED_NOTICE, Energy
from smaragdine.accounts.frame import dataframe
from smaragdine.accounts.group import Group, Groups, grouped, mean_groups
from smaragdine.accounts.row import FootprintRow
from smaragdine.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from smaragdine.accounts.summary import Summary

_F = TypeVar("_F", bound="Footprints")


class Footprints(Displayed, ABC):
    """A footprint, or those of several runs: what readers may ask of either, one run being runs of one."""

    __slots__ = ()

    footprints: tuple[Footprint, ...]
    """One for each run."""

    @abstractmethod
    def changed(self: _F, change: Callable[[Footprint], Footprint]) -> _F:
        """With the footprint of each run changed."""

    @abstractmethod
    def _groups(self, key: str) -> list[Group]:
        """By any key but `stef`."""

    @property
    def modelled(self) -> bool:
        """No row of one of them rests on a sensor."""
        return any(footprint.modelled for footprint in self.footprints)

    @property
    def notice(self) -> str | None:
        """What every view opens with: that of the first run that owes one."""
        return next((footprint.notice for footprint in self.footprints if footprint.notice), None)

    @property
    def summarized(self) -> bool:
        return all(footprint.summarized_by is not None for footprint in self.footprints)

    def summary(self, patterns: Mapping[str, str] | None = None) -> Summary:
        """How the names of all runs fold, so that each run folds alike; see `summarize`."""
        return summary_of(self.footprints, patterns)

    def folded(self: _F, summary: Summary) -> _F:
        return self.changed(
            lambda one: replace(one, rows=summary.fold(one.rows), summarized_by=summary, operations=one.rows)
        )

    def summarize(self: _F, patterns: Mapping[str, str] | None = None) -> _F:
        """The STEF: self-similar layers folded, `layer_0` … `layer_11` → `transformer`; operations never fold.

        `patterns` are the user's own folds, before those by structure: `{"net/stage_*": "stage"}` folds all layers
        of that path (`*` and `?` as in file names, never across a `/`) into `net/stage`.
        """
        return self if self.summarized else self.folded(self.summary(patterns))

    def unfold(self: _F, name: str) -> _F:
        """The operations that one name of a summary stands for: of a tensor, or of all in a layer.

        Raises SmaragdineError where the footprint is no summary, or has no such name.
        """
        return self.changed(lambda one: _unfolded(one, name))

    def phase(self: _F, *phases: str) -> _F:
        """Only the rows of these passes."""
        return self._only(lambda row: row.phase in phases)

    def device(self: _F, *devices: str) -> _F:
        """Only the rows of these devices."""
        return self._only(lambda row: row.device in devices)

    def basis(self: _F, *bases: str) -> _F:
        """Only the rows that rest on these: `measured`, `modelled`."""
        return self._only(lambda row: row.basis in bases)

    def _only(self: _F, fits: Callable[[FootprintRow], bool]) -> _F:
        return self.changed(
            lambda one: replace(one, rows=tuple(filter(fits, one.rows)), operations=tuple(filter(fits, one.operations)))
        )

    def divided(self: _F, amount: float, per: str) -> _F:
        """Per step, sample or token: every amount divided by how many there were."""
        return self.changed(
            lambda one: replace(
                one, rows=_scaled(one.rows, 1 / amount), operations=_scaled(one.operations, 1 / amount), per=per
            )
        )

    def by(self, key: str) -> Groups:
        """Rows grouped by `op` (QTN), `layer`, `type`, `phase` or `stef`, most energy first.

        A name with energy of both bases has two groups. Of several runs, they are means, with the standard deviation
        of a sample and the number of runs that have the name. Raises SmaragdineError for another key.
        """
        if key == "stef":
            return self.summarize().by("op")
        coverage = dict.fromkeys(one.coverage.sentence() for one in self.footprints)
        groups = self._groups(key)
        return Groups(groups, key, runs=len(self.footprints), coverage=tuple(coverage), notice=self.notice)

    def top(self, n: int = 10, key: str = "op") -> Groups:
        """The `n` groups with the most energy."""
        return self.by(key).first(n)


@dataclass(frozen=True, slots=True, repr=False)
class Footprint(Footprints):
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
    def footprints(self) -> tuple[Footprint, ...]:  # type: ignore[override]
        return (self,)

    def changed(self, change: Callable[[Footprint], Footprint]) -> Footprint:
        return change(self)

    def _groups(self, key: str) -> list[Group]:
        return grouped(self.rows, key, self.total)

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

    def to_dicts(self) -> list[dict[str, Any]]:
        return [{"policy": self.policy, **asdict(row), "power_w": row.power_w} for row in self.rows]

    def to_pandas(self) -> pd.DataFrame:
        """One row per operation and device; needs pandas."""
        return dataframe(self.to_dicts(), ["policy", *FootprintRow.__dataclass_fields__, "power_w"])


@dataclass(frozen=True, slots=True, repr=False)
class RunsFootprint(Footprints):
    """Footprints of several runs; what it groups are means over all runs, a name absent from a run being 0 J there."""

    footprints: tuple[Footprint, ...]

    def changed(self, change: Callable[[Footprint], Footprint]) -> RunsFootprint:
        return RunsFootprint(tuple(map(change, self.footprints)))

    def _groups(self, key: str) -> list[Group]:
        if len(self.footprints) == 1:
            return self.footprints[0]._groups(key)
        return mean_groups([footprint._groups(key) for footprint in self.footprints])


def summary_of(footprints: Sequence[Footprint], patterns: Mapping[str, str] | None = None) -> Summary:
    """How the names of several footprints fold, whether or not they are runs of the same thing."""
    from smaragdine.accounts.summary import Summary

    return Summary.of(((row.qtn, row.layer) for footprint in footprints for row in footprint.rows), patterns)


def _unfolded(footprint: Footprint, name: str) -> Footprint:
    if footprint.summarized_by is None:
        raise UsageError("only a summary can be unfolded", "call summarize() first")
    chosen = footprint.summarized_by.unfold(name)
    rows = tuple(row for row in footprint.operations if row.qtn in chosen)
    return replace(footprint, rows=rows, summarized_by=None, operations=())


def _scaled(rows: Sequence[FootprintRow], factor: float) -> tuple[FootprintRow, ...]:
    return tuple(row.scaled(factor, factor) for row in rows)
