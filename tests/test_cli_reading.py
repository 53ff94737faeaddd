"""The reading commands: what they print, and the code they end with."""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
from importlib import import_module
from pathlib import Path

import duckdb
import pytest

import synthetic_trace
from smaragdine import SmaragdineError
from smaragdine.cli.figure import KINDS
from smaragdine.energy import MODELLED_NOTICE


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
        name: import_module(f"smaragdine.cli.{name}") for name in ("footprint", "ledger", "figure", "report", "account")
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
    assert lines[1].split() == ["operation", "energy", "share", "time", "power", "count", "basis"]
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
    assert "±" in capsys.readouterr().out.splitlines()[1]


def test_the_ledger_adds_up_on_the_terminal(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ledger", bert) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["entry", "package-0", "(measured)", "dram-0", "(measured)"]
    assert lines[-1].startswith("sum")


def test_the_ledger_as_json_adds_up(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("ledger", bert, "--format", "json")
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == 16


@pytest.mark.parametrize("kind", KINDS)
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
    pytest.importorskip("kaleido")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("there is no Chromium")
    file = tmp_path / f"figure.{suffix}"
    assert run("figure", bert, "--kind", "phases", "-o", file) == 0
    assert file.read_bytes().startswith(magic)


def test_report_writes_beside_the_trace_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = synthetic_trace.write(tmp_path / "t", synthetic_trace.Program.bert(1))
    assert run("report", trace) == 0
    assert capsys.readouterr().out == f"{trace / 'report.html'}\n"
    assert (trace / "report.html").stat().st_size > 1_000_000


@pytest.mark.parametrize("command", ["footprint", "ledger", "report"])
def test_no_readings_ends_with_3(bert: Path, tmp_path: Path, command: str) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    readings = tmp_path / "readings.parquet"
    with duckdb.connect() as connection:
        connection.read_parquet(str(readings)).to_table("t")
        connection.sql("from t where false").write_parquet(str(readings))
    with pytest.raises(SmaragdineError) as caught:
        run(command, tmp_path)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("command", ["footprint", "ledger", "report", "account"])
def test_a_missing_trace_ends_with_2_and_names_the_path(tmp_path: Path, command: str) -> None:
    with pytest.raises(SmaragdineError) as caught:
        run(command, tmp_path / "nowhere")
    assert caught.value.exit_code == 2
    assert "nowhere" in caught.value.message
    assert caught.value.hint


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
