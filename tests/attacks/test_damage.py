"""Files of a trace that are corrupted or made up, through the commands that read them: exit code 2 and words."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from smaragdine import SmaragdineError
from smaragdine.cli import main
from smaragdine.recording.output import Output
from smaragdine.trace.seal import CHECKSUMS, SEAL
from testbed import synthetic_trace
from testbed.sealed import seal_trace

COMMANDS = [
    ["footprint"],
    ["footprint", "--by", "layer", "--scope", "run", "--format", "json"],
    ["ledger"],
    ["report", "-o", "{to}"],
    ["export", "--format", "perfetto", "-o", "{to}"],
    ["export", "--format", "csv", "-o", "{to}.d"],
    ["figure", "--kind", "power", "--format", "html", "-o", "{to}"],
    ["figure", "--kind", "edd", "--format", "html", "-o", "{to}"],
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace.short(tmp_path_factory.mktemp("whole") / "trace")


@pytest.fixture
def trace(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "trace")
    return tmp_path / "trace"


def said(trace: Path, command: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    to = trace.with_name("to")
    code = main([command[0], str(trace), *(option.format(to=to) for option in command[1:])])
    return code, capfd.readouterr().err


def assert_told(
    trace: Path, capfd: pytest.CaptureFixture[str], *, codes: tuple[int, ...] = (2,), commands: slice = slice(None)
) -> None:
    for command in COMMANDS[commands]:
        code, error = said(trace, command, capfd)
        assert code in codes, (command, code, error)
        if code:
            assert error.splitlines()[-2].startswith("error: "), (command, error)
            assert error.splitlines()[-1].startswith("hint: "), (command, error)


def older(trace: Path) -> dict[str, Any]:
    """What trace.json says, as a version without checksums wrote it."""
    fields = json.loads((trace / "trace.json").read_text())
    return {name: value for name, value in fields.items() if name not in (SEAL, CHECKSUMS)}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe{}",
        b"null",
        b"[" * 100_000,
        b'{"schema_version": 1, "labels": ' + b'{"a": ' * 5_000 + b"1" + b"}" * 5_001,
        b'{"schema_version": 1e999}',
        b'{"schema_version": NaN}',
        b'{"schema_version": 1, "start_ns": ' + b"9" * 6_000 + b"}",
        b'{"schema_version": "1"}',
        b'{"schema_version": true, "state": "complete"}',
        b'{"name": "\\ud800", "schema_version": 1, "seal": "", "checksums": {}}',
    ],
    ids=range(12),
)
def test_what_is_no_metadata_is_told(text: bytes, trace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (trace / "trace.json").write_bytes(text)
    assert_told(trace, capfd)
    assert said(trace, ["account"], capfd)[0] == 2


WRONG: list[Any] = [None, 7, -1, 1.5, "word", [], [7], {}, {"a": 7}, 10**30, True, "\0", [None], [{"name": 1}], [["a"]]]


def test_no_field_of_another_type_is_a_traceback(trace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fields = older(trace)
    for name in [*fields, "checksums", "seal", "gaps", "profiling"]:
        for value in WRONG:
            (trace / "trace.json").write_text(json.dumps(fields | {name: value}))
            code, error = said(trace, ["footprint"], capfd)
            assert code in (0, 2), (name, value, error)


def test_no_field_inside_of_another_type_is_a_traceback(trace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(7)
    for number in range(100):
        fields = older(trace)
        inner: Any = fields
        while isinstance(inner, (dict, list)) and inner:
            at = chance.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
            if not isinstance(inner[at], (dict, list)) or not inner[at] or chance.random() < 0.2:
                inner[at] = chance.choice(WRONG)
                break
            inner = inner[at]
        (trace / "trace.json").write_text(json.dumps(fields))
        code, error = said(trace, COMMANDS[number % len(COMMANDS)], capfd)
        assert code in (0, 2, 3), (number, error)


def test_an_older_trace_says_so_first(trace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (trace / "trace.json").write_text(json.dumps(older(trace)))
    command = [sys.executable, "-m", "smaragdine", "ledger", str(trace)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "holds no checksums" in done.stderr.splitlines()[0]
    assert main(["account", str(trace)]) == 0
    assert "had no checksums; it has now" in capfd.readouterr().err
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("put", [pipe, device, Path.mkdir])
@pytest.mark.parametrize("name", ["trace.json", "readings.parquet", "ops.parquet"])
def test_what_is_no_file_keeps_nobody_waiting(
    put: Callable[[Path], None], name: str, trace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (trace / name).unlink()
    put(trace / name)
    assert_told(trace, capfd)
    assert said(trace, ["account"], capfd)[0] == 2


@pytest.mark.parametrize("put", [pipe, lambda path: path.write_bytes(b"[" * 100_000)])
def test_neither_recover_nor_a_recording_waits_for_what_is_no_metadata(
    put: Callable[[Path], None], trace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (trace / "trace.json").unlink()
    put(trace / "trace.json")
    code, error = said(trace, ["recover"], capfd)
    assert code != 0
    assert error.startswith("error: ") and "hint: " in error
    with pytest.raises(SmaragdineError):
        Output.claim(trace)


@pytest.mark.parametrize("table", ["readings", "events", "ops", "steps", "footprint", "ledger"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 64 + b"PAR1", b"\0" * 1000])
def test_what_is_no_table_is_told(table: str, content: bytes, trace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (trace / f"{table}.parquet").write_bytes(content)
    assert_told(trace, capfd, commands=slice(0, 3))


MADE_UP = [
    ("readings", "'nan'::double as energy_j"),
    ("readings", "null::double as energy_j"),
    ("readings", "1e308 as energy_j"),
    ("readings", "9223372036854775807 as end_ns"),
    ("readings", "start_ns as end_ns, end_ns as start_ns"),
    ("readings", "null as domain"),
    ("events", "'dance' as kind"),
    ("events", "4000000000 as op"),
    ("ops", "'sideways' as phase"),
    ("ops", "0 as op"),
    ("ops", "null as qtn"),
    ("edges", "4000000000 as to_op"),
    ("steps", "-9223372036854775808 as start_ns"),
    ("steps", "null as traced"),
    ("footprint", "'guessed' as basis"),
    ("footprint", "-1::bigint as count"),
    ("footprint", "'inf'::double as time_s"),
    ("footprint", "'inf'::double as energy_high_j"),
    ("ledger", "'stolen' as entry"),
    ("ledger", "'nobody' as policy"),
    ("ledger", "energy_j * 3 as energy_j"),
]


@pytest.mark.parametrize(("table", "change"), MADE_UP)
@pytest.mark.parametrize("sealed", [True, False])
def test_what_no_recording_can_have_said_is_told(
    table: str, change: str, sealed: bool, trace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever makes it up can seal it as well."""
    file = trace / f"{table}.parquet"
    with duckdb.connect() as connection:
        connection.read_parquet(str(file)).project(f"* replace ({change})").to_table("t")
        connection.table("t").write_parquet(str(file))
    if sealed:
        seal_trace(trace)
    else:
        (trace / "trace.json").write_text(json.dumps(older(trace)))
    if sealed:
        assert_told(trace, capfd, codes=(0, 2))
    reads = {"events": 4, "edges": 7, "footprint": 0, "ledger": 2, "readings": 2, "ops": 0, "steps": 0}
    assert said(trace, COMMANDS[reads[table]], capfd)[0] == 2


def test_names_with_anything_in_them_are_names(trace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fields = older(trace)
    fields |= {"name": "a\0b\x1b[2J\u202e", "labels": {"\0": "\0"}, "host": {"name": "\0"}, "warnings": ["\0"]}
    (trace / "trace.json").write_text(json.dumps(fields))
    seal_trace(trace)
    for command in COMMANDS:
        assert said(trace, command, capfd)[0] == 0
