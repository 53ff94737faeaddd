"""The seal of `trace.json`: a checksum over all of its other fields, those of the tables among them.

It is over what the fields say, so that a tool that formats the file anew, or sorts its keys, breaks nothing. Rust
computes the same (`tables/seal.rs`); docs/trace-format.md says how.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

SEAL = "seal"
CHECKSUMS = "checksums"

# Doubles beyond do not tell every integer, and other integers are read as doubles.
_EXACT = 2**53
_LEAST, _MOST = -(2**63), 2**64 - 1


def broken(fields: Mapping[str, Any]) -> str | None:
    """Why the fields are not those that were sealed; None where they are, or never were sealed.

    Raises ValueError or TypeError where they are none that a trace can have.
    """
    if SEAL not in fields and CHECKSUMS not in fields:
        return None
    if SEAL not in fields or CHECKSUMS not in fields:
        # The name of a field was damaged.
        return "half of its seal is missing"
    return None if fields[SEAL] == seal(fields) else "its fields are not those that were sealed"


def seal(fields: Mapping[str, Any]) -> str:
    """SHA-256 in hexadecimal over all fields but the seal."""
    digest = hashlib.sha256()
    for piece in _pieces({name: value for name, value in fields.items() if name != SEAL}):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    if value is None:
        yield b"n"
    elif isinstance(value, bool):
        yield b"t" if value else b"f"
    elif isinstance(value, int) and _LEAST <= value <= _MOST:
        yield b"i%d;" % value
    elif isinstance(value, (int, float)):
        double = float(value)
        # Some write 4 for 4.0.
        whole = double.is_integer() and abs(double) < _EXACT
        yield b"i%d;" % int(double) if whole else b"d" + struct.pack("<d", double)
    elif isinstance(value, str):
        yield _text(value)
    elif isinstance(value, list):
        yield b"["
        for item in value:
            yield from _pieces(item)
        yield b"]"
    elif isinstance(value, dict):
        yield b"{"
        for name, text in sorted((name.encode(), name) for name in value):
            yield b"s%d:" % len(name) + name
            yield from _pieces(value[text])
        yield b"}"
    else:
        raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def _text(text: str) -> bytes:
    encoded = text.encode()
    return b"s%d:" % len(encoded) + encoded
