"""At a Python prompt, and by `print`, everything shows itself as a short table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smaragdine import EDD, Footprint, Ledger, Runs
from smaragdine.accounts.comparison import Comparison
from smaragdine.accounts.coverage import Coverage
from smaragdine.accounts.energy import MODELLED_NOTICE, Energy
from smaragdine.accounts.footprint import RunsFootprint
from smaragdine.accounts.ledger import LedgerRow
from smaragdine.accounts.row import FootprintRow
from testbed import synthetic_trace

COVERED = Coverage(10, 2, 1.0, 0.2, Energy(3.0), Energy(1.0), 1.0, modelled=False)
SENTENCE = (
    "2 of 10 steps traced (20.0 %, 200 ms of 1.00 s); operations hold 75.0 % of the application's measured energy "
    "there; 100.0 % of operation time has a layer"
)


def row(name: str, energy_j: float, basis: str = "measured") -> FootprintRow:
    layer, _, kind = name.rpartition("/")
    return FootprintRow(0, name, layer, kind, "forward", "CPU:0", basis, energy_j, None, None, 0.1, 2)


def footprint(*rows: FootprintRow) -> Footprint:
    return Footprint(rows, "equal", COVERED)


@pytest.fixture
def two() -> Footprint:
    return footprint(row("net/dense/MatMul", 2.0), row("net/dense_1/MatMul", 1.0))


def lines(*text: str) -> str:
    return "\n".join(text)


def test_the_costliest_operations_are_a_table_under_their_coverage(two: Footprint) -> None:
    expected = lines(
        SENTENCE,
        "operation         energy   share    time   power  count  basis",
        "net/dense/MatMul  2.00 J  66.7 %  100 ms  20.0 W      2  measured",
    )
    assert str(two.top(1)) == repr(two.top(1)) == expected


def test_groups_remain_a_list(two: Footprint) -> None:
    top = two.top(2, "layer")
    assert top == list(top) and [group.name for group in top[:1]] == ["net/dense"]
    assert isinstance(top, list) and len(top) == 2


def test_a_footprint_tells_its_policy_and_sum_and_leaves_out_what_is_small() -> None:
    many = footprint(*(row(f"net/op_{n}", float(20 - n)) for n in range(12)))
    told = str(many).splitlines()
    assert told[:2] == [SENTENCE, "TEF by policy equal, 12 operations: 174 J measured"]
    assert told[3].split() == ["net/op_0", "20.0", "J", "11.5", "%", "100", "ms", "200", "W", "2", "measured"]
    assert (len(told), told[-1]) == (14, "… and 2 more")


def test_runs_tell_means_and_deviations(two: Footprint) -> None:
    hotter = replace(two, rows=tuple(one.scaled(2, 1) for one in two.rows))
    assert str(RunsFootprint((two, hotter))) == lines(
        SENTENCE,
        "TEF by policy equal, 2 operations, mean of 2 runs",
        "operation           energy  sd over 2 runs   share    time   power  count  basis",
        "net/dense/MatMul    3.00 J        ± 1.41 J  66.7 %  100 ms  30.0 W      2  measured",
        "net/dense_1/MatMul  1.50 J        ± 707 mJ  33.3 %  100 ms  15.0 W      2  measured",
    )


def test_runs_of_one_are_told_as_that_one(two: Footprint) -> None:
    assert RunsFootprint((two,)).top(2) == two.top(2)
    assert str(RunsFootprint((two,)).top(2)) == str(two.top(2))


def test_a_ledger_is_a_table_of_its_entries() -> None:
    told = str(Ledger("equal", (LedgerRow("package-0", "CPU:0", "measured", "operations", 3.0),))).splitlines()
    assert told[0] == "ledger by policy equal: 3.00 J measured"
    assert told[2].split() == ["operations", "3.00", "J", "100.0", "%", "operations", "of", "the", "program"]
    assert (len(told), told[-1].split()) == (11, ["sum", "3.00", "J", "all", "readings"])


def test_a_diagram_is_a_tree(two: Footprint) -> None:
    assert str(EDD.of(two, name="net")) == lines(
        "EDD of net: 3.00 J measured, forward pass",
        "layer        energy    share   power",
        "net          3.00 J  100.0 %  15.0 W",
        "  net        3.00 J  100.0 %  15.0 W",
        "    dense    2.00 J   66.7 %  20.0 W",
        "    dense_1  1.00 J   33.3 %  10.0 W",
    )


def test_a_comparison_tells_both_sides_and_the_change(two: Footprint) -> None:
    assert str(Comparison.of(two, footprint(row("net/dense/MatMul", 3.0)), "op")) == lines(
        "op                       A       B    B − A           time A  time B  basis",
        "net/dense/MatMul    2.00 J  3.00 J  +1.00 J  +50.0 %  100 ms  100 ms  measured",
        "net/dense_1/MatMul  1.00 J       –  −1.00 J        –  100 ms       –  measured",
    )


def test_modelled_joules_are_told_as_such_before_anything_else() -> None:
    modelled = footprint(row("net/MatMul", 1.0, "modelled"))
    for thing in (modelled, modelled.top(1), RunsFootprint((modelled, modelled)), EDD.of(modelled)):
        assert str(thing).splitlines()[0] == MODELLED_NOTICE
    assert str(Comparison.of(modelled, modelled, "op")).splitlines()[0] == MODELLED_NOTICE
    assert " W " not in str(modelled.top(1))


def test_runs_name_their_traces_and_read_no_table(tmp_path: Path) -> None:
    path = synthetic_trace.write(tmp_path / "bert")
    runs = Runs.open(path, path)
    for table in path.glob("*.parquet"):
        table.unlink()
    told = repr(runs).splitlines()
    assert told[0] == "2 runs" and told[1].split() == ["name", "recorded", "path"]
    assert [line.split()[-1] for line in told[2:]] == [str(path)] * 2


def test_no_name_moves_the_cursor() -> None:
    hostile = footprint(row("net/\x1b[2J\n", 1.0))
    for thing in (hostile, hostile.top(1), EDD.of(hostile), Comparison.of(hostile, hostile, "op")):
        assert "\x1b" not in str(thing) and "\\x1b[2J" in str(thing)


def test_what_is_empty_shows_itself() -> None:
    for thing in (footprint(), footprint().top(3), Ledger("equal", ()), EDD.of(footprint()), Comparison(())):
        assert str(thing)
