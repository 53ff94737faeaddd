"""The reading commands: what they print, and the code they end with."""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import subprocess
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

from smaragdine import SmaragdineError, Trace
from smaragdine.accounts.energy import MODELLED_NOTICE
from smaragdine.cli.ending import exit_code
from smaragdine.cli.figure import KINDS
from smaragdine.daemon.binary import find_binary
from testbed import synthetic_trace
from testbed.browser import CHROMIUM, missing
from testbed.sealed import seal_trace


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert")


@pytest.fixture(scope="module")
def modelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace.write(tmp_path_factory.mktemp("traces") / "modelled", basis="modelled")


def run(*arguments: object) -> int:
    """One command as the main parser would call it."""
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(dest="command", required=True)
    commands = {
        name: import_module(f"smaragdine.cli.{name}")
        for name in ("footprint", "ledger", "figure", "report", "account", "compare", "export")
    }
    for command in commands.values():
        command.register(subparsers)
    chosen = parser.parse_args([str(argument) for argument in arguments])
    code: int = commands[chosen.command].run(chosen)
    return code


def test_footprint_opens_with_coverage(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("footprint", bert, "--top", 3) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("coverage: 4 of 20 steps traced")
    columns = ["operation", "energy", "90 % interval", "share", "time", "power", "count", "basis"]
    assert re.split(r" {2,}", lines[1].strip()) == columns
    assert len(lines) == 6
    assert "more; --top N" in lines[-1]


def test_columns_line_up(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("footprint", bert, "--by", "layer")
    lines = capsys.readouterr().out.splitlines()[1:-1]
    at = {line.index("measured") for line in lines[1:]}
    assert at == {lines[0].index("basis")}


def test_a_modelled_trace_says_so_in_every_format(modelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ("footprint", modelled),
        ("footprint", modelled, "--format", "csv"),
        ("footprint", modelled, "--format", "json"),
        ("ledger", modelled),
        ("ledger", modelled, "--format", "csv"),
        ("ledger", modelled, "--format", "json"),
    ):
        run(*command)
        assert MODELLED_NOTICE in capsys.readouterr().out


def test_csv_has_numbers_in_full(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("footprint", bert, "--format", "csv", "--by", "phase")
    comment, *table = capsys.readouterr().out.splitlines()
    assert comment.startswith("# coverage: ")
    rows = list(csv.DictReader(io.StringIO("\n".join(table))))
    assert {row["name"] for row in rows} == {"forward", "backward", "optimizer", "other"}
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1)


def test_json_has_every_group(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("footprint", bert, "--format", "json", "--by", "stef", "--per", "step")
    content = json.loads(capsys.readouterr().out)
    assert (content["by"], content["per"], content["notice"]) == ("stef", "step", None)
    assert any("transformer" in row["name"] for row in content["rows"])


def test_several_traces_have_a_deviation(bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("footprint", bert, synthetic_trace.write(tmp_path / "other", speed=1.5), "--by", "phase")
    header, first = capsys.readouterr().out.splitlines()[1:3]
    assert "sd over 2 runs" in header
    assert "±" in first


def test_the_ledger_adds_up_on_the_terminal(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ledger", bert) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.split(r" {2,}", lines[0]) == ["entry", "package-0 (measured)", "dram-0 (measured)", "what it is"]
    assert lines[-1].startswith("sum")


def test_the_ledger_as_json_adds_up(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("ledger", bert, "--format", "json")
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == 16


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ranks"])  # those of a job: test_side_by_side.py
def test_a_figure_is_one_file_that_needs_no_other(bert: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "figure.html"
    assert run("figure", bert, bert, "--kind", kind, "-o", file) == 0
    page = file.read_text(encoding="utf-8")
    assert "Plotly.newPlot" in page
    assert 'src="http' not in page


def test_users_own_patterns_fold_layers_in_a_ranking(bert: Path, tmp_path: Path) -> None:
    file = tmp_path / "figure.html"
    run("figure", bert, "--kind", "stef", "--fold", "bert/encoder/layer_*=block", "-o", file)
    page = file.read_text(encoding="utf-8").replace("\\u002f", "/")
    assert "bert/encoder/block/" in page
    assert "transformer" not in page.split("Plotly.newPlot")[-1]


def test_emissions_need_an_intensity(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(SmaragdineError, match="intensity"):
        run("figure", bert, "--kind", "sunburst", "--scale", "carbon", "-o", tmp_path / "figure.html")


def test_a_figures_format_must_be_known(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(SmaragdineError, match="does not tell a format"):
        run("figure", bert, "--kind", "power", "-o", tmp_path / "figure")


def test_an_image_without_kaleido_says_what_to_install(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smaragdine.cli.figure.find_spec", lambda name: None)
    with pytest.raises(SmaragdineError) as caught:
        run("figure", bert, "--kind", "power", "-o", tmp_path / "figure.png")
    assert "pip install 'smaragdine[figures]'" in (caught.value.hint or "")


@pytest.mark.browser
@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")])
def test_an_image_for_a_paper_is_one_file(bert: Path, tmp_path: Path, suffix: str, magic: bytes) -> None:
    if find_spec("kaleido") is None or not CHROMIUM.exists():
        missing("kaleido" if CHROMIUM.exists() else str(CHROMIUM))
    file = tmp_path / f"figure.{suffix}"
    assert run("figure", bert, "--kind", "phases", "-o", file) == 0
    assert file.read_bytes().startswith(magic)


def test_report_writes_beside_the_trace_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = synthetic_trace.write(tmp_path / "t", synthetic_trace.Program.bert(1))
    assert run("report", trace) == 0
    assert capsys.readouterr().out == f"{trace / 'report.html'}\n"
    assert (trace / "report.html").stat().st_size > 1_000_000


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(*arguments: object, out: io.StringIO, monkeypatch: pytest.MonkeyPatch, columns: int = 120) -> list[str]:
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert run(*arguments) == 0
    return out.getvalue().splitlines()


@pytest.mark.parametrize("command", ["footprint", "ledger", "compare"])
def test_a_terminal_has_colours_and_a_pipe_has_none(bert: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (command, bert, bert) if command == "compare" else (command, bert)
    shown = "\n".join(printed(*arguments, out=Terminal(), monkeypatch=monkeypatch))
    piped = "\n".join(printed(*arguments, out=io.StringIO(), monkeypatch=monkeypatch))
    assert "\033[1m" in shown
    assert "\033" not in piped and "█" not in piped
    monkeypatch.setenv("NO_COLOR", "1")
    quiet = Terminal()
    monkeypatch.setattr("sys.stdout", quiet)
    run(*arguments)
    assert "\033" not in quiet.getvalue()


def test_no_line_is_longer_than_the_terminal(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed("footprint", bert, out=Terminal(), monkeypatch=monkeypatch, columns=110)
    assert max(len(re.sub(r"\033\[\d+m", "", line)) for line in lines[1:]) <= 110


def test_the_tree_nests_layers_and_adds_up(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("footprint", bert, "--format", "tree", "--depth", 2)
    lines = printed(*options, out=Terminal(), monkeypatch=monkeypatch)
    assert any("├─ encoder" in line for line in lines)
    plain = printed(*options, out=io.StringIO(), monkeypatch=monkeypatch)
    first = [line for line in plain[3:] if re.match(r"  \S", line)]
    assert sum(float(line.split(" %")[0].split()[-1]) for line in first) == pytest.approx(100, abs=0.2)
    assert plain[2].startswith("bert ") and "100.0 %" in plain[2]


def test_names_cannot_move_the_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = synthetic_trace.Program()
    program.op("net", "\033[2JMat\rMul\u202e", 1.0)
    program.op("net", "行列積", 1.0)
    trace = synthetic_trace.write(tmp_path / "t", program)
    lines = printed("footprint", trace, out=io.StringIO(), monkeypatch=monkeypatch)
    assert not re.search(r"[\x00-\x1f\u202e]", "".join(lines))
    ends = {sum(2 if letter in "行列積" else 1 for letter in line) for line in lines[2:]}
    assert len(ends) == 1  # two columns a letter, so that what follows lines up


def test_a_folded_name_can_be_unfolded(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(
        "footprint",
        bert,
        "--by",
        "stef",
        "--unfold",
        "bert/encoder/transformer/output/dense/MatMul",
        "--format",
        "json",
    )
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["name"] for row in rows} == {f"bert/encoder/layer_{i}/output/dense/MatMul" for i in range(4)}


def test_users_own_patterns_fold_layers(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("footprint", bert, "--by", "stef", "--fold", "bert/encoder/layer_*=block", "--format", "json")
    names = [row["name"] for row in json.loads(capsys.readouterr().out)["rows"]]
    assert any(name.startswith("bert/encoder/block/") for name in names)
    assert not any("transformer" in name for name in names)


def test_comparing_a_trace_with_itself_finds_no_change(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", bert, bert, "--format", "json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["similarity"] == pytest.approx(1)
    assert all(row["energy_change_j"] == 0 and row["energy_ratio"] == 1 for row in content["rows"])


def test_comparing_tells_what_each_took_and_sorts_by_change(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = synthetic_trace.Program.bert()
    extra = program.op("bert/extra", "MatMul", 5.0)
    other = synthetic_trace.write(tmp_path / "other", program)
    run("compare", bert, other, "--per", "run", "--format", "json")
    rows = json.loads(capsys.readouterr().out)["rows"]
    alone = next(row for row in rows if row["name"] == program.ops[extra].layer)
    assert alone["energy_a_j"] is None and alone["energy_ratio"] is None
    changes = [abs(row["energy_change_j"]) for row in rows]
    assert changes == sorted(changes, reverse=True)
    totals = [Trace.open(path).footprint().total.measured_j for path in (bert, other)]
    assert sum(row["energy_change_j"] for row in rows) == pytest.approx(totals[1] - totals[0])
    run("compare", bert, other)
    assert "in operations per step" in capsys.readouterr().out


def test_joules_of_two_bases_are_not_compared(bert: Path, modelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("compare", bert, modelled, "--by", "phase", "--format", "json")
    content = json.loads(capsys.readouterr().out)
    assert content["notice"] == MODELLED_NOTICE
    assert content["similarity"] is None
    assert all(row["energy_ratio"] is None for row in content["rows"])


def test_a_timeline_for_perfetto_has_every_event_step_and_reading(bert: Path, tmp_path: Path) -> None:
    file = tmp_path / "timeline.json"
    assert run("export", bert, "--format", "perfetto", "-o", file) == 0
    events = json.loads(file.read_text())["traceEvents"]
    trace = Trace.open(bert)
    spans = [event for event in events if event["ph"] == "X"]
    operations = [event for event in spans if "qtn" in event["args"]]
    assert len(operations) == trace.sql("from events").shape[0]
    assert len(spans) - len(operations) == len(trace.steps)
    assert sum(event["dur"] for event in operations) == pytest.approx(
        1e6 * sum(row.time_s for row in trace.footprint()), rel=1e-6
    )
    joules = sum(event["args"]["mean_joules_per_execution"] for event in operations)
    assert joules == pytest.approx(trace.footprint().total.measured_j)
    counters = [event for event in events if event["ph"] == "C"]
    assert len(counters) == sum(map(len, trace.readings.values()))


def test_tables_as_csv_have_every_row(bert: Path, tmp_path: Path) -> None:
    assert run("export", bert, "--format", "csv", "-o", tmp_path / "csv") == 0
    trace = Trace.open(bert)
    for table in ("events", "footprint", "ledger", "steps"):
        with (tmp_path / "csv" / f"{table}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == trace.sql(f"from {table}").shape[0]
    assert json.loads(rows[0]["energy_j"]) == trace.steps[0].energy_j


@pytest.mark.parametrize("command", ["footprint", "ledger", "report"])
def test_no_readings_ends_with_3(bert: Path, tmp_path: Path, command: str) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    readings = tmp_path / "readings.parquet"
    with duckdb.connect() as connection:
        connection.read_parquet(str(readings)).to_table("t")
        connection.sql("from t where false").write_parquet(str(readings))
    seal_trace(tmp_path)
    with pytest.raises(SmaragdineError) as caught:
        run(command, tmp_path)
    assert exit_code(caught.value) == 3


@pytest.mark.parametrize("command", ["footprint", "ledger", "report", "account"])
def test_a_missing_trace_ends_with_2_and_names_the_path(tmp_path: Path, command: str) -> None:
    with pytest.raises(SmaragdineError) as caught:
        run(command, tmp_path / "nowhere")
    assert exit_code(caught.value) == 2
    assert "nowhere" in caught.value.message
    assert caught.value.hint


def test_a_footprint_that_could_not_be_deconvolved_says_why_in_its_first_line(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for policy in ("equal", "deconvolved"):
        subprocess.run([find_binary(), "account", tmp_path, "--policy", policy], check=True)
    assert run("footprint", tmp_path, "--policy", "deconvolved") == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("coverage: ")
    assert "package-0" in first
    assert first.endswith("by equal share: 4 steps are traced; it takes 10")
    equal, deconvolved = (Trace.open(tmp_path).footprint(policy) for policy in ("equal", "deconvolved"))
    assert deconvolved.total.measured_j == pytest.approx(equal.total.measured_j, rel=1e-9)


def test_account_calls_the_daemon_and_ends_as_it_does(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = tmp_path / "smaragdined"
    daemon.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/told\nexit 7\n')
    daemon.chmod(0o755)
    monkeypatch.setenv("SMARAGDINE_BIN", str(daemon))
    assert run("account", bert, "--policy", "recency", "--xspace", tmp_path / "a.pb") == 7
    told = (tmp_path / "told").read_text().split()
    assert told == ["account", str(bert), "--policy", "recency", "--xspace", str(tmp_path / "a.pb")]
