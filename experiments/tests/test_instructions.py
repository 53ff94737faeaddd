"""Counts of instructions: what is beyond the margin is told with both counts; what was not checked does not pass."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from experiments.speed import instructions  # noqa: E402
from experiments.speed.instructions import Counted, UnavailableError  # noqa: E402

COMMITTED = {"alignment": {"instructions": 1_000_000, "of": 1_000, "unit": "events"}}


@pytest.mark.parametrize("count", [970_001, 1_000_000, 1_029_999])
def test_a_count_within_the_margin_is_no_difference(count: int) -> None:
    assert instructions.differences(COMMITTED, {"alignment": Counted(count, 1_000, "events")}) == []


@pytest.mark.parametrize(("count", "change"), [(1_031_000, "+3.1%"), (960_000, "-4.0%")])
def test_a_count_beyond_the_margin_is_told_with_its_loop_and_both_counts(count: int, change: str) -> None:
    (problem,) = instructions.differences(COMMITTED, {"alignment": Counted(count, 1_000, "events")})
    expected = f"alignment takes {count:,} instructions, 1,000,000 are committed: {change}, beyond 3%"
    assert problem == expected


def test_counts_of_other_input_are_not_compared() -> None:
    (problem,) = instructions.differences(COMMITTED, {"alignment": Counted(1_000_000, 2_000, "events")})
    assert problem == "alignment was counted of 1,000 events, now of 2,000 events"


def test_a_loop_on_one_side_alone_is_told() -> None:
    problems = instructions.differences(COMMITTED, {"names": Counted(1, 1, "names")})
    assert problems == ["alignment is committed and no loop any more", "names is not committed"]


def test_another_compiler_is_told_and_checks_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    counts = tmp_path / "instructions.json"
    counts.write_text(json.dumps({"compiler": "rustc 0.0.1 (0 1970-01-01) nowhere", "loops": COMMITTED}))
    monkeypatch.setattr(instructions, "COUNTS", counts)
    monkeypatch.setattr(sys, "argv", ["instructions"])
    with pytest.raises(UnavailableError, match=r"rustup toolchain install 0\.0\.1"):
        instructions.chosen("rustc 0.0.1 (0 1970-01-01) nowhere")
    assert instructions.main() == 0
    told = capsys.readouterr()
    assert "NOT checked: they are counted by rustc 0.0.1" in told.err
    assert "all within" not in told.out


def test_without_valgrind_nothing_is_checked_and_nothing_renewed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["instructions", "--renew"])
    before = instructions.COUNTS.read_bytes()
    assert instructions.main() == 1
    assert "there is no valgrind" in capsys.readouterr().err
    assert instructions.COUNTS.read_bytes() == before


def test_every_loop_has_a_committed_count() -> None:
    text = (ROOT / "experiments" / "speed" / "src" / "loops.rs").read_text()
    listed = text.partition("pub(crate) const ALL")[2].partition("];")[0]
    committed = json.loads(instructions.COUNTS.read_text(encoding="utf-8"))["loops"]
    assert set(re.findall(r'^    \("([^"]+)"', listed, re.MULTILINE)) == set(committed)
    assert all(loop["instructions"] > loop["of"] for loop in committed.values())
