"""Which code a command ends with is the command line's to say: errors tell only of which kind they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from smaragdine import SmaragdineError
from smaragdine.cli.ending import NotExecutableError, NotFoundError, exit_code
from smaragdine.errors import NotMeasuredError, OccupiedError, TraceError, UsageError, changed, damaged


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SmaragdineError("no daemon answers"), 1),
        (OccupiedError("OUTPUT x is not empty"), 1),
        (UsageError("there is no scope 'y'"), 2),
        (TraceError("x is not a trace"), 2),
        (damaged(Path("x"), "it is torn"), 2),
        (changed(Path("x"), "ops.parquet", "it has 3 rows"), 2),
        (NotMeasuredError("nothing was read"), 3),
        (NotExecutableError("cannot run x"), 126),
        (NotFoundError("cannot run x"), 127),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_kind_of_error_has_its_code(error: SmaragdineError, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_knows_no_code() -> None:
    assert vars(UsageError("a", "b")) == {"message": "a", "hint": "b"}
