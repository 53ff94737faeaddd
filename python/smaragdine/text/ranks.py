"""The processes of a job side by side."""

from __future__ import annotations

from collections.abc import Sequence

from smaragdine.accounts.energy import BASES
from smaragdine.accounts.quantity import joules, number, percent, seconds
from smaragdine.text.table import Table
from smaragdine.trace.job import Rank


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
        lengths = [rank.steps_s / rank.steps for rank in ranks if rank.steps]
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


def _step(rank: Rank) -> str:
    return seconds(rank.steps_s / rank.steps) if rank.steps else "–"


def _above(values: Sequence[float]) -> str:
    mean = sum(values) / len(values) if values else 0.0
    return f"+{percent(max(values) / mean - 1)}" if mean > 0 else "–"
