"""The processes of a job, and its machines, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from smaragdine.accounts.energy import BASES
from smaragdine.accounts.quantity import joules, number, percent, seconds
from smaragdine.text.table import Table
from smaragdine.trace.jobs.rank import JobHost, Rank


def of_ranks(ranks: Sequence[Rank]) -> Table:
    """Each rank's steps, mean length of a step, waiting time and application energy; and how far the most is above the
    mean, which is what balancing them would change."""
    bases = [basis for basis in BASES if any(rank.energy[basis] for rank in ranks)] or [BASES[0]]
    rows = [
        (
            rank.host,
            f"{rank.rank}" + (f" (attempt {rank.attempt})" if rank.attempt > 1 else ""),
            seconds(rank.duration_s) if rank.duration_s is not None else "–",
            number(rank.steps),
            _step(rank),
            seconds(rank.waiting_s),
            *(joules(rank.energy[basis]) for basis in bases),
        )
        for rank in ranks
    ]
    if len(ranks) > 1:
        lengths = [rank.step_s for rank in ranks if rank.step_s is not None]
        rows.append(
            ("most above mean", "", _above([rank.duration_s or 0.0 for rank in ranks]), "", _above(lengths),
             _above([rank.waiting_s for rank in ranks]),
             *(_above([rank.energy[basis] for rank in ranks]) for basis in bases))
        )  # fmt: skip
    headers = (
        "host",
        "rank",
        "recorded",
        "steps",
        "mean step",
        "waiting",
        *(f"application ({basis})" for basis in bases),
    )
    return Table(headers, tuple(rows), frozenset(range(2, len(headers))))


def of_hosts(hosts: Sequence[JobHost]) -> Table:
    """What each machine's registers counted, and whose that was; and how far the most is above the mean."""
    rows: list[tuple[str, ...]] = []
    bases = [basis for basis in BASES if any(host.read[basis] for host in hosts)] or [BASES[0]]
    for basis in bases:
        for host in hosts:
            read_j, application_j = host.read[basis], host.application[basis]
            share = percent(application_j / read_j) if read_j > 0 else "–"
            rows.append((host.name, basis, joules(read_j), joules(application_j), share, joules(host.other[basis]),
                         joules(host.idle[basis])))  # fmt: skip
        if len(hosts) > 1:
            above = [
                _above([energy[basis] for energy in column])
                for column in zip(*((one.read, one.application, one.other, one.idle) for one in hosts), strict=True)
            ]
            rows.append(("most above mean", basis, above[0], above[1], "", above[2], above[3]))
    headers = ("host", "basis", "energy", "of it the ranks", "", "other processes", "idle")
    return Table(headers, tuple(rows), frozenset(range(2, len(headers))))


def _step(rank: Rank) -> str:
    return "–" if rank.step_s is None else seconds(rank.step_s)


def _above(values: Sequence[float]) -> str:
    mean = sum(values) / len(values) if values else 0.0
    return f"+{percent(max(values) / mean - 1)}" if mean > 0 else "–"
