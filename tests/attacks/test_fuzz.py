"""Files of a trace, and what `recover` finds, as nobody wrote them: words and an exit code, and nothing else touched.

SMARAGDINE_FUZZ_TRACES says how many (a hundred otherwise), SMARAGDINE_FUZZ_FROM which is the first.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from reading import COMMANDS, RARELY, command, small
from victim import Victim, kept

from served import served
from smaragdine.cli import main
from smaragdine.daemon.client import Client, StartOptions
from smaragdine.daemon.messages import ClockPair, Event, Events, Note, Stamped, Step, StepBatch
from smaragdine.trace.seal import CHECKSUMS, SEAL
from testbed.hardware import Tree, powercap_tree
from testbed.sealed import seal_trace

INPUTS = int(os.environ.get("SMARAGDINE_FUZZ_TRACES", "100"))
FIRST = int(os.environ.get("SMARAGDINE_FUZZ_FROM", "0"))
NUMBERS = range(FIRST, FIRST + INPUTS)
PATIENCE_S = 30

ODD: list[Any] = [
    None,
    0,
    -1,
    1.5,
    "",
    "word",
    "\0",
    "../../x",
    [],
    [7],
    {},
    {"a": 7},
    2**53,
    2**63 - 1,
    -(2**63),
    10**30,
]
CELLS = ["0", "1", "-1", "null", "'nan'::double", "'inf'::double", "1e308", "9223372036854775807", "4294967295"]
CELLS += ["''", "'a'", "'../x'", "'GPU:0'", "[]"]


def garbled(content: bytes, chance: random.Random) -> bytes:
    """Flips, cuts, repeats, moves, inserts."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randint(0, len(data)), chance.choice([1, 4, 16, 300])
        piece = data[at : at + length]
        turn = chance.randrange(5)
        if turn == 0 and data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        elif turn == 1:
            del data[at : at + length]
        elif turn == 2:
            data[at:at] = piece
        elif turn == 3:
            data[at : at + len(piece)] = chance.choice([bytes(len(piece)), b"\xff" * len(piece)])
        elif chance.random() < 0.3:
            del data[at:]
    return bytes(data)


def garbled_fields(content: bytes, chance: random.Random) -> bytes:
    """JSON in which a field, or one within, says something else."""
    fields: Any = json.loads(content)
    inner = fields
    while True:
        at = chance.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        if not isinstance(inner[at], (dict, list)) or not inner[at] or chance.random() < 0.2:
            break
        inner = inner[at]
    if chance.random() < 0.2:
        del inner[at]
    else:
        inner[at] = chance.choice([*ODD, *fields.values()])
    return json.dumps(fields).encode()


def rewrite(file: Path, chance: random.Random) -> None:
    """A table in which some cells of a column say something else, as far as the column can."""
    with duckdb.connect() as connection:
        relation = connection.read_parquet(str(file))
        column = chance.choice(relation.columns)
        kind = relation.types[relation.columns.index(column)]
        cell = f"try_cast({chance.choice(CELLS)} as {kind})"
        where = chance.choice(["true", "n = 1", "n % 2 = 0"])
        connection.sql(f"create table t as select * from '{file}'")
        connection.sql(
            f"create table u as select * exclude n"
            f" replace (case when {where} then {cell} else {column} end as {column})"
            " from (select *, row_number() over () as n from t)"
        )
        if chance.random() < 0.2:
            connection.sql(f"alter table u drop column {column}")
        connection.table("u").write_parquet(str(file))


def change(trace: Path, chance: random.Random) -> str:
    file = chance.choice(sorted(trace.iterdir()))
    before = file.read_bytes()
    turn = chance.random()
    if turn < 0.3:
        file.write_bytes(garbled(before, chance))
    elif turn < 0.4:
        file.write_bytes(chance.choice([other for other in trace.iterdir() if other != file]).read_bytes())
    elif file.name == "trace.json":
        file.write_bytes(garbled_fields(before, chance))
    else:
        try:
            rewrite(file, chance)
        except duckdb.Error:  # the column cannot say that
            file.write_bytes(garbled(before, chance))
    return file.name


def seal(trace: Path, chance: random.Random) -> str:
    """Whoever changes a trace can seal it as well, or take the seal off as if it were older."""
    turn = chance.choice(["as it was", "sealed anew", "without"])
    metadata = trace / "trace.json"
    try:
        if turn == "sealed anew":
            seal_trace(trace)
        elif turn == "without":
            fields = json.loads(metadata.read_text())
            metadata.write_text(json.dumps({name: fields[name] for name in fields if name not in (SEAL, CHECKSUMS)}))
    except Exception:  # noqa: BLE001  what was garbled can be sealed by nobody
        return "as it was"
    return turn


def test_no_garbled_file_of_a_trace_is_a_traceback_or_a_wait(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole, trace, to = small(tmp_path / "whole"), tmp_path / "trace", tmp_path / "to"
    commands = COMMANDS | RARELY | {"account": command("account", "{trace}")}
    seen: Counter[int] = Counter()
    for number in NUMBERS:
        chance = random.Random(number)
        shutil.copytree(whole, trace)
        changed, sealed, name = change(trace, chance), seal(trace, chance), chance.choice(list(commands))
        what = f"input {number}: {changed} was garbled, sealed {sealed}, through {name}"
        begun = time.monotonic()
        try:
            code, _, error = commands[name](trace, to)
        except BaseException as traceback:
            raise AssertionError(what) from traceback
        # Of processes that it started.
        error += capfd.readouterr().err
        assert time.monotonic() - begun < PATIENCE_S, what
        assert code in (0, 2, 3), (what, code, error)
        assert "Traceback" not in error and "panicked" not in error, (what, error)
        assert code == 0 or ("error: " in error and "hint: " in error), (what, error)
        seen[code] += 1
        shutil.rmtree(trace)
    with capfd.disabled():
        print(f"{INPUTS} garbled traces from {FIRST}: {dict(seen)}")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Of a recording of a register, with a message of each of some kinds."""
    directory = tmp_path_factory.mktemp("d")
    with powercap_tree(directory / "tree") as tree, served(directory, tree.root) as daemon:
        return _journal(daemon.socket, daemon.state_dir, tree)


def _journal(socket: Path, state_dir: Path, tree: Tree) -> bytes:
    client = Client(socket)
    recording = client.start(StartOptions()).recording
    now = time.monotonic_ns()
    messages = [
        Note("hello"),
        StepBatch([Step(1, now - 2_000_000, now - 1_000_000)]),
        Events([Event("net/dense/MatMul", now - 2_000_000, now - 1_500_000)], "monotonic"),
    ]
    list(client.record(recording, [Stamped(at, ClockPair.now(), message) for at, message in enumerate(messages, 1)]))
    time.sleep(1.5)
    client.close()
    (journal,) = state_dir.glob("*/journal")
    return journal.read_bytes()


def of_metadata(victim: Victim, state: Path, chance: random.Random) -> None:
    file = victim.sent / "trace.json"
    change = chance.choice([garbled, garbled_fields])
    file.write_bytes(change(file.read_bytes(), chance))


def of_journal(victim: Victim, state: Path, chance: random.Random) -> None:
    file = chance.choice([state / "journal", victim.sent / "journal"])
    file.write_bytes(garbled(victim.journal, chance))


def of_state(victim: Victim, state: Path, chance: random.Random) -> None:
    """Something of the state directory is gone, open to others, another's, or leads elsewhere."""
    places = [state.parent, *sorted(state.parent.rglob("*"))]
    place = chance.choice(places)
    turn = chance.randrange(5)
    if turn == 0:
        place.chmod(chance.choice([0o777, 0o1777, 0o000]))
    elif turn == 1 and os.geteuid() == 0:
        os.chown(place, 61_001, -1)
    elif turn == 2:
        place.rename(place.with_name("elsewhere"))
    elif place.is_dir():
        (place / "more").symlink_to(victim.results)
    else:
        place.unlink()
        chance.choice([lambda: place.symlink_to(victim.start_file), lambda: os.mkfifo(place), place.mkdir])()


def test_no_garbled_metadata_state_or_journal_leads_recover_astray(
    tmp_path: Path, journal: bytes, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smaragdine.daemon.kept._PATIENCE_S", 0.1)
    changes: list[Callable[[Victim, Path, random.Random], None]] = [of_metadata, of_journal, of_state]
    seen: Counter[tuple[str, int]] = Counter()
    for number in NUMBERS:
        chance = random.Random(number)
        victim = Victim(tmp_path / "home", journal)
        state = kept(victim)
        change = chance.choice(changes)
        change(victim, state, chance)
        theirs = {path for path in victim.home.rglob("*") if not path.is_relative_to(victim.sent)}
        begun = time.monotonic()
        what = f"input {number}, {change.__name__}"
        try:
            code = victim.recover()
        except BaseException as traceback:
            raise AssertionError(what) from traceback
        error = capfd.readouterr().err
        assert time.monotonic() - begun < PATIENCE_S, what
        assert code in (0, 1, 2), (what, code, error)
        assert "Traceback" not in error and "panicked" not in error, (what, error)
        assert code == 0 or "error: " in error, (what, error)
        assert victim.unharmed(), what
        left = {path for path in theirs if path.exists() or path.is_symlink()}
        assert all(gone.is_relative_to(state.parent) for gone in theirs - left), what
        if code == 0 and json.loads((victim.sent / "trace.json").read_text())["state"] == "cut":
            assert main(["ledger", str(victim.sent)]) in (0, 3), (what, capfd.readouterr().err)
            capfd.readouterr()
        seen[change.__name__, code] += 1
        shutil.rmtree(victim.home)
    with capfd.disabled():
        print(f"{INPUTS} garbled states from {FIRST}: {dict(seen)}")
