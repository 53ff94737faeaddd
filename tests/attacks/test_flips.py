"""Flipped bits in any file of a trace, through every command that reads one: the same output, or exit code 2 and words.

SMARAGDINE_FLIPS says how many (a hundred otherwise), SMARAGDINE_FLIPS_FROM which is the first.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from smaragdine import SmaragdineError, Trace
from smaragdine.cli import main
from smaragdine.cli.figure import KINDS
from smaragdine.cli.terminal import tell_error
from smaragdine.figures import distribution, sunburst
from smaragdine.view import Session, build
from smaragdine.view.drawing import KINDS as PICTURES
from smaragdine.view.drawing import as_shown, draw
from testbed import synthetic_trace

FLIPS = int(os.environ.get("SMARAGDINE_FLIPS", "100"))
FIRST = int(os.environ.get("SMARAGDINE_FLIPS_FROM", "0"))

# Where rows are as they were sealed, and what the file says of them beside (least, most) is not: DuckDB planned by it,
# and gave other numbers.
FOOTERS = (1274, 2351)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Outcome = tuple[int, str, str]


def command(*options: str) -> Callable[[Path, Path], Outcome]:
    """What a command ends with, prints or writes, and says on standard error."""

    def run(trace: Path, to: Path) -> Outcome:
        filled = [option.format(trace=trace, to=to) for option in options]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(filled)
        written = sorted(to.rglob("*")) if to.is_dir() else [to]
        told = out.getvalue() + "".join(file.read_text() for file in written if file.is_file())
        if to.is_dir():
            shutil.rmtree(to)
        to.unlink(missing_ok=True)
        # Plotly gives each figure a name of its own.
        return code, _UUID.sub("", told) if code == 0 else "", err.getvalue()

    return run


# Of two traces at least.
ALIKE = "similarity"


def viewed(trace: Path, to: Path) -> Outcome:
    """What the page of a trace shows as it opens, and each of its pictures: what `view` serves until it is ended."""
    err = io.StringIO()
    try:
        session = Session.open([trace])
        edd = session.edd(0, "", False)
        pictures = [
            sunburst(edd),
            distribution(edd),
            *(draw(kind, session, 0, "") for kind in PICTURES if kind != ALIKE),
        ]
        told = json.dumps([as_shown(picture) for picture in pictures]) + str(build(session).layout())
    except SmaragdineError as error:
        with contextlib.redirect_stderr(err):
            tell_error(error)
        return error.exit_code, "", err.getvalue()
    return 0, _UUID.sub("", told), ""


# The quick ones have their turn more often.
COMMANDS = {
    "footprint": command("footprint", "{trace}"),
    "footprint by layer": command("footprint", "{trace}", "--by", "layer", "--scope", "run", "--format", "json"),
    "ledger": command("ledger", "{trace}", "--format", "csv"),
    "perfetto": command("export", "{trace}", "--format", "perfetto", "-o", "{to}"),
    "csv": command("export", "{trace}", "--format", "csv", "-o", "{to}"),
    "power": command("figure", "{trace}", "--kind", "power", "--format", "html", "-o", "{to}"),
    "compare": command("compare", "{trace}", "{trace}"),
}
RARELY = {
    "sunburst": command("figure", "{trace}", "--kind", "sunburst", "--format", "html", "-o", "{to}"),
    "report": command("report", "{trace}", "-o", "{to}"),
    "footprint per sample": command("footprint", "{trace}", "--by", "stef", "--per", "sample", "--format", "csv"),
    "footprint as a tree": command("footprint", "{trace}", "--policy", "recency", "--format", "tree"),
    "recover": command("recover", "{trace}"),
    "view": viewed,
} | {
    f"figure of {kind}": command("figure", "{trace}", "{trace}", "--kind", kind, "--format", "html", "-o", "{to}")
    for kind in KINDS
}


def small(directory: Path) -> Path:
    """A trace that the daemon accounted and sealed, small enough for thousands of readers."""
    program = synthetic_trace.Program()
    x = program.op("net/embed", "GatherV2", 1.0)
    for layer in ("net/dense", "net/head"):
        x = program.dense(layer, x, 2.0)
    path = synthetic_trace.write(directory, program, steps=4, traced=(1, 2))
    for policy in ("equal", "recency"):
        assert main(["account", str(path), "--policy", policy]) == 0
    return path


def test_no_flipped_bit_gives_another_number_a_traceback_or_a_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "smaragdine")
    trace, to = small(tmp_path / "trace"), tmp_path / "written"
    all_of_them = COMMANDS | RARELY
    before = {name: run(trace, to) for name, run in all_of_them.items()}
    assert {code for code, _, _ in before.values()} == {0}
    assert {name: run(trace, to) for name, run in all_of_them.items()} == before, "it differs from itself"
    files = {file: file.read_bytes() for file in sorted(trace.iterdir()) if file.is_file()}
    seen: Counter[str] = Counter()
    for number in (*FOOTERS, *range(FIRST, FIRST + FLIPS)):
        chance = random.Random(number)
        # By file rather than by size: the smallest are as often damaged as the largest.
        file = chance.choice(list(files))
        name = chance.choice(list(RARELY if chance.random() < 0.1 else COMMANDS))
        damaged = bytearray(files[file])
        bit = chance.randrange(8 * len(damaged))
        damaged[bit // 8] ^= 1 << (bit % 8)
        file.write_bytes(damaged)
        try:
            code, told, error = all_of_them[name](trace, to)
        except BaseException as traceback:
            raise AssertionError(f"flip {number}: bit {bit} of {file.name} through {name}") from traceback
        finally:
            file.write_bytes(files[file])
        what = f"flip {number}: bit {bit} of {file.name} through {name} gives {code}: {error}"
        if code == 0:
            assert (code, told) == before[name][:2], what
        else:
            assert code == 2, what
            assert error.startswith("error: ") and "hint: " in error and "Traceback" not in error, what
        seen[f"{'as before' if code == 0 else 'told'}"] += 1
    print(f"{FLIPS} flips from {FIRST}: {dict(seen)}")
    assert seen["told"]


@pytest.mark.parametrize("name", ["trace.json", "ledger.parquet", "readings.parquet", "events.parquet"])
@pytest.mark.parametrize("keep", [0, 1, 200])
def test_a_file_that_is_cut_off_is_damage_in_words(name: str, keep: int, tmp_path: Path) -> None:
    trace = small(tmp_path / "trace")
    content = (trace / name).read_bytes()
    (trace / name).write_bytes(content[:keep])
    code, _, error = COMMANDS["footprint" if name != "events.parquet" else "perfetto"](trace, tmp_path / "to")
    assert code == 2
    assert error.startswith("error: ") and name in error


def test_accounting_names_what_was_changed_and_seals_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import duckdb

    trace = small(tmp_path / "trace")
    file = trace / "readings.parquet"
    with duckdb.connect() as connection:
        connection.sql(f"create table t as select * replace (energy_j * 2 as energy_j) from '{file}'")
        connection.table("t").write_parquet(str(file))
    assert main(["ledger", str(trace)]) == 2
    assert "readings.parquet was changed: column energy_j is not what was sealed" in capfd.readouterr().err
    assert main(["account", str(trace)]) == 0
    assert "readings.parquet was changed" in capfd.readouterr().err
    assert main(["ledger", str(trace)]) == 0
    opened = Trace.open(trace)
    read_j = sum(readings.total_j for readings in opened.readings.values())
    assert opened.ledger().total.measured_j == pytest.approx(read_j, rel=1e-9)
