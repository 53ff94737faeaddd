"""The experiment on the page's speed, at its smallest: it works, and tells every number."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.browser import CHROMIUM, missing

ROOT = Path(__file__).parents[2]


@pytest.mark.browser
def test_the_page_of_a_small_program_is_opened_and_hovered() -> None:
    if not CHROMIUM.exists():
        missing(str(CHROMIUM))
    command = [sys.executable, ROOT / "experiments" / "view" / "run.py", "--operations", "400", "--tries", "1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert re.match(r"\d+ operations, 1 tries; load average", run.stdout)
    told = [float(number) for number in re.findall(r"^  ([\d.]+) s .*", run.stdout, re.MULTILINE)]
    _command_s, _first_s, ring_s, page_s, _core_s, _slice_s, _state_s = told
    assert min(told) > 0 and ring_s <= page_s
    assert run.stdout.count("reached") + run.stdout.count("MISSED") == 3
