"""Checksums of a table, as `trace.json` holds them: of its bytes, and by column of what they say (`content.py`).

Rust computes the same (`tables/checksum.rs`); docs/trace-format.md says how.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Checksum:
    """Of one table, as `trace.json` holds it."""

    rows: int
    bytes: str
    """SHA-256 of the file; of a folder, that of its parts one after the other."""
    columns: Mapping[str, str]
    """SHA-256 by column."""

    @classmethod
    def of(cls, told: Any) -> Checksum:
        """Raises ValueError where `trace.json` says something else."""
        match told:
            case {"rows": int(rows), "bytes": str(sum), "columns": dict(columns)}:
                return cls(rows, sum, columns)
        raise ValueError("a checksum is none")


def of_bytes(files: Iterable[Path]) -> str:
    """Raises OSError where they cannot be read."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
