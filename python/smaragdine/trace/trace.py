"""`Trace`: the directory that one recording left behind, opened for reading."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smaragdine.accounts.display import Displayed
from smaragdine.accounts.energy import Energy
from smaragdine.accounts.notice import notice
from smaragdine.errors import NotMeasuredError, TraceError
from smaragdine.files.ranks import is_job
from smaragdine.trace.accounting import Accounting
from smaragdine.trace.here import here
from smaragdine.trace.jobs.opened import Opened
from smaragdine.trace.metadata import Metadata
from smaragdine.trace.tables import Tables

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from smaragdine.accounts.coverage import Coverage
    from smaragdine.accounts.edd import EDD, OpName
    from smaragdine.accounts.footprint import Footprint, Footprints
    from smaragdine.accounts.ledger import Ledger
    from smaragdine.carbon.emissions import Emissions
    from smaragdine.carbon.place import Place
    from smaragdine.carbon.statement import Statement
    from smaragdine.trace.jobs.part import Part
    from smaragdine.trace.metrics import Series
    from smaragdine.trace.readings import Readings
    from smaragdine.trace.spans import NamedSpan
    from smaragdine.trace.steps import Step

_LOG = logging.getLogger("smaragdine")


class Recorded(Displayed, ABC):
    """One trace, or several of the same thing: what readers may ask of either, one trace being runs of one."""

    __slots__ = ()

    traces: tuple[Trace, ...]
    """In the order given."""

    @abstractmethod
    def footprint(self, policy: str = "equal", *, scope: str = "traced", per: str = "run") -> Footprints:
        """Energy by operation; see `Trace.footprint`."""

    @property
    def name(self) -> str:
        """That of the first."""
        return self.traces[0].metadata.name

    @property
    def cut(self) -> str | None:
        """That a recording was cut, and how much of it is missing: of the first one that was."""
        return next((trace.metadata.cut for trace in self.traces if trace.metadata.cut), None)

    @property
    def notice(self) -> str | None:
        """What every view opens with where no sensor's energy is counted: that of the first trace that owes one."""
        notices = (notice(trace.metadata.domains) for trace in self.traces)
        return next((sentence for sentence in notices if sentence), None)

    def require_readings(self) -> None:
        """Raises NotMeasuredError where nothing was read at all in one of them."""
        for trace in self.traces:
            if not trace.rows("select 1 from readings limit 1"):
                raise NotMeasuredError(
                    f"the trace {trace.path} has no readings: no energy was measured or modelled",
                    "`smaragdine doctor` tells what can be measured here",
                )

    def edd(
        self,
        phase: str | None = None,
        *,
        policy: str = "equal",
        basis: str | None = None,
        device: str | None = None,
        folded: bool = False,
    ) -> EDD:
        """The EDD of one pass (`forward`, `backward`, `optimizer`, `other`), or of all, grouped by layer.

        Of several runs it tells mean energies, with deviations; arrows are those of the first run. With `device`, what
        that one drew; `folded`: self-similar layers as one, as in a STEF.
        """
        from smaragdine.accounts.edd import EDD

        footprint, first = self.footprint(policy), self.traces[0]
        if device is not None:
            footprint = footprint.device(device)
        ops = first.ops()
        if folded:
            summary = footprint.summary()
            footprint, ops = footprint.folded(summary), [summary.rename(op) for op in ops]
        return EDD.of(footprint, phase, ops=ops, edges=first.edges(), basis=basis, name=self.name)


class Trace(Recorded):
    """One recording: its readings, operations, steps, footprint and ledger.

    Open one with `Trace.open`. Errors are SmaragdineError and name the path: TraceError where the directory is no
    trace, is damaged or is still being recorded.
    """

    def __init__(self, path: Path, metadata: Metadata, tables: Tables) -> None:
        self.path = path
        self.metadata = metadata
        self._tables = tables
        self._accounting = Accounting(metadata, tables)
        self._opened = Opened(path)

    @classmethod
    def open(cls, path: str | Path, *, external_access: bool = False, as_it_is: bool = False) -> Self:
        """Opens the directory that a recording wrote (or its trace.json), or a job's, in which ranks wrote theirs.

        A URL that fsspec knows (`s3://bucket/job`) is fetched into a temporary directory, for which the extra `remote`
        is needed.

        Each table is checked when it is first read: what is not as it was sealed raises SmaragdineError, unless
        `as_it_is`. `external_access` lets `sql` read and write whatever else this process may; without it DuckDB has
        no files but the trace's tables, no network, and no way to change that.
        """
        directory, fetched = here(path)
        if directory.name == "trace.json":
            directory = directory.parent
        found = Opened(directory)
        if is_job(directory):
            from smaragdine.trace.jobs.joined import joined

            found = joined(directory)
        metadata = Metadata.read(found.tables, as_it_is=as_it_is)
        if metadata.state == "recording":
            raise TraceError(
                f"the trace {directory} is still being recorded",
                "wait until the recording ends; if it crashed, `smaragdine recover` rebuilds what it left",
            )
        if metadata.checksums is None and not as_it_is:
            _LOG.warning("the trace %s holds no checksums, as an earlier version wrote it: damage would not show; "
                         "`smaragdine account %s` seals it", directory, directory)  # fmt: skip
        checksums = None if as_it_is else metadata.checksums
        trace = cls(directory, metadata, Tables(found.tables, checksums, external_access=external_access))
        trace._opened = found._replace(kept=(*found.kept, *fetched))
        return trace

    def __repr__(self) -> str:
        return f"Trace({str(self.path)!r})"

    @property
    def traces(self) -> tuple[Trace, ...]:  # type: ignore[override]
        return (self,)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The traces of a job's ranks, by rank and attempt; none of a trace that is no job's."""
        return self._opened.parts

    @property
    def modelled(self) -> bool:
        """Nothing that a sensor measured is counted: power is a model's."""
        return self.metadata.modelled

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """A DuckDB query over the trace's tables, named as its files: readings, events, ops, edges, steps, …"""
        return self._tables.sql(query)

    def batches(self, query: str) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a query over the trace's tables, some thousand at a time; errors are SmaragdineError."""
        return self._tables.batches(query)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """All rows of a query over the trace's tables, `?` standing for parameters; errors are SmaragdineError."""
        return self._tables.rows(query, *parameters)

    @cached_property
    def readings(self) -> dict[str, Readings]:
        """Readings by domain, in the metadata's order; domains without any are left out."""
        from smaragdine.trace.readings import readings_by_domain

        return readings_by_domain(self._tables, (domain.name for domain in self.metadata.domains))

    @property
    def steps(self) -> list[Step]:
        return self._accounting.steps

    @cached_property
    def named_spans(self) -> list[NamedSpan]:
        """What the program named itself, each with its energy; none in traces of earlier versions."""
        from smaragdine.trace.spans import spans_of

        return spans_of(self._tables, self.metadata.domains, self.readings)

    @cached_property
    def metrics(self) -> list[Series]:
        """What machine and application did, about once a second; none in traces of earlier versions."""
        from smaragdine.trace.metrics import series_of

        return series_of(self._tables)

    @property
    def cpu_h(self) -> float | None:
        """Hours of CPU time that the application used; None where it is not known."""
        from smaragdine.trace.metrics import cpu_hours

        return cpu_hours(self._tables)

    @property
    def gpu_h(self) -> float | None:
        """Hours for which the application held GPUs, each counted; 0 where the machine has none, None if unknown."""
        return self._gpu_hours("gpu_held")

    @property
    def gpu_used_h(self) -> float | None:
        """Hours in which the application's kernels ran on GPUs: what it held them for, times their utilisation."""
        return self._gpu_hours("gpu_utilisation")

    def _gpu_hours(self, metric: str) -> float | None:
        from smaragdine.trace.metrics import gpu_hours

        gpus = any(device.startswith("GPU:") for device in self.metadata.devices) or self.metadata.hardware.gpus
        if not gpus and self.rows("select 1 from metrics limit 1"):
            return 0.0
        return gpu_hours(self._tables, metric)

    @property
    def policies(self) -> tuple[str, ...]:
        """Policies by which the trace has been accounted."""
        return self._accounting.policies

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
        from smaragdine.trace.footprint import footprint_of

        return footprint_of(self._accounting, policy).coverage

    def footprint(self, policy: str = "equal", *, scope: str = "traced", per: str = "run") -> Footprint:
        """The TEF: one row per operation, device and basis.

        `scope="run"` extrapolates from the traced steps to all; `per` is `run`, `step`, `sample` or `token`. Raises
        SmaragdineError where the trace was not accounted by this policy, or lacks the steps that were asked for.
        """
        from smaragdine.trace.extrapolation import scoped
        from smaragdine.trace.footprint import footprint_of

        return scoped(self._accounting, footprint_of(self._accounting, policy), scope, per)

    def ops(self) -> list[OpName]:
        from smaragdine.accounts.edd import OpName

        return [OpName(*row) for row in self.rows("select op, qtn, layer, phase from ops order by op")]

    def flops(self) -> dict[str, float]:
        """Floating-point operations of one execution by QTN, of the operations whose FLOPs are known."""
        return dict(self.rows("select qtn, avg(flops) from ops where flops is not null group by qtn"))

    def spans(self, layer: str) -> NDArray[np.int64]:
        """When operations of a layer, or of one inside it, were executing: rows of start_ns and end_ns, none touching.

        Of traced steps alone: elsewhere no events are known.
        """
        from smaragdine.trace.executing import executing

        return executing(self._tables, layer)

    def edges(self) -> list[tuple[int, int]]:
        return [(source, target) for source, target in self.rows("select from_op, to_op from edges order by all")]

    def ledger(self, policy: str = "equal") -> Ledger:
        """Where every joule of the counted domains went, by one policy."""
        return self._accounting.ledger(policy)

    def emissions(self, place: Place) -> Emissions:
        """What the application's energy emitted at a place, with interval and source."""
        from smaragdine.carbon.emissions import Emissions

        return Emissions.of(self, place)

    def statement(self, place: Place | None = None, *, allow_modelled: bool = False) -> Statement:
        """What the run cost; `.write("latex")` is it in one of many forms. Without a place energy stays energy.

        Raises NotMeasuredError where nothing was measured, unless modelled energy is allowed.
        """
        from smaragdine.carbon.statement import Statement

        return Statement.of([self], place, allow_modelled=allow_modelled).with_cost(None)
