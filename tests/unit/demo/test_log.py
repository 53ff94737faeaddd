"""What libraries print beside Python is kept, and shown where it is needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smaragdine.demo.log import Log


def test_what_libraries_print_goes_to_the_log_and_what_follows_to_the_terminal(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = Log()
    with log.open():
        os.write(2, b"cold caches\n")
    os.write(2, b"a bar\n")
    log.keep(tmp_path / "log")
    assert (tmp_path / "log").read_text() == "cold caches\n"
    assert capfd.readouterr().err == "a bar\n"


def test_what_a_failure_says_is_shown(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = Log()

    def load() -> None:
        os.write(2, b"no such library\n")
        raise ImportError("libcuda")

    with pytest.raises(ImportError), log.open():
        load()
    log.keep(tmp_path / "log")
    assert not (tmp_path / "log").exists()
    assert capfd.readouterr().err == "no such library\n"
