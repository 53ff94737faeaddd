"""What a trace was accounted to, by policy: its ledger here, its footprint in `footprint.py`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from smaragdine.accounts.energy import MEASURED
from smaragdine.accounts.ledger import ENTRIES, Ledger, LedgerRow
from smaragdine.accounts.notice import notice
from smaragdine.errors import UsageError, changed
from smaragdine.trace.metadata import Metadata
from smaragdine.trace.tables import Tables

if TYPE_CHECKING:
    from smaragdine.trace.steps import Step


class Accounting:
    """Errors are SmaragdineError: a policy that is not there, a table that contradicts another."""

    def __init__(self, metadata: Metadata, tables: Tables) -> None:
        self.metadata = metadata
        self.tables = tables

    @cached_property
    def steps(self) -> list[Step]:
        from smaragdine.trace.steps import steps_of

        return steps_of(self.tables)

    @property
    def policies(self) -> tuple[str, ...]:
        return tuple(policy for (policy,) in self.tables.rows("select distinct policy from ledger order by policy"))

    def ledger(self, policy: str) -> Ledger:
        rows = self.tables.rows("select domain, entry, energy_j from ledger where policy = ?", policy)
        if not rows and self.tables.rows("select 1 from readings limit 1"):
            raise self._not_accounted(policy)
        self._check_sums(rows)
        order = {domain.name: index for index, domain in enumerate(self.metadata.domains)}
        entries = {entry: index for index, entry in enumerate(ENTRIES)}
        rows.sort(key=lambda row: (order.get(row[0], len(order)), entries.get(row[1], len(entries))))
        return Ledger(policy, tuple(self._ledger_rows(rows)), notice(self.metadata.domains))

    def _check_sums(self, ledger: list[tuple[Any, ...]]) -> None:
        """The ledger holds every joule of the readings of which it tells, and none else."""
        for name, read_j in self.tables.rows(
            "select domain, sum(energy_j) from readings group by domain order by domain"
        ):
            entries = [energy_j for domain, _, energy_j in ledger if domain == name]
            tolerance = 1e-9 * (abs(read_j) + sum(abs(energy_j) for energy_j in entries)) + 1e-12
            if entries and abs(sum(entries) - read_j) > tolerance:
                raise changed(
                    self.tables.directory,
                    "ledger.parquet",
                    f"of {name} it holds {sum(entries)} J, readings.parquet {read_j} J",
                )

    def _ledger_rows(self, rows: list[tuple[Any, ...]]) -> Iterator[LedgerRow]:
        for name, entry, energy_j in rows:
            domain = self.metadata.domain(name)
            device, basis = (domain.device, domain.basis) if domain else ("", MEASURED)
            yield LedgerRow(name, device, basis, entry, energy_j)

    def _not_accounted(self, policy: str) -> UsageError:
        have = ", ".join(self.policies) or "none"
        return UsageError(
            f"the trace {self.tables.directory} is not accounted by policy {policy!r} (it has: {have})",
            f"smaragdine account {self.tables.directory} --policy {policy}",
        )
