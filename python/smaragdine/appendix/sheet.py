"""A table that is shown, and the same in full as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smaragdine.shown import cell
from smaragdine.text.table import Table


@dataclass(frozen=True, slots=True)
class Sheet:
    """`links`: for each row where its first cell leads, relative to the page; none where it leads nowhere."""

    file: str
    """Its CSV, relative to the site's root."""
    table: Table
    csv: bytes
    notes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        file: str,
        table: Table,
        rows: Sequence[Mapping[str, Any]],
        *,
        notes: Iterable[str] = (),
        links: Iterable[str] = (),
    ) -> Sheet:
        return cls(file, table, written(rows), tuple(notes), tuple(links))


def written(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Numbers in full, what is not known empty, text guarded from spreadsheets; columns of all rows, in their order."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, [cell(column) for column in columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows({cell(column): cell(row.get(column)) for column in columns} for row in rows)
    return out.getvalue().encode("utf-8")
