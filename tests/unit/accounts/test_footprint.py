"""Footprints: grouping keeps every joule, and never adds measured to modelled."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smaragdine import SmaragdineError, Trace
from smaragdine.accounts.coverage import Coverage
from smaragdine.accounts.energy import Energy
from smaragdine.accounts.footprint import Footprint
from smaragdine.accounts.group import KEYS
from smaragdine.accounts.row import FootprintRow
from testbed import synthetic_trace
from testbed.sealed import seal_trace

NO_COVERAGE = Coverage(0, 0, 0.0, 0.0, Energy(), Energy(), None, modelled=False)

names = st.lists(st.sampled_from(["bert", "layer_0", "layer_1", "dense", "dense_1", "x"]), max_size=4).map("/".join)
rows = st.builds(
    lambda path, tensor, phase, device, basis, energy_j, time_s: FootprintRow(
        0, f"{path}/{tensor}".lstrip("/"), path, "MatMul", phase, device, basis, energy_j, None, None, time_s, 1
    ),
    names,
    st.sampled_from(["MatMul", "MatMul_1", "dense"]),
    st.sampled_from(["forward", "backward", "optimizer", "other"]),
    st.sampled_from(["CPU:0", "GPU:0"]),
    st.sampled_from(["measured", "modelled"]),
    st.floats(0, 1e6),
    st.floats(0, 1e3),
)
footprints = st.lists(rows, max_size=30).map(lambda held: Footprint(tuple(held), "equal", NO_COVERAGE))


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace.open(synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert"))


@given(footprints, st.sampled_from(KEYS))
def test_grouping_keeps_the_energy_and_time_of_each_basis(footprint: Footprint, key: str) -> None:
    groups = footprint.by(key)
    for basis in ("measured", "modelled"):
        total = sum(group.energy_j for group in groups if group.basis == basis)
        assert total == pytest.approx(footprint.total[basis], rel=1e-9, abs=1e-12)
        shares = sum(group.share for group in groups if group.basis == basis)
        assert shares == pytest.approx(1 if footprint.total[basis] > 0 else 0)
    assert sum(group.time_s for group in groups) == pytest.approx(sum(row.time_s for row in footprint), rel=1e-9)


def test_footprint_rows_add_up_to_the_operations_of_the_ledger(trace: Trace) -> None:
    expected = trace.ledger().entry("operations").measured_j
    assert trace.footprint().total.measured_j == pytest.approx(expected, rel=1e-9)


def test_both_bases_stay_two_numbers(tmp_path: Path) -> None:
    trace = Trace.open(synthetic_trace.write(tmp_path / "mixed", basis="modelled", gpu=True))
    total = trace.footprint().total
    assert total.measured_j > 0
    assert total.modelled_j > 0
    assert str(total).count("J") == 2
    assert not hasattr(total, "__float__")
    assert {group.basis for group in trace.footprint().by("phase")} == {"measured", "modelled"}


def test_power_is_energy_by_time(trace: Trace) -> None:
    group = trace.footprint().top(1)[0]
    assert group.power_w == pytest.approx(group.energy_j / group.time_s)


def test_no_time_has_no_power() -> None:
    assert FootprintRow(0, "a", "", "a", "other", "CPU:0", "measured", 1.0, None, None, 0.0, 1).power_w is None


def test_the_top_is_sorted_by_energy(trace: Trace) -> None:
    energies = [group.energy_j for group in trace.footprint().top(10)]
    assert energies == sorted(energies, reverse=True)
    assert len(energies) == 10


def test_an_unknown_key_is_refused_with_the_choices(trace: Trace) -> None:
    with pytest.raises(SmaragdineError) as caught:
        trace.footprint().by("colour")
    assert "layer" in (caught.value.hint or "")


def test_an_interval_is_known_only_where_every_row_has_one(trace: Trace) -> None:
    group = trace.footprint().by("phase")[0]
    assert group.energy_low_j is not None
    assert group.energy_low_j < group.energy_j
    row = FootprintRow(0, "a", "a", "a", "other", "CPU:0", "measured", 1.0, 0.9, 1.1, 1.0, 1)
    unknown = FootprintRow(1, "a", "a", "a", "other", "CPU:0", "measured", 1.0, None, None, 1.0, 1)
    assert Footprint((row, unknown), "equal", NO_COVERAGE).by("op")[0].energy_low_j is None


def test_the_whole_run_is_extrapolated_by_each_domains_energy_in_steps(trace: Trace) -> None:
    # All steps of the trace use the same energy and 4 of 20 are traced.
    traced, run = trace.footprint(), trace.footprint(scope="run")
    assert run.total.measured_j == pytest.approx(5 * traced.total.measured_j)
    assert run.by("phase")[0].count == pytest.approx(5 * traced.by("phase")[0].count)


def test_per_step_and_per_sample_divide_by_what_was_traced(trace: Trace) -> None:
    whole = trace.footprint().total.measured_j
    assert trace.footprint(per="step").total.measured_j == pytest.approx(whole / 4)
    assert trace.footprint(per="sample").total.measured_j == pytest.approx(whole / 32)
    assert trace.footprint(scope="run", per="step").total.measured_j == pytest.approx(whole / 4)


def test_per_token_without_logged_tokens_says_what_to_log(trace: Trace) -> None:
    with pytest.raises(SmaragdineError) as caught:
        trace.footprint(per="token")
    assert "tokens" in (caught.value.hint or "")


def test_a_data_frame_has_a_row_per_operation_and_device(trace: Trace) -> None:
    pytest.importorskip("pandas")
    frame = trace.footprint().to_pandas()
    assert len(frame) == len(trace.footprint())
    assert frame["energy_j"].sum() == pytest.approx(trace.footprint().total.measured_j)


def with_events(trace: Trace, directory: Path, change: str) -> Trace:
    """A copy of `trace` whose events are what the query `change` makes of the table `events`."""
    directory.mkdir()
    for file in trace.path.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    Trace.open(trace.path, external_access=True).sql(change).write_parquet(str(directory / "events.parquet"))
    return Trace.open(seal_trace(directory))


def test_traced_steps_that_are_alike_leave_intervals_as_wide_as_they_were(trace: Trace) -> None:
    for row in trace.footprint(scope="run"):
        assert row.energy_low_j == pytest.approx(0.95 * row.energy_j, rel=1e-6)
        assert row.energy_high_j == pytest.approx(1.05 * row.energy_j, rel=1e-6)


def test_what_traced_steps_differ_by_widens_the_interval_of_the_run(trace: Trace, tmp_path: Path) -> None:
    # Operation 0 takes no time in one of the four traced steps, a third more in each of the others.
    [(first,)] = trace.sql("select min(step) from events").fetchall()
    change = (
        f"select * replace (case when op != 0 then end_ns when step = {first} then start_ns "
        "else start_ns + (end_ns - start_ns) * 4 // 3 end as end_ns) from events"
    )
    row = with_events(trace, tmp_path / "uneven", change).footprint(scope="run").rows[0]
    steps = 20
    in_a_step = row.energy_j / steps
    deviation = in_a_step * ((1 + 3 / 9) / 3) ** 0.5
    half = 1.645 * deviation * (steps**2 / 4 * (1 - 4 / steps)) ** 0.5
    half = ((0.05 * row.energy_j) ** 2 + half**2) ** 0.5
    assert row.op == 0
    assert row.energy_low_j == pytest.approx(row.energy_j - half, rel=1e-3)
    assert row.energy_high_j == pytest.approx(row.energy_j + half, rel=1e-3)


def test_one_traced_step_tells_no_interval_of_the_run(trace: Trace, tmp_path: Path) -> None:
    directory = tmp_path / "one"
    directory.mkdir()
    for file in trace.path.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    change = "select * replace (traced and step = (select min(step) from events) as traced) from steps"
    Trace.open(trace.path, external_access=True).sql(change).write_parquet(str(directory / "steps.parquet"))
    seal_trace(directory)
    assert all(row.energy_low_j is None for row in Trace.open(directory).footprint(scope="run"))
