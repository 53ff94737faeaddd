"""What a table's columns say, as checksums: the same whatever program wrote them how.

Rust computes the same (`tables/checksum.rs`); docs/trace-format.md says how.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from smaragdine.trace.checksum import Checksum

if TYPE_CHECKING:
    import duckdb

_ROWS = 1 << 16


def differs(view: duckdb.DuckDBPyConnection, table: str, kinds: Mapping[str, str], sealed: Checksum) -> str | None:
    """What `table`, a view whose columns are of these kinds, says otherwise than the one that was sealed.

    Columns that were sealed by a later version, and are not known here, are read by nobody. Raises duckdb.Error where
    the table cannot be read.
    """
    rows = view.execute(f"select count(*) from {table}").fetchall()[0][0]
    if rows != sealed.rows:
        return f"it has {rows} rows, and {sealed.rows} were sealed"
    for name, kind in kinds.items():
        if name in sealed.columns and of_column(view, table, name, kind) != sealed.columns[name]:
            return f"column {name} is not what was sealed"
    return None


def of_column(view: duckdb.DuckDBPyConnection, table: str, name: str, kind: str) -> str:
    """SHA-256 of one column of a view, in the order of its rows. Memory is bounded by the column, texts by a part."""
    column = _Column()
    query = view.execute(f'select "{name}" from {table}')
    if kind in ("VARCHAR", "VARCHAR[]") or kind.startswith("MAP"):
        fill = column.texts if kind == "VARCHAR" else column.lists if kind == "VARCHAR[]" else column.maps
        first = 0
        for rows in _parts(query):
            fill(first, [row[0] for row in rows])
            first += len(rows)
    else:
        column.values(query.fetchnumpy()[name])
    return column.sum()


def _parts(query: duckdb.DuckDBPyConnection) -> Iterator[Sequence[tuple[Any, ...]]]:
    while rows := query.fetchmany(_ROWS):
        yield rows


def _sha256() -> Any:
    return hashlib.sha256()


@dataclass(slots=True)
class _Column:
    """One column as five streams of bytes: parts may end anywhere, and sums are the same."""

    nulls: Any = field(default_factory=_sha256)
    counts: Any = field(default_factory=_sha256)
    lengths: Any = field(default_factory=_sha256)
    text: Any = field(default_factory=_sha256)
    numbers: Any = field(default_factory=_sha256)

    def values(self, column: Any) -> None:
        values = np.ma.asarray(column)
        missing = np.ma.getmaskarray(values).copy()
        data = np.ma.getdata(values)
        if data.dtype.kind == "f":
            missing |= np.isnan(data)
        # What is missing only in type, as a column without any value.
        data = data[~missing]
        wide = data.astype("<f8" if data.dtype.kind == "f" else "<u8" if data.dtype.kind in "ub" else "<i8", copy=False)
        self.nulls.update(_words(np.flatnonzero(missing)))
        self.numbers.update(np.ascontiguousarray(wide).tobytes())

    def texts(self, first: int, column: list[str | None]) -> None:
        self.nulls.update(_words([first + row for row, text in enumerate(column) if text is None]))
        self._add([text.encode() for text in column if text is not None])

    def lists(self, _: int, column: list[list[str | None] | None]) -> None:
        """A null is an empty list, and one in a list none of its elements."""
        lists = [[text.encode() for text in row or () if text is not None] for row in column]
        self.counts.update(_words([len(row) for row in lists]))
        self._add([text for row in lists for text in row])

    def maps(self, _: int, column: list[dict[str, float | None] | None]) -> None:
        """By name, without what is not known."""
        known = [
            sorted((name.encode(), value) for name, value in row.items() if value is not None and not math.isnan(value))
            for row in (row or {} for row in column)
        ]
        self.counts.update(_words([len(row) for row in known]))
        self._add([name for row in known for name, _ in row])
        self.numbers.update(np.array([value for row in known for _, value in row], dtype="<f8").tobytes())

    def _add(self, texts: list[bytes]) -> None:
        self.lengths.update(_words([len(text) for text in texts]))
        self.text.update(b"".join(texts))

    def sum(self) -> str:
        digest = hashlib.sha256()
        for stream in (self.nulls, self.counts, self.lengths, self.text, self.numbers):
            digest.update(stream.digest())
        return digest.hexdigest()


def _words(numbers: Any) -> bytes:
    return np.asarray(numbers, dtype="<u8").tobytes()
