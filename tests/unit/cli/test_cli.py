"""The commands that record: exit codes, signals, and errors that say what to do."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Told

import smaragdine
from smaragdine.cli import main
from testbed import synthetic_trace


def state(output: Path) -> str:
    return str(json.loads((output / "trace.json").read_text())["state"])


def run(output: Path, *command: str, options: tuple[str, ...] = ()) -> int:
    return main(["run", "-o", str(output), *options, "--", *command])


def test_import_is_light() -> None:
    code = "import sys, smaragdine; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"tensorflow", "keras", "pandas", "duckdb", "plotly", "grpc", "google.protobuf"} & set(loaded)


def loaded(*words: object) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """One command in an interpreter of its own, and the modules that it had when it ended."""
    code = "import sys; from smaragdine.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True)
    return done, set(done.stderr.rpartition("\n")[0].rpartition("\n")[2].split())


def test_help_names_every_command_without_loading_any(told: Told) -> None:
    done, modules = loaded("--help")
    assert done.returncode == 0
    for command in ("demo", "run", "report", "footprint", "ledger", "figure", "compare", "export", "account", "doctor"):
        assert re.search(rf"\n    {command}\s", done.stdout)
        assert f"smaragdine.cli.{command}" not in modules
    assert not {"tensorflow", "numpy", "duckdb", "plotly", "grpc"} & modules


def test_every_command_that_help_names_loads_its_own_module_alone() -> None:
    commands = re.findall(r"\n    (\w+)", loaded("--help")[0].stdout)
    assert len(commands) > 20
    commands.remove("daemon")  # whose words are all smaragdined's, --help too
    for command in commands:
        done, modules = loaded(command, "--help")
        assert done.returncode == 0, done.stderr
        assert f"smaragdine.cli.{command}" in modules
        assert not {f"smaragdine.cli.{other}" for other in commands if other not in (command, "statement")} & modules
        assert not {"tensorflow", "numpy", "duckdb", "plotly", "grpc"} & modules


@pytest.mark.parametrize("command", ["ledger", "footprint"])
def test_the_numbers_of_a_trace_are_shown_without_what_only_others_need(command: str, tmp_path: Path) -> None:
    done, modules = loaded(command, synthetic_trace.short(tmp_path / "trace"))
    assert done.returncode == 0, done.stderr
    assert "duckdb" in modules
    # Arrays and what merges jobs; what draws; what reaches a daemon.
    assert not {"numpy", "pandas", "smaragdine.trace.jobs.joined"} & modules
    assert not {"plotly", "smaragdine.figures", "smaragdine.report", "smaragdine.accounts.edd"} & modules
    assert not {"tensorflow", "grpc", "google.protobuf", "smaragdine.daemon"} & modules


def test_an_unknown_command_is_told_all_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ledgr"])
    assert ended.value.code == 2
    assert "'ledgr'" in (told := capsys.readouterr().err) and "ledger" in told and "doctor" in told


@pytest.mark.parametrize("code", [0, 1, 77])
def test_run_ends_with_the_commands_code_and_leaves_a_trace(code: int, told: Told, tmp_path: Path) -> None:
    assert run(tmp_path / "out", sys.executable, "-c", f"raise SystemExit({code})") == code
    assert state(tmp_path / "out") == "complete"


def test_run_ends_with_128_and_the_signal_that_ended_the_command(told: Told, tmp_path: Path) -> None:
    assert run(tmp_path / "out", "sh", "-c", "kill -9 $$") == 128 + 9
    assert state(tmp_path / "out") == "complete"


def test_run_passes_options_on_and_lets_hooks_join(told: Told, tmp_path: Path) -> None:
    code = "import smaragdine\nwith smaragdine.record('ignored') as r:\n with r.step(): pass"
    options = ("--period", "1ms", "--label", "site=lab", "--label", "run=a=b")
    assert run(tmp_path / "out", sys.executable, "-c", code, options=options) == 0
    start = told.all("start")[0]
    assert start["period_ns"] == "1000000"
    assert start["labels"] == {"site": "lab", "run": "a=b"}
    assert len(told.all("start")) == len(told.all("step")) == len(told.all("stop")) == 1
    assert not Path("ignored").exists()


def test_a_signal_that_comes_as_the_command_is_started_reaches_it(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["sleep", "60"]

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, words: list[str], **options: Any) -> None:
            super().__init__(words, **options)
            if words == command:
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    assert run(tmp_path / "out", *command) == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_passes_signals_on_and_the_command_decides(number: signal.Signals, told: Told, tmp_path: Path) -> None:
    code = """
import signal, sys, time
def handle(number, frame): sys.exit(40)
for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, handle)
open(sys.argv[1], "w").close()
time.sleep(60)
"""
    ready = tmp_path / "ready"
    command = [sys.executable, "-c", "import sys; from smaragdine.cli import main; sys.exit(main())"]
    command += ["run", "-o", str(tmp_path / "out"), "--", sys.executable, "-c", code, str(ready)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as program:
        while not ready.exists():
            assert program.poll() is None
            time.sleep(0.02)
        program.send_signal(number)
        assert program.wait(60) == 40
    assert state(tmp_path / "out") == "complete"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "--"], 2, "no command"),
        (["run", "--", "no-such-command-anywhere"], 127, "no such command"),
        (["run", "--", os.devnull], 126, "no executable"),
        (["run", "--period", "4", "--", "true"], 2, "not a sampling period"),
        (["recover", "/nonexistent"], 1, "holds no recording"),
        (["demo", "--steps", "0"], 2, "--steps is 0"),
    ],
)
def test_nonsense_is_told_with_its_own_code(
    words: list[str], code: int, said: str, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    captured = capsys.readouterr().err
    assert captured.startswith("error: ")
    assert said in captured
    assert told.all() == []


def test_run_on_an_output_that_holds_something_else_starts_nothing(
    told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").touch()
    assert run(tmp_path, "touch", str(tmp_path / "ran")) == 1
    assert "hint: " in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_run_that_requires_a_sensor_ends_with_3_before_the_command_starts(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "modelled")
    ran = tmp_path / "ran"
    assert run(tmp_path / "out", "touch", str(ran), options=("--require-measured",)) == 3
    assert not ran.exists()
    assert not (tmp_path / "out").exists()


def test_run_keeps_the_commands_code_where_the_daemon_fails(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "fetch")
    assert run(tmp_path / "out", "sh", "-c", "exit 5") == 5


def test_a_missing_daemon_is_one_error_with_a_hint_where_a_measurement_is_required(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMARAGDINE_BIN", str(tmp_path / "nothing"))
    assert run(tmp_path / "out", "touch", str(tmp_path / "ran"), options=("--require-measured",)) == 3
    assert capsys.readouterr().err.count("hint: ") == 1
    assert not (tmp_path / "ran").exists()


def test_the_demo_without_tensorflow_says_how_to_get_it(
    told: Told, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smaragdine.cli.demo.find_spec", lambda name: None)
    assert main(["demo"]) == 1
    assert "pip install 'smaragdine[demo]'" in capsys.readouterr().err


def test_recover_of_a_finished_trace_has_nothing_to_do(
    told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with smaragdine.record(tmp_path / "out"):
        pass
    assert main(["recover", str(tmp_path / "out")]) == 0
    assert "nothing to recover" in capsys.readouterr().out


def test_recover_fetches_from_a_daemon_that_still_lives(told: Told, tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "other") as recording:
        (tmp_path / "out").mkdir()
        running = {"state": "recording", "recording": "r-1", "socket": str(recording.socket)}
        (tmp_path / "out" / "trace.json").write_text(json.dumps(running))
        assert main(["recover", str(tmp_path / "out")]) == 0
        assert state(tmp_path / "out") == "complete"


def test_recover_holds_what_it_fetched_though_the_daemon_leaves_at_once(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left(*_: object, **__: object) -> None:
        raise smaragdine.SmaragdineError("no daemon answers")

    with smaragdine.record(tmp_path / "other") as recording:
        (tmp_path / "out").mkdir()
        running = {"state": "recording", "recording": "r-1", "socket": str(recording.socket)}
        (tmp_path / "out" / "trace.json").write_text(json.dumps(running))
        monkeypatch.setattr("smaragdine.daemon.client.Client.release", left)
        assert main(["recover", str(tmp_path / "out")]) == 0
        assert state(tmp_path / "out") == "complete"


def test_daemon_becomes_the_daemon(told: Told) -> None:
    Path(os.environ["SMARAGDINE_BIN"]).write_text('#!/bin/sh\necho "$@"\nexit 7\n')
    code = "import sys; from smaragdine.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "daemon", "serve", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "serve --help\n")
