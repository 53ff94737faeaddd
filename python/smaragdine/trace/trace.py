"""`Trace`: the directory that one recording left behind, opened for reading."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smaragdine.accounts.coverage import NO_LAYER, Coverage
from smaragdine.accounts.edd import EDD, OpName
from smaragdine.accounts.energy import MEASURED, Energy
from smaragdine.accounts.footprint import Footprint, FootprintRow
from smaragdine.accounts.ledger import ENTRIES, Ledger, LedgerRow
from smaragdine.accounts.notice import notice
from smaragdine.errors import SmaragdineError, changed, damaged
from smaragdine.trace.metadata import Metadata
from smaragdine.trace.tables import Tables

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    from smaragdine.carbon.emissions import Emissions
    from smaragdine.carbon.place import Place
    from smaragdine.carbon.statement import Statement

_LOG = logging.getLogger("smaragdine")

# Flags of readings whose energy is not known.
DOUBTS = ("reset", "ambiguous", "lost", "suspended", "impossible", "standing")


@dataclass(frozen=True, slots=True)
class Readings:
    """Energy of one domain over consecutive intervals, in order of time. Arrays of equal length."""

    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    energy_j: NDArray[np.float64]
    app_share: NDArray[np.float64]
    """Fraction of each reading's energy; NaN where unknown."""
    gap: NDArray[np.bool_]
    """The energy of the interval is not known: its flags tell why."""

    @property
    def power_w(self) -> NDArray[np.float64]:
        """Mean power over each interval; NaN where an interval has no length or its energy is unknown."""
        length_s = (self.end_ns - self.start_ns) / 1e9
        known = (length_s > 0) & ~self.gap
        power = np.full(len(length_s), np.nan)
        power[known] = self.energy_j[known] / length_s[known]
        return power

    @property
    def total_j(self) -> float:
        return float(self.energy_j.sum())

    def __len__(self) -> int:
        return len(self.energy_j)


@dataclass(frozen=True, slots=True)
class Step:
    """One training, evaluation or prediction step."""

    step: int
    epoch: int
    start_ns: int
    end_ns: int
    traced: bool
    samples: int | None
    energy_j: dict[str, float]
    """Joules of the application by counted domain."""
    metrics: dict[str, float]

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


class Trace:
    """One recording: its readings, operations, steps, footprint and ledger.

    Open one with `Trace.open`. Errors are SmaragdineError and name the path: exit code 2 where the directory is no
    trace, is damaged or is still being recorded.
    """

    def __init__(self, path: Path, metadata: Metadata, tables: Tables) -> None:
        self.path = path
        self.metadata = metadata
        self._tables = tables

    @classmethod
    def open(cls, path: str | Path, *, external_access: bool = False, as_it_is: bool = False) -> Trace:
        """Opens the directory that a recording wrote (or its trace.json).

        Each table is checked when it is first read: what is not as it was sealed raises SmaragdineError, unless
        `as_it_is`. `external_access` lets `sql` read and write whatever else this process may; without it DuckDB has
        no files but the trace's tables, no network, and no way to change that.
        """
        directory = Path(path)
        if directory.name == "trace.json":
            directory = directory.parent
        metadata = Metadata.read(directory, as_it_is=as_it_is)
        if metadata.state == "recording":
            raise SmaragdineError(
                f"the trace {directory} is still being recorded",
                "wait until the recording ends; if it crashed, `smaragdine recover` rebuilds what it left",
                exit_code=2,
            )
        if metadata.checksums is None and not as_it_is:
            _LOG.warning("the trace %s holds no checksums, as an earlier version wrote it: damage would not show; "
                         "`smaragdine account %s` seals it", directory, directory)  # fmt: skip
        checksums = None if as_it_is else metadata.checksums
        return cls(directory, metadata, Tables(directory, checksums, external_access=external_access))

    def __repr__(self) -> str:
        return f"Trace({str(self.path)!r})"

    def _repr_html_(self) -> str:
        from smaragdine.text.notebook import of_trace

        return of_trace(self)

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def modelled(self) -> bool:
        """Nothing that a sensor measured is counted: power is a model's."""
        return self.metadata.modelled

    @property
    def notice(self) -> str | None:
        """What every view opens with where no sensor's energy is counted; None for a measured trace."""
        return notice(self.metadata.domains)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """A DuckDB query over the trace's tables, named as its files: readings, events, ops, edges, steps, …"""
        return self._tables.sql(query)

    def batches(self, query: str) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a query over the trace's tables, some thousand at a time; errors are SmaragdineError."""
        return self._tables.batches(query)

    def _rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._tables.rows(query, *parameters)

    @cached_property
    def readings(self) -> dict[str, Readings]:
        """Readings by domain, in the metadata's order; domains without any are left out."""
        rows = self._rows(
            "select domain, start_ns, end_ns, energy_j, app_share, "
            f"coalesce(list_has_any(flags, {list(DOUBTS)}), false) from readings "
            "order by domain, start_ns"
        )
        by_domain: dict[str, list[tuple[Any, ...]]] = {}
        for domain, *rest in rows:
            by_domain.setdefault(domain, []).append(tuple(rest))
        order = {domain.name: index for index, domain in enumerate(self.metadata.domains)}
        return {
            domain: Readings(
                start_ns=np.array([row[0] for row in of], dtype=np.int64),
                end_ns=np.array([row[1] for row in of], dtype=np.int64),
                energy_j=np.array([row[2] for row in of], dtype=np.float64),
                app_share=np.array([np.nan if row[3] is None else row[3] for row in of], dtype=np.float64),
                gap=np.array([row[4] for row in of], dtype=np.bool_),
            )
            for domain, of in sorted(by_domain.items(), key=lambda item: order.get(item[0], len(order)))
        }

    def require_readings(self) -> None:
        """Raises SmaragdineError with exit code 3 where nothing was read at all."""
        if not self._rows("select 1 from readings limit 1"):
            raise SmaragdineError(
                f"the trace {self.path} has no readings: no energy was measured or modelled",
                "`smaragdine doctor` tells what can be measured here",
                exit_code=3,
            )

    @cached_property
    def steps(self) -> list[Step]:
        rows = self._rows(
            "select step, epoch, start_ns, end_ns, traced, samples, energy_j, metrics from steps "
            "order by start_ns, step"
        )
        return [
            Step(step, epoch, start_ns, end_ns, traced, samples, _known(energy_j), _known(metrics))
            for step, epoch, start_ns, end_ns, traced, samples, energy_j, metrics in rows
        ]

    @property
    def policies(self) -> tuple[str, ...]:
        """Policies by which the trace has been accounted."""
        return tuple(policy for (policy,) in self._rows("select distinct policy from ledger order by policy"))

    def totals(self) -> dict[str, Energy]:
        """Energy of the counted domains by device, everything that ran on the machine included."""
        totals: dict[str, Energy] = {}
        for domain in self.metadata.counted:
            if domain.name in self.readings:
                energy = Energy.of(domain.basis, self.readings[domain.name].total_j)
                totals[domain.device] = totals.get(domain.device, Energy()) + energy
        return totals

    def coverage(self, policy: str = "equal") -> Coverage:
        """How much of the run the operations' energy covers."""
        return self._coverage(self._footprint_rows(policy), self.ledger(policy))

    def footprint(self, policy: str = "equal", *, scope: str = "traced", per: str = "run") -> Footprint:
        """The TEF: one row per operation, device and basis.

        `scope="run"` extrapolates from the traced steps to all; `per` is `run`, `step`, `sample` or `token`. Raises
        SmaragdineError where the trace was not accounted by this policy, or lacks the steps that were asked for.
        """
        from smaragdine.trace.extrapolation import scoped

        rows = self._footprint_rows(policy)
        footprint = Footprint(rows, policy, self._coverage(rows, self.ledger(policy)))
        return scoped(self, footprint, scope, per)

    def edd(
        self, phase: str | None = None, *, policy: str = "equal", basis: str | None = None, folded: bool = False
    ) -> EDD:
        """The EDD of one pass (`forward`, `backward`, `optimizer`, `other`), or of all, grouped by layer.

        `folded`: self-similar layers as one, as in a STEF.
        """
        footprint, ops = self.footprint(policy), self.ops()
        if folded:
            summary = footprint.summary()
            footprint, ops = footprint.folded(summary), [summary.rename(op) for op in ops]
        return EDD.of(footprint, phase, ops=ops, edges=self.edges(), basis=basis, name=self.name)

    def ops(self) -> list[OpName]:
        return [OpName(*row) for row in self._rows("select op, qtn, layer, phase from ops order by op")]

    def flops(self) -> dict[str, float]:
        """Floating-point operations of one execution by QTN, of the operations whose FLOPs are known."""
        return dict(self._rows("select qtn, avg(flops) from ops where flops is not null group by qtn"))

    def spans(self, layer: str) -> NDArray[np.int64]:
        """When operations of a layer, or of one inside it, were executing: rows of start_ns and end_ns, none touching.

        Of traced steps alone: elsewhere no events are known.
        """
        rows = self._rows(
            "select start_ns, end_ns from events join ops using (op) where layer = ? or starts_with(layer, ?) "
            "order by start_ns, end_ns",
            layer,
            f"{layer}/",
        )
        if not rows:
            return np.empty((0, 2), dtype=np.int64)
        times = np.array(rows, dtype=np.int64)
        reach = np.maximum.accumulate(times[:, 1])
        first = np.flatnonzero(np.r_[True, times[1:, 0] > reach[:-1]])
        return np.column_stack([times[first, 0], reach[np.r_[first[1:], len(times)] - 1]])

    def edges(self) -> list[tuple[int, int]]:
        return [(source, target) for source, target in self._rows("select from_op, to_op from edges order by all")]

    def ledger(self, policy: str = "equal") -> Ledger:
        """Where every joule of the counted domains went, by one policy."""
        rows = self._rows("select domain, entry, energy_j from ledger where policy = ?", policy)
        if not rows and self.readings:
            raise self._not_accounted(policy)
        self._check_sums(rows)
        order = {domain.name: index for index, domain in enumerate(self.metadata.domains)}
        entries = {entry: index for index, entry in enumerate(ENTRIES)}
        rows.sort(key=lambda row: (order.get(row[0], len(order)), entries.get(row[1], len(entries))))
        return Ledger(policy, tuple(self._ledger_rows(rows)), self.notice)

    def emissions(self, place: Place) -> Emissions:
        """What the application's energy emitted at a place, with interval and source."""
        from smaragdine.carbon.emissions import Emissions

        return Emissions.of(self, place)

    def statement(self, place: Place | None = None, *, allow_modelled: bool = False) -> Statement:
        """What the run cost; `.write("latex")` is it in one of many forms. Without a place energy stays energy.

        Raises SmaragdineError with exit code 3 where nothing was measured, unless modelled energy is allowed.
        """
        from smaragdine.carbon.statement import Statement

        return Statement.of([self], place, allow_modelled=allow_modelled).with_cost(None)

    def _check_sums(self, ledger: list[tuple[Any, ...]]) -> None:
        """The ledger holds every joule of the readings of which it tells, and none else."""
        for name, read_j in self._rows("select domain, sum(energy_j) from readings group by domain order by domain"):
            entries = [energy_j for domain, _, energy_j in ledger if domain == name]
            tolerance = 1e-9 * (abs(read_j) + sum(abs(energy_j) for energy_j in entries)) + 1e-12
            if entries and abs(sum(entries) - read_j) > tolerance:
                raise changed(
                    self.path, "ledger.parquet", f"of {name} it holds {sum(entries)} J, readings.parquet {read_j} J"
                )

    def _ledger_rows(self, rows: list[tuple[Any, ...]]) -> Iterator[LedgerRow]:
        for name, entry, energy_j in rows:
            domain = self.metadata.domain(name)
            device, basis = (domain.device, domain.basis) if domain else ("", MEASURED)
            yield LedgerRow(name, device, basis, entry, energy_j)

    def _footprint_rows(self, policy: str) -> tuple[FootprintRow, ...]:
        rows = self._rows(
            "select f.op, o.qtn, o.layer, o.type, o.phase, f.device, f.basis, f.energy_j, f.energy_low_j, "
            "f.energy_high_j, f.time_s, f.count from footprint f left join ops o using (op) where f.policy = ? "
            "order by f.op, f.device, f.basis",
            policy,
        )
        nameless = next((row[0] for row in rows if row[1] is None), None)
        if nameless is not None:
            raise damaged(self.path, f"footprint.parquet has operation {nameless}, ops.parquet does not")
        return tuple(FootprintRow(*row) for row in rows)

    def _coverage(self, rows: tuple[FootprintRow, ...], ledger: Ledger) -> Coverage:
        traced = [step for step in self.steps if step.traced]
        time_s = sum(row.time_s for row in rows)
        with_layer_s = sum(row.time_s for row in rows if row.layer and row.layer != NO_LAYER)
        return Coverage(
            steps=len(self.steps),
            traced_steps=len(traced),
            steps_s=sum(step.duration_s for step in self.steps),
            traced_s=sum(step.duration_s for step in traced),
            operations=ledger.entry("operations"),
            application=ledger.entry("application"),
            layered_share=with_layer_s / time_s if time_s > 0 else None,
            modelled=self.modelled,
            notice=self.notice,
            cut=self.metadata.cut,
            refused=self.metadata.refused if ledger.policy == "deconvolved" else (),
        )

    def _not_accounted(self, policy: str) -> SmaragdineError:
        have = ", ".join(self.policies) or "none"
        return SmaragdineError(
            f"the trace {self.path} is not accounted by policy {policy!r} (it has: {have})",
            f"smaragdine account {self.path} --policy {policy}",
            exit_code=2,
        )


def _known(values: dict[str, float | None] | None) -> dict[str, float]:
    return {name: value for name, value in (values or {}).items() if value is not None}
