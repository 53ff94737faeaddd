"""Flipped bits in any file of a trace, through every command that reads one: the same output, or exit code 2 and words.

SMARAGDINE_FLIPS says how many (a hundred otherwise), SMARAGDINE_FLIPS_FROM which is the first, and
SMARAGDINE_FLIPS_INSTALLED how many go through the installed command, whose start takes longer than its work.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from attack import WHOLE
from reading import BY_THEMSELVES, COMMANDS, RARELY, Outcome, small

from smaragdine import Trace
from smaragdine.cli import main

FLIPS = int(os.environ.get("SMARAGDINE_FLIPS", "100"))
FIRST = int(os.environ.get("SMARAGDINE_FLIPS_FROM", "0"))
INSTALLED = int(os.environ.get("SMARAGDINE_FLIPS_INSTALLED", "200" if WHOLE else "4"))

Command = Callable[[Path, Path], Outcome]

# Where rows are as they were sealed, and what the file says of them beside (least, most) is not: DuckDB planned by it,
# and gave other numbers.
FOOTERS = (1274, 2351)


def flip(
    trace: Path, to: Path, numbers: Iterable[int], often: Mapping[str, Command], rarely: Mapping[str, Command]
) -> Counter[str]:
    """Each number is a bit of a file and a command; returns how many are told, and how many change nothing."""
    all_of_them = {**often, **rarely}
    before: dict[str, Outcome] = {}
    files = {file: file.read_bytes() for file in sorted(trace.iterdir()) if file.is_file()}
    seen: Counter[str] = Counter()
    for number in numbers:
        chance = random.Random(number)
        # By file rather than by size: the smallest are as often damaged as the largest.
        file = chance.choice(list(files))
        name = chance.choice(list(rarely if chance.random() < 0.1 else often))
        if name not in before:
            before[name] = all_of_them[name](trace, to)
            assert before[name][0] == 0, before[name]
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
    assert seen["told"]
    return seen


def test_no_flipped_bit_gives_another_number_a_traceback_or_a_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "smaragdine")
    numbers = [*FOOTERS, *range(FIRST, FIRST + FLIPS)]
    seen = flip(small(tmp_path / "trace"), tmp_path / "written", numbers, COMMANDS, RARELY)
    print(f"{FLIPS} flips from {FIRST}: {dict(seen)}")


def test_nor_does_one_through_the_command_as_it_is_installed(tmp_path: Path) -> None:
    seen = flip(small(tmp_path / "trace"), tmp_path / "written", range(INSTALLED), BY_THEMSELVES, BY_THEMSELVES)
    print(f"{INSTALLED} flips through the command: {dict(seen)}")


def test_recover_says_that_a_trace_is_damaged_and_not_that_there_is_nothing_to_recover(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trace = small(tmp_path / "trace")
    metadata = trace / "trace.json"
    whole = metadata.read_text()
    for told, damaged in (('"complete"', '"cokplete"'), ('"state"', '"stbte"'), ('"name"', '"nbme"'), ("{", "[")):
        assert told in whole
        metadata.write_text(whole.replace(told, damaged, 1))
        assert main(["recover", str(trace)]) == 2, damaged
        assert "error: " in capfd.readouterr().err
    metadata.write_text(whole)
    assert main(["recover", str(trace)]) == 0


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
