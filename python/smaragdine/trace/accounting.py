"""What a trace was accounted to: its ledger and footprint, by policy, and how much of the run they cover."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from smaragdine.accounts.coverage import Coverage
from smaragdine.accounts.energy import MEASURED
from smaragdine.accounts.footprint import Footprint
from smaragdine.accounts.ledger import ENTRIES, Ledger, LedgerRow
from smaragdine.accounts.notice import notice
from smaragdine.accounts.row import FootprintRow
from smaragdine.accounts.words import NO_LAYER
from smaragdine.errors import UsageError, changed, damaged
from smaragdine.trace.metadata import Metadata
from smaragdine.trace.steps import Step, steps_of
from smaragdine.trace.tables import Tables


class Accounting:
    """Errors are SmaragdineError: a policy that is not there, a table that contradicts another."""

    def __init__(self, metadata: Metadata, tables: Tables) -> None:
        self.metadata = metadata
        self.tables = tables

    @cached_property
    def steps(self) -> list[Step]:
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

    def footprint(self, policy: str) -> Footprint:
        """Of the traced steps."""
        rows = self._footprint_rows(policy)
        return Footprint(rows, policy, self._coverage(rows, self.ledger(policy)))

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

    def _footprint_rows(self, policy: str) -> tuple[FootprintRow, ...]:
        rows = self.tables.rows(
            "select f.op, o.qtn, o.layer, o.type, o.phase, f.device, f.basis, f.energy_j, f.energy_low_j, "
            "f.energy_high_j, f.time_s, f.count from footprint f left join ops o using (op) where f.policy = ? "
            "order by f.op, f.device, f.basis",
            policy,
        )
        nameless = next((row[0] for row in rows if row[1] is None), None)
        if nameless is not None:
            raise damaged(self.tables.directory, f"footprint.parquet has operation {nameless}, ops.parquet does not")
        return tuple(FootprintRow(*row) for row in rows)

    def _coverage(self, rows: tuple[FootprintRow, ...], ledger: Ledger) -> Coverage:
        # What trace.json tells of steps is the daemon's count; that they are sound shows only in their table.
        self.tables.check("steps")
        told = self.metadata.coverage
        time_s = sum(row.time_s for row in rows)
        with_layer_s = sum(row.time_s for row in rows if row.layer and row.layer != NO_LAYER)
        return Coverage(
            steps=told.steps,
            traced_steps=told.traced_steps or 0,
            steps_s=told.steps_s or 0.0,
            traced_s=told.traced_s or 0.0,
            operations=ledger.entry("operations"),
            application=ledger.entry("application"),
            layered_share=with_layer_s / time_s if time_s > 0 else None,
            modelled=self.metadata.modelled,
            notice=notice(self.metadata.domains),
            cut=self.metadata.cut,
            refused=self.metadata.refused if ledger.policy == "deconvolved" else (),
        )

    def _not_accounted(self, policy: str) -> UsageError:
        have = ", ".join(self.policies) or "none"
        return UsageError(
            f"the trace {self.tables.directory} is not accounted by policy {policy!r} (it has: {have})",
            f"smaragdine account {self.tables.directory} --policy {policy}",
        )
