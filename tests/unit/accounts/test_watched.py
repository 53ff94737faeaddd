"""A register's energy is in a job once, however many watched it, and their applications' energies add."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smaragdine.accounts.watched import Watched, together

MS = 1_000_000


def watch(
    start_ms: int,
    end_ms: int,
    *,
    period_ms: int = 4,
    power_w: float = 50.0,
    app: float = 0.2,
    daemon: float = 0.01,
    idle: float = 0.1,
    gaps: tuple[tuple[int, int], ...] = (),
    unknown: tuple[tuple[int, int], ...] = (),
) -> Watched:
    """Readings of a register that draws `power_w`; `gaps` and `unknown` in milliseconds."""
    edges = np.append(np.arange(start_ms, end_ms, period_ms), end_ms).astype(np.int64)
    start, end = edges[:-1], edges[1:]

    def within(stretches: tuple[tuple[int, int], ...]) -> np.ndarray:  # type: ignore[type-arg]
        return np.array(
            [any(a < stop and begin < b for a, b in stretches) for begin, stop in zip(start, end, strict=True)], bool
        )

    gap = within(gaps)
    energy = np.where(gap, 0.0, power_w * (end - start) / 1e3)
    share = np.where(gap | within(unknown), np.nan, app)
    return Watched(start * MS, end * MS, energy, share, np.full(len(start), daemon), np.full(len(start), idle), gap)


def test_one_watcher_is_believed_as_it_is() -> None:
    one = watch(0, 1000)
    register = together([one])
    assert np.array_equal(register.energy_j, one.energy_j)
    assert register.app_j.sum() == pytest.approx(10.0, rel=1e-12)
    assert (register.gap_j, register.unknown_j, register.missing) == (0.0, 0.0, ())
    assert len(register.pieces) == 1


@given(count=st.integers(1, 8), periods=st.lists(st.sampled_from([3, 4, 7, 1000]), min_size=8, max_size=8))
def test_the_register_counts_once_however_many_watch_and_however_often(count: int, periods: list[int]) -> None:
    watchers = [watch(0, 2000, period_ms=periods[n], app=0.8 / count) for n in range(count)]
    register = together(watchers)
    assert register.known_j == pytest.approx(100.0, rel=1e-12)
    assert register.app_j.sum() == pytest.approx(80.0, rel=1e-9)
    assert register.idle_j.sum() == pytest.approx(10.0, rel=1e-9)


@given(st.data())
def test_the_order_of_watchers_moves_nothing(data: st.DataObject) -> None:
    watchers = [watch(0, 900), watch(500, 2100, period_ms=7), watch(1900, 2500), watch(2600, 2700)]
    mixed = data.draw(st.permutations(watchers))
    first, second = together(watchers), together(mixed)
    assert second.known_j == pytest.approx(first.known_j, rel=1e-12)
    assert second.app_j.sum() == pytest.approx(first.app_j.sum(), rel=1e-9)
    assert second.missing == first.missing == ((2500 * MS, 2600 * MS),)


@given(
    starts=st.lists(st.integers(0, 3000), min_size=1, max_size=6),
    lengths=st.lists(st.integers(50, 2000), min_size=6, max_size=6),
)
def test_what_is_known_is_the_union_of_what_was_watched(starts: list[int], lengths: list[int]) -> None:
    spans = [(start, start + length) for start, length in zip(starts, lengths, strict=False)]
    register = together([watch(*span) for span in spans])
    union = len({ms for start, stop in spans for ms in range(start, stop)})
    assert register.known_j == pytest.approx(0.05 * union, rel=1e-9)
    # Nothing overlaps and nothing runs backwards.
    assert (register.start_ns[1:] >= register.end_ns[:-1]).all()
    assert (register.end_ns >= register.start_ns).all()
    watched_ns = sum(piece.end_ns - piece.start_ns for piece in register.pieces)
    missing_ns = sum(stop - start for start, stop in register.missing)
    assert watched_ns + missing_ns == int(register.end_ns[-1] - register.start_ns[0])


def test_what_one_missed_another_tells() -> None:
    register = together([watch(0, 1000, gaps=((400, 600),)), watch(0, 1000, period_ms=5, app=0.3)])
    assert register.gap_j == 0.0
    assert register.known_j == pytest.approx(50.0, rel=1e-12)
    # Of the fifth of a second in which the first knew nothing, nobody can say how much was its own.
    assert register.unknown_j == pytest.approx(10.0 * (1 - 0.3 - 0.1 - 0.02 / 2), rel=0.05)


def test_a_gap_to_everybody_stays_a_gap() -> None:
    register = together([watch(0, 1000, gaps=((400, 600),)), watch(0, 1000, gaps=((480, 800),))])
    assert register.known_j == pytest.approx(50.0 - 0.05 * 120, rel=1e-9)
    assert (register.end_ns - register.start_ns)[register.gap].sum() == 120 * MS


def test_where_a_share_is_unknown_the_rest_is_nobodys_to_claim() -> None:
    register = together([watch(0, 1000, unknown=((0, 100),)), watch(0, 1000, app=0.3)])
    assert register.unknown_j == pytest.approx(5.0 * (1 - 0.3 - 0.1 - 0.01), rel=1e-6)


def test_one_daemon_that_served_all_took_its_energy_once() -> None:
    watchers = [watch(0, 1000), watch(200, 900)]
    assert together(watchers, [[0, 1]]).daemon_j.sum() == pytest.approx(0.5, rel=1e-9)
    assert together(watchers, [[0], [1]]).daemon_j.sum() == pytest.approx(0.5 + 0.35, rel=1e-9)


def test_nobody_and_nothing_are_no_error() -> None:
    empty = watch(0, 0)
    assert together([]).known_j == together([empty]).known_j == 0.0
    assert together([empty, watch(0, 100)]).known_j == pytest.approx(5.0)
