"""A trace's files in another place: its tables and `trace.json`, and nothing that lies beside them."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

from smaragdine.errors import UsageError
from smaragdine.files import regular
from smaragdine.files.writing import Folder
from smaragdine.trace.checksum import of_bytes
from smaragdine.trace.metadata import Metadata
from smaragdine.trace.tables import TABLES, Tables


def copy(trace: Path, tables: Tables, output: Path, *, fleeting: bool = False) -> None:
    """Copies what was checked against its seal. Raises SmaragdineError where that, or room for it, is missing.

    `fleeting`: the copy is removed soon, and need not survive a power failure.
    """
    # A file in a table's place that is none is no secret of this machine's to be handed on.
    tables.check(*TABLES)
    try:
        with Folder.at(output, fleeting=fleeting) as folder:
            for file in chain.from_iterable(tables.files.values()):
                _copy_into(folder, file, file.relative_to(trace))
            # It comes last, so that none is half there.
            _copy_into(folder, trace / "trace.json", Path("trace.json"))
    except OSError as error:
        raise UsageError(f"cannot copy {trace} to {output}: {error.strerror}", "is there room?") from None


def copy_sealed(trace: Path, metadata: Metadata, output: Path) -> bool:
    """Copies a trace for a while, where its files are byte for byte those that were sealed; else False.

    Nothing is opened as a table, so it is quick; who gets False takes `copy`. What was copied by then is no trace.
    """
    sealed = metadata.checksums or {}
    files = {table: trace / f"{table}.parquet" for table in TABLES}
    if not all(table in sealed and regular.is_file(file) for table, file in files.items()):
        return False
    try:
        with Folder.at(output, fleeting=True) as folder:
            for table, file in files.items():
                _copy_into(folder, file, Path(file.name))
                if of_bytes([output / file.name]) != sealed[table].bytes:
                    return False
            folder.write("trace.json", json.dumps(metadata.raw).encode())
    except OSError as error:
        raise UsageError(f"cannot copy {trace} to {output}: {error.strerror}", "is there room?") from None
    return True


def _copy_into(folder: Folder, file: Path, name: Path) -> None:
    """`name` has a folder before it where Spark wrote a table in parts."""
    *steps, last = name.parts
    with folder.below(*steps) as inner, file.open("rb") as source:
        inner.copy(source, last)
