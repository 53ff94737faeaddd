"""A job's tables: registers once, what its processes took added up, operations by name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smaragdine.accounts.ledger import ENTRIES, OWN, Ledger
from smaragdine.accounts.row import sum_known
from smaragdine.errors import TraceError
from smaragdine.trace.accounting import Accounting
from smaragdine.trace.columns import TABLES
from smaragdine.trace.footprint import footprint_of
from smaragdine.trace.jobs.host import Machine, Watch, machines
from smaragdine.trace.jobs.metrics import metrics
from smaragdine.trace.jobs.part import Found, Part
from smaragdine.trace.metrics import Series, series_of
from smaragdine.trace.steps import Step
from smaragdine.trace.tables import Tables
from smaragdine.trace.written import Batches, Rows

_WRONG = 1e-3
_MERGED = ("ops", "edges", "steps", "footprint", "footprint_domains", "metrics")


@dataclass(frozen=True)
class Merged:
    """A job as one trace: rows by table, in the order of its columns, and what `trace.json` tells of it."""

    machines: tuple[Machine, ...]
    parts: tuple[Part, ...]
    tables: Mapping[str, Rows | Batches]
    """Readings are read once, those of a register at a time."""
    told: tuple[str, ...]
    """What is missing, and what does not fit together: whoever reads the numbers is to know."""
    warnings: tuple[str, ...]
    """What the parts themselves warned of."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What is kept of a part when its tables are closed."""

    ledgers: Mapping[str, Ledger]
    steps: Sequence[Step]
    metrics: Sequence[Series]


def merge(found: Found) -> Merged:
    """Raises TraceError where a part's tables are damaged, or no policy has accounted all of them."""
    whole, told = machines(found.parts)
    watches = [watch for machine in whole for watch in machine.registers]
    names = _Operations()
    footprints = _Footprints(names, {(part.path, seen): watch.name for watch in watches for part, seen in watch.seen})
    parts: dict[Path, _Told] = {}
    for part in found.parts:
        # One after the other: each is a database of its own while it is open.
        with part.accounting(*_MERGED) as accounting:
            ledgers = {policy: accounting.ledger(policy) for policy in accounting.policies}
            footprints.add(part, accounting, ledgers)
            parts[part.path] = _Told(ledgers, accounting.steps, series_of(accounting.tables))
    policies = _policies([one.ledgers for one in parts.values()])
    ledger, doubts = _ledger(watches, {path: one.ledgers for path, one in parts.items()}, policies)
    tables: dict[str, Rows | Batches] = dict.fromkeys(TABLES, ())
    tables["readings"] = (list(_readings(watch)) for watch in watches)
    tables["ledger"] = ledger
    tables["ops"], tables["edges"] = names.rows, sorted(names.edges)
    tables["footprint"], tables["footprint_domains"] = footprints.rows(policies), footprints.domain_rows(policies)
    tables["steps"] = list(_steps([(part, parts[part.path].steps) for part in found.parts], watches))
    tables["metrics"] = sorted(metrics(whole, {path: one.metrics for path, one in parts.items()}))
    return Merged(whole, found.parts, tables, (*found.absent, *told, *doubts), tuple(_warnings(found.parts)))


def _policies(parts: Sequence[Mapping[str, Ledger]]) -> list[str]:
    held = [set(ledgers) for ledgers in parts if ledgers]
    policies = set.intersection(*held) if held else set()
    if held and not policies:
        raise TraceError(
            f"no policy has accounted all parts: {'; '.join(', '.join(sorted(one)) for one in held)}",
            "`smaragdine account TRACE --policy equal` for each",
        )
    return sorted(policies)


def _readings(watch: Watch) -> Iterator[tuple[Any, ...]]:
    one = watch.register
    columns = (one.start_ns, one.end_ns, one.energy_j, one.app_j, one.daemon_j, one.idle_j, one.gap)
    for start_ns, end_ns, energy_j, app_j, daemon_j, idle_j, gap in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        known = not gap and energy_j > 0
        shares = [min(1.0, part_j / energy_j) if known else None for part_j in (app_j, daemon_j, idle_j)]
        # `lost`: which flags a gap had is told by the parts.
        yield (watch.name, start_ns, end_ns, energy_j, *shares, ["lost"] if gap else [], None, end_ns, end_ns,
               watch.domain.source)  # fmt: skip


def _ledger(
    watches: Sequence[Watch], ledgers: Mapping[Path, Mapping[str, Ledger]], policies: Sequence[str]
) -> tuple[list[tuple[Any, ...]], list[str]]:
    rows: list[tuple[Any, ...]] = []
    doubts: list[str] = []
    for policy in policies:
        for watch in watches:
            if not watch.domain.counted:
                continue
            energies = dict.fromkeys(ENTRIES, 0.0)
            for part, seen in watch.seen:
                # One that recorded nothing was accounted by none.
                own = ledgers[part.path][policy].domain(seen) if ledgers[part.path] else {}
                for entry in OWN:
                    energies[entry] += own.get(entry, 0.0)
            one = watch.register
            known = ~one.gap
            energies["daemon"] = float(one.daemon_j[known].sum())
            energies["idle"] = float(one.idle_j[known].sum())
            energies["gap"] = one.gap_j + one.unknown_j
            rest = one.known_j - one.unknown_j - sum(energies[name] for name in (*OWN, "daemon", "idle"))
            # Each rank's share is counted in ticks of its own; what they exceed the register by was no idle time.
            taken = min(max(0.0, -rest), energies["idle"])
            energies["idle"] -= taken
            energies["other"] = rest + taken
            if rest < -_WRONG * one.known_j and policy == policies[0]:
                doubts.append(
                    f"{watch.name}: the applications of those who watched it took {-rest:.3g} J more than it counted "
                    f"beside idle time ({one.known_j:.3g} J in all)"
                )
            rows += [(policy, watch.name, entry, energies[entry]) for entry in ENTRIES]
    return rows, doubts


class _Operations:
    """Operations by name, numbered anew: a number is a trace's own."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.edges: set[tuple[int, int]] = set()
        self._numbers: dict[tuple[Any, ...], int] = {}

    def of(self, tables: Tables) -> dict[int, int]:
        """The job's number of each of a part's operations."""
        numbers: dict[int, int] = {}
        seen: Counter[tuple[Any, ...]] = Counter()
        for op, qtn, layer, kind, phase, raw_name, flops, fused in tables.rows(
            "select op, qtn, layer, type, phase, raw_name, flops, fused from ops order by op"
        ):
            # A trace may have several operations of one name: the first of each rank is the same one.
            name = (qtn, layer, kind, phase)
            key = (*name, seen[name])
            seen[name] += 1
            if key not in self._numbers:
                self._numbers[key] = len(self.rows)
                self.rows.append((len(self.rows), qtn, layer, kind, phase, raw_name, flops, fused))
            numbers[op] = self._numbers[key]
        self.edges |= {
            (numbers[source], numbers[target])
            for source, target in tables.rows("select from_op, to_op from edges")
            if source in numbers and target in numbers
        }
        return numbers


class _Footprints:
    """What each operation took on all ranks: energies, times and counts add; so do the ends of intervals, which is the
    widest that they can be."""

    def __init__(self, names: _Operations, domains: Mapping[tuple[Any, str], str]) -> None:
        self._names = names
        self._domains = domains
        self._rows: dict[tuple[str, int, str, str], list[tuple[float, float | None, float | None, float, float]]]
        self._rows = defaultdict(list)
        self._by_domain: dict[tuple[str, int, str], float] = defaultdict(float)

    def add(self, part: Part, accounting: Accounting, policies: Iterable[str]) -> None:
        numbers = self._names.of(accounting.tables)
        for policy in policies:
            for row in footprint_of(accounting, policy).rows:
                key = (policy, numbers[row.op or 0], row.device, row.basis)
                self._rows[key].append((row.energy_j, row.energy_low_j, row.energy_high_j, row.time_s, row.count))
        for policy, op, domain, energy_j in accounting.tables.rows(
            "select policy, op, domain, energy_j from footprint_domains"
        ):
            name = self._domains.get((part.path, domain))
            if name is not None and op in numbers:
                self._by_domain[policy, numbers[op], name] += energy_j

    def rows(self, policies: Sequence[str]) -> list[tuple[Any, ...]]:
        rows = []
        for (policy, op, device, basis), parts in sorted(self._rows.items()):
            if policy not in policies:
                continue
            energies, lows, highs, times, counts = zip(*parts, strict=True)
            energy_j, time_s = sum(energies), sum(times)
            power_w = energy_j / time_s if time_s > 0 else None
            rows.append((policy, op, device, basis, energy_j, sum_known(lows), sum_known(highs), time_s,
                         int(sum(counts)), power_w))  # fmt: skip
        return rows

    def domain_rows(self, policies: Sequence[str]) -> list[tuple[Any, ...]]:
        return [(*key, energy_j) for key, energy_j in sorted(self._by_domain.items()) if key[0] in policies]


def _steps(parts: Sequence[tuple[Part, Sequence[Step]]], watches: Sequence[Watch]) -> Iterator[tuple[Any, ...]]:
    """Every rank's steps, numbered anew in the order of time."""
    names = {(part.path, seen): watch.name for watch in watches for part, seen in watch.seen}
    every = [(step, part) for part, steps in parts for step in steps]
    every.sort(key=lambda one: (one[0].start_ns, one[1].rank))
    for number, (step, part) in enumerate(every):
        energies = {names[part.path, domain]: energy_j for domain, energy_j in step.energy_j.items()
                    if (part.path, domain) in names}  # fmt: skip
        yield (number, step.epoch, step.start_ns, step.end_ns, step.traced, step.samples, energies, step.metrics)


def _warnings(parts: Sequence[Part]) -> Iterator[str]:
    """Each part's own, once where many say the same."""
    said: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        for warning in part.metadata.warnings:
            said[warning].append(part)
        if part.metadata.cut:
            said[part.metadata.cut].append(part)
    for warning, by in said.items():
        yield f"{by[0].label}{f' and {len(by) - 1} more' if len(by) > 1 else ''}: {warning}"
