"""The ledger: where every joule of the counted domains went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from smaragdine.accounts.display import Displayed
from smaragdine.accounts.energy import MEASURED, MODELLED, Energy
from smaragdine.accounts.frame import dataframe

if TYPE_CHECKING:
    import pandas as pd

# What the recorded program took, our tracing of it included.
OWN = ("operations", "application", "untraced", "profiling")
ENTRIES = (*OWN, "daemon", "other", "idle", "gap")

# More hosts than this make a table that nobody reads.
_SIDE_BY_SIDE = 2

MEANINGS = {
    "operations": "operations of the program",
    "application": "the application in traced steps, outside operations",
    "untraced": "the application while no events were recorded",
    "profiling": "starting and stopping the profiler",
    "daemon": "smaragdine's own daemon",
    "other": "other processes",
    "idle": "nothing was active",
    "gap": "missed, failed or ambiguous readings, and those of which no share is known",
}


@dataclass(frozen=True, slots=True)
class LedgerRow:
    domain: str
    device: str
    basis: str
    entry: str
    energy_j: float


@dataclass(frozen=True, slots=True, repr=False)
class Ledger(Displayed):
    """Entries of one policy, by counted domain in the trace's order and entry in the ledger's."""

    policy: str
    rows: tuple[LedgerRow, ...]
    notice: str | None = None
    """What every view of it opens with; None where something measured is counted."""

    def __iter__(self) -> Iterator[LedgerRow]:
        return iter(self.rows)

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.domain for row in self.rows))

    @property
    def bases(self) -> tuple[str, ...]:
        held = {row.basis for row in self.rows}
        return tuple(basis for basis in (MEASURED, MODELLED) if basis in held)

    def entry(self, name: str) -> Energy:
        """Energy of one entry over all counted domains, by basis."""
        return Energy.total((row.basis, row.energy_j) for row in self.rows if row.entry == name)

    def domain(self, name: str) -> dict[str, float]:
        """Joules by entry of one domain."""
        return {row.entry: row.energy_j for row in self.rows if row.domain == name}

    def device(self, name: str) -> Energy:
        return Energy.total((row.basis, row.energy_j) for row in self.rows if row.device == name)

    @property
    def hosts(self) -> int:
        """How many machines' registers it tells of."""
        return len({row.domain.rpartition("/")[0] for row in self.rows})

    def to_be_read(self) -> Ledger:
        """A job's over its hosts where there are more of them than a table has room for, else as it is."""
        return self.over_hosts() if self.hosts > _SIDE_BY_SIDE else self

    def over_hosts(self) -> Ledger:
        """A job's, with the registers of the same name on all hosts as one."""
        sums: dict[tuple[str, str, str, str], float] = {}
        for row in self.rows:
            key = (row.domain.rpartition("/")[2], row.device, row.basis, row.entry)
            sums[key] = sums.get(key, 0.0) + row.energy_j
        return replace(self, rows=tuple(LedgerRow(*key, energy_j) for key, energy_j in sums.items()))

    @property
    def total(self) -> Energy:
        return Energy.total((row.basis, row.energy_j) for row in self.rows)

    def to_dicts(self) -> list[dict[str, Any]]:
        return [{"policy": self.policy, **asdict(row)} for row in self.rows]

    def to_pandas(self) -> pd.DataFrame:
        """One row per domain and entry; needs pandas."""
        return dataframe(self.to_dicts(), ["policy", "domain", "device", "basis", "entry", "energy_j"])
