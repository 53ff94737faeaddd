"""A trace's files in another place: its tables and `trace.json`, and nothing that lies beside them."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from smaragdine.errors import UsageError
from smaragdine.files.writing import Folder
from smaragdine.trace.tables import TABLES, Tables


def copy(trace: Path, tables: Tables, output: Path) -> None:
    """Copies what was checked against its seal. Raises SmaragdineError where that, or room for it, is missing."""
    # A file in a table's place that is none is no secret of this machine's to be handed on.
    tables.check(*TABLES)
    try:
        with Folder.at(output) as folder:
            for file in chain.from_iterable(tables.files.values()):
                _copy_into(folder, file, file.relative_to(trace))
            # It comes last, so that none is half there.
            _copy_into(folder, trace / "trace.json", Path("trace.json"))
    except OSError as error:
        raise UsageError(f"cannot copy {trace} to {output}: {error.strerror}", "is there room?") from None


def _copy_into(folder: Folder, file: Path, name: Path) -> None:
    """`name` has a folder before it where Spark wrote a table in parts."""
    *steps, last = name.parts
    with folder.below(*steps) as inner, file.open("rb") as source:
        inner.copy(source, last)
