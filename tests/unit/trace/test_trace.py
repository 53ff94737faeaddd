"""Opening a trace: what it holds, and what is said where it cannot be read."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import duckdb
import numpy as np
import pytest

from smaragdine import Runs, SmaragdineError, Trace
from smaragdine.cli.ending import exit_code
from testbed import synthetic_trace
from testbed.sealed import seal_trace


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert")


@pytest.fixture
def broken(directory: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    for file in directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def refusal(path: Path) -> SmaragdineError:
    with pytest.raises(SmaragdineError) as caught:
        Trace.open(path)
    return caught.value


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'tensorflow', 'pandas', 'duckdb', 'plotly', 'numpy'}"
    code = f"import smaragdine, sys; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_reading_a_trace_needs_no_pandas(directory: Path) -> None:
    code = (
        "import sys; sys.modules['pandas'] = None; import smaragdine; "
        f"trace = smaragdine.Trace.open({str(directory)!r}); trace.edd(); trace.readings; trace.footprint().top(3)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_trace_opens_by_its_directory_or_its_json(directory: Path) -> None:
    assert Trace.open(directory).name == Trace.open(directory / "trace.json").name == "bert"


def test_a_directory_name_is_no_pattern(tmp_path: Path) -> None:
    odd = synthetic_trace.write(tmp_path / "it's [a] run? *")
    assert len(Trace.open(odd).footprint()) > 100


def test_the_tables_are_open_to_sql(directory: Path) -> None:
    assert Trace.open(directory).sql("select count(*) from steps where traced").fetchall() == [(4,)]


def test_readings_are_intervals_with_their_power(directory: Path) -> None:
    readings = Trace.open(directory).readings["package-0"]
    assert (readings.end_ns > readings.start_ns).all()
    lengths = (readings.end_ns - readings.start_ns) / 1e9
    np.testing.assert_allclose((readings.power_w * lengths).sum(), readings.total_j, rtol=1e-12)


def test_an_interval_of_unknown_energy_has_no_power(broken: Path) -> None:
    rewrite(broken, "readings", "select * replace (['reset'] as flags) from t")
    readings = Trace.open(broken).readings["package-0"]
    assert readings.gap.all()
    assert np.isnan(readings.power_w).all()


def test_devices_total_what_their_counted_domains_read(directory: Path) -> None:
    trace = Trace.open(directory)
    expected = sum(trace.readings[domain].total_j for domain in ("package-0", "dram-0"))
    assert trace.totals()["CPU:0"].measured_j == pytest.approx(expected, rel=1e-12)


def test_coverage_says_how_much_was_traced(directory: Path) -> None:
    sentence = Trace.open(directory).coverage().sentence()
    assert sentence.startswith("4 of 20 steps traced (20.0 %, 400 ms of 2.00 s)")
    assert "95.2 % of the application's measured energy" in sentence


def test_a_share_that_is_not_all_does_not_read_as_all(directory: Path) -> None:
    assert ">99.9 % of operation time has a layer" in Trace.open(directory).coverage().sentence()


def test_a_modelled_trace_says_so(tmp_path: Path) -> None:
    trace = Trace.open(synthetic_trace.write(tmp_path / "m", basis="modelled"))
    assert trace.modelled
    assert trace.notice == (
        "no energy sensor was readable; power is modelled from CPU use, so shares follow time and watts per operation "
        "mean nothing; `smaragdine doctor` tells how to measure."
    )
    assert trace.coverage().sentence().endswith("; modelled")


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    error = refusal(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in error.message
    assert error.hint
    assert exit_code(error) == 2


def test_a_directory_without_json_is_no_trace(tmp_path: Path) -> None:
    assert "holds no trace.json" in refusal(tmp_path).message


def test_a_file_is_no_trace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "it is a file" in refusal(tmp_path / "file").message


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"schema_version": 1}', "\x00"])
def test_a_damaged_json_is_named(broken: Path, content: str) -> None:
    (broken / "trace.json").write_text(content)
    error = refusal(broken)
    assert "trace.json" in error.message
    assert exit_code(error) == 2


def test_a_newer_layout_is_refused_with_its_version(broken: Path) -> None:
    metadata = json.loads((broken / "trace.json").read_text()) | {"schema_version": 7}
    (broken / "trace.json").write_text(json.dumps(metadata))
    assert "layout version 7" in refusal(broken).message


def test_further_fields_of_a_newer_writer_are_ignored(broken: Path) -> None:
    metadata = json.loads((broken / "trace.json").read_text())
    metadata["domains"][0]["colour"] = "green"
    (broken / "trace.json").write_text(json.dumps(metadata))
    seal_trace(broken)
    assert Trace.open(broken).metadata.domains[0].name == "package-0"


def test_a_trace_still_being_recorded_is_refused(broken: Path) -> None:
    metadata = json.loads((broken / "trace.json").read_text()) | {"state": "recording", "end_ns": None}
    (broken / "trace.json").write_text(json.dumps(metadata))
    seal_trace(broken)
    assert "still being recorded" in refusal(broken).message


def test_a_recording_that_has_only_just_begun_is_no_damaged_trace(tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text('{"state": "recording"}')
    with pytest.raises(SmaragdineError, match="holds nothing yet") as caught:
        Trace.open(tmp_path)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("table", ["readings", "events", "ops", "edges", "steps", "footprint", "ledger"])
def test_a_missing_table_is_named_with_a_hint(broken: Path, table: str) -> None:
    (broken / f"{table}.parquet").unlink()
    error = refusal(broken)
    assert f"{table}.parquet is missing" in error.message
    assert "recover" in (error.hint or "")
    assert exit_code(error) == 2


def test_a_truncated_table_is_named(broken: Path) -> None:
    file = broken / "events.parquet"
    file.write_bytes(file.read_bytes()[:200])
    error = refusal(broken)
    assert "events.parquet" in error.message
    assert exit_code(error) == 2


def test_a_table_without_a_needed_column_is_named(broken: Path) -> None:
    rewrite(broken, "ops", "select * exclude (layer) from t")
    assert "ops.parquet has no column layer" in refusal(broken).message


def test_a_page_damaged_inside_is_told_when_it_is_read(broken: Path) -> None:
    file = broken / "footprint.parquet"
    content = bytearray(file.read_bytes())
    content[8:400] = bytes(392)
    file.write_bytes(content)
    with pytest.raises(SmaragdineError, match="damaged"):
        Trace.open(broken).footprint()


def test_an_operation_without_a_name_is_damage(broken: Path) -> None:
    rewrite(broken, "ops", "select * replace (op - 1 as op) from t where op <> 0")
    with pytest.raises(SmaragdineError, match="operation 367"):
        Trace.open(broken).footprint()


def test_a_policy_that_was_not_accounted_is_named(directory: Path) -> None:
    with pytest.raises(SmaragdineError, match="not accounted by policy 'recency'") as caught:
        Trace.open(directory).footprint("recency")
    assert "--policy recency" in (caught.value.hint or "")


def test_no_readings_at_all_is_exit_code_3(broken: Path) -> None:
    rewrite(broken, "readings", "select * from t where false")
    with pytest.raises(SmaragdineError) as caught:
        Trace.open(broken).require_readings()
    assert exit_code(caught.value) == 3


def test_runs_give_mean_deviation_and_number(tmp_path: Path) -> None:
    paths = [synthetic_trace.write(tmp_path / str(speed), speed=speed) for speed in (1.0, 2.0)]
    runs = Runs.open(*paths)
    alone = [trace.footprint().by("phase")[0].energy_j for trace in runs]
    group = runs.footprint().by("phase")[0]
    assert group.energy_j == pytest.approx(np.mean(alone))
    assert group.energy_sd_j == pytest.approx(np.std(alone, ddof=1))
    assert group.runs == 2
    assert runs.edd().energy_j == pytest.approx(np.mean([trace.edd().energy_j for trace in runs]))


def test_no_runs_is_an_error() -> None:
    with pytest.raises(SmaragdineError):
        Runs.open()


def rewrite(directory: Path, table: str, query: str) -> None:
    """Replaces a table by a query over itself, `t`, and seals the trace anew, where it can be."""
    file = directory / f"{table}.parquet"
    with duckdb.connect() as connection:
        connection.read_parquet(str(file)).to_table("t")
        connection.sql(query).write_parquet(str(file))
    with suppress(duckdb.Error):
        seal_trace(directory)
