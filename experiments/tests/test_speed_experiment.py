"""Speed: the page is what the results come to, and what is compared is the same thing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from experiments.speed import joined, machine, page, published, run  # noqa: E402
from experiments.speed.number import Number, handed_over  # noqa: E402

MEASURED = {"commit": "abc", "date": "2026-11-29", "load_average_before": 0.1, "others_cores": 0.0, "stolen_cores": 0.0}


def results(**benches: object) -> dict[str, object]:
    on = {"cpu": "a processor", "cores": 2, "memory_gib": 8, "kernel": "Linux 6", "virtual": False}
    return {"machine": on, "software": {"rustc": "1.95.0"}, "benches": benches}


def bench(*numbers: Number, **more: object) -> dict[str, object]:
    return {**MEASURED, "problems": [], "numbers": [number.json() for number in numbers], **more}


def row(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return line.strip("| ").split(" | ")


def test_the_page_is_what_the_results_come_to() -> None:
    told = json.loads(run.RESULTS.read_text(encoding="utf-8"))
    assert run.README.read_text(encoding="utf-8") == page.rendered(told), (
        "run `python -m experiments.speed.run --render`"
    )


def test_numbers_stand_with_their_goals_and_what_they_are_compared_to() -> None:
    fast = Number("fast", 50.0, "M events/s", at_least=40.0, compared_to=("sorted", "absent"))
    slow = Number("slow", 0.5, "% of a core", at_most=0.3)
    text = page.rendered(results(alignment=bench(fast, slow, Number("sorted", 25.0, "M events/s"))))
    compared = "sorted: 25 M events/s (× 2); absent: not measured"
    assert row(text, "fast") == ["fast", "50 M events/s", "≥ 40, met", compared]
    assert row(text, "slow")[:3] == ["slow", "0.5 % of a core", "≤ 0.3, **missed**"]
    assert "**1 of 2 goals are met.**" in text
    assert "- alignment, slow (0.5 % of a core, goal ≤ 0.3)" in text


@pytest.mark.parametrize(
    ("name", "beside", "short"),
    [
        ("floor at 4 ms: rate", "sampler at 4 ms: rate", "floor"),
        ("a sort, overlap 4", "in order, 4 domains, overlap 4", "a sort"),
        ("bert.pb: Python, parsing alone", "bert.pb: all stages", "Python, parsing alone"),
        ("DuckDB", "account", "DuckDB"),
    ],
)
def test_what_is_compared_is_named_by_what_differs(name: str, beside: str, short: str) -> None:
    assert page.shortened(name, beside) == short


def test_what_was_not_measured_says_so() -> None:
    lacking = bench(Number("memory", None, "MiB", at_most=512.0), problems=["DuckDB: ModuleNotFoundError"])
    text = page.rendered(results(accounting=lacking))
    assert row(text, "memory")[:3] == ["memory", "not measured", "≤ 512"]
    assert "Not measured: DuckDB: ModuleNotFoundError" in text
    assert "**0 of 0 goals are met.**" in text
    assert "Not measured: sampling, station, monitor, alignment, xplane, kineto, end_to_end." in text


def test_other_load_is_told_where_there_was_some() -> None:
    number = Number("fast", 50.0, "M events/s")
    assert "load was not controlled" not in page.rendered(results(alignment=bench(number)))
    loaded = bench(number, others_cores=0.8)
    assert "**the load was not controlled**: others took 0.8 of a core" in page.rendered(results(alignment=loaded))


def test_a_goal_that_is_just_reached_is_met() -> None:
    assert Number("n", 40.0, "", at_least=40.0).met is True
    assert Number("n", 39.99, "", at_least=40.0).met is False
    assert Number("n", 0.3, "", at_most=0.3).met is True
    assert Number("n", 1.0, "").met is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(12_345.6, "12,346"), (249.71, "249.7"), (45.26, "45.3"), (0.012345, "0.0123"), (0.0, "0"), (3e-7, "0.0000003")],
)
def test_numbers_are_shown_with_as_many_figures_as_tell_them_from_their_goals(value: float, text: str) -> None:
    assert page.figures(value) == text


def test_a_bench_hands_over_each_number_once_and_none_of_anothers(tmp_path: Path) -> None:
    file = tmp_path / "numbers.jsonl"
    assert handed_over(file, "alignment") == []
    line = {
        "bench": "alignment",
        "name": "fast",
        "value": 50.0,
        "unit": "M events/s",
        "at_least": 40.0,
        "at_most": None,
    }
    file.write_text(json.dumps(line) + "\n")
    assert handed_over(file, "alignment") == [Number("fast", 50.0, "M events/s", at_least=40.0)]
    with pytest.raises(ValueError, match="xplane handed over numbers of alignment"):
        handed_over(file, "xplane")
    file.write_text(2 * (json.dumps(line) + "\n"))
    with pytest.raises(ValueError, match="more than one number as fast"):
        handed_over(file, "alignment")


def test_a_number_survives_its_json() -> None:
    for number in (Number("n", None, "s"), Number("n", 1.0, "s", at_least=1.0, compared_to=("m",))):
        assert Number.parse(json.loads(json.dumps(number.json()))) == number


def test_results_of_another_machine_or_compiler_are_not_kept_beside_new_ones() -> None:
    here = {"machine": machine.machine(), "software": machine.software(), "benches": {"alignment": bench()}}
    assert run.begun(here)["benches"] == here["benches"]
    assert run.begun({**here, "machine": {**here["machine"], "cpu": "another"}})["benches"] == {}
    assert run.begun({**here, "software": {"rustc": "another"}})["benches"] == {}


def test_every_bench_of_the_core_is_on_the_page() -> None:
    benches = {file.stem for file in (ROOT / "smaragdine-core" / "benches").glob("*.rs")}
    assert benches == set(page.BENCHES)


def test_what_a_machine_did_meanwhile_is_told() -> None:
    told: dict[str, object] = {}
    with machine.watched(told):
        pass
    assert told.keys() == {"date", "load_average_before", "others_cores", "stolen_cores"}


def test_duckdb_comes_to_the_joules_of_the_footprint_it_is_compared_with(tmp_path: Path) -> None:
    trace = written(tmp_path)
    # Twice alone, once half; while lane 0 computes, what is copied takes nothing, and all of it after that.
    expected = {(0, "CPU:0"): 10 + 5, (1, "CPU:0"): 5, (2, "CPU:0"): 10}
    assert joined.equal_share(trace) == pytest.approx({key: 0.5 * energy_j for key, energy_j in expected.items()})
    save(
        trace / "footprint.parquet",
        "select 'equal' as policy, 0::uinteger as op, 'CPU:0' as device, 7.5::double as energy_j",
    )
    with pytest.raises(ValueError, match="joules are off by"):
        joined.timed(trace)


def test_duckdb_is_timed_where_the_whole_footprint_is_the_same(tmp_path: Path) -> None:
    trace = written(tmp_path)
    rows = " union all ".join(
        f"select 'equal' as policy, {op}::uinteger as op, 'CPU:0' as device, {energy_j}::double as energy_j"
        for op, energy_j in ((0, 7.5), (1, 2.5), (2, 5.0))
    )
    save(trace / "footprint.parquet", rows)
    assert joined.timed(trace) > 0


def written(folder: Path) -> Path:
    """Four readings of 10 J in 10 ns each, of which the application has half."""
    metadata = {
        "domains": [
            {"name": "package-0", "device": "CPU:0", "counted": True},
            {"name": "psys", "device": "CPU:0", "counted": False},
        ]
    }
    (folder / "trace.json").write_text(json.dumps(metadata))
    readings = " union all ".join(
        f"select '{domain}' as domain, {start} as start_ns, {start + 10} as end_ns, "
        "10::double as energy_j, 0.5::double as app_share"
        for domain in ("package-0", "psys")
        for start in range(0, 40, 10)
    )
    save(folder / "readings.parquet", readings)
    events = ((0, 0, "compute", 0, 20), (1, 1, "compute", 10, 20), (2, 2, "copy", 15, 30), (0, 1, "wait", 20, 40))
    rows = " union all ".join(
        f"select {op}::uinteger as op, 'CPU:0' as device, {lane}::uinteger as lane, '{kind}' as kind, "
        f"{start} as start_ns, {end} as end_ns"
        for op, lane, kind, start, end in events
    )
    save(folder / "events.parquet", rows)
    return folder


def save(file: Path, query: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{file}' (format parquet)")


@pytest.mark.parametrize("lanes", published.OVERLAPS)
def test_the_published_algorithm_is_given_the_events_of_the_bench(lanes: int) -> None:
    events = published.events(lanes, 2_000)
    starts = [start_ns for _, start_ns, _ in events]
    assert starts == sorted(starts)
    assert all(10_000 <= end_ns - start_ns <= 1_000_000 for _, start_ns, end_ns in events)
    last = starts[-1]
    assert sum(start_ns <= last < end_ns for _, start_ns, end_ns in events) == lanes
