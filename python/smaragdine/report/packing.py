"""Columns and words as one block of text that a page can carry: JSON, then arrays of numbers, deflated, in base64.

`browser/unpack.js` reads it. In the JSON, `{"#": i}` stands for the i-th array.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
from plotly.utils import PlotlyJSONEncoder

# Beyond this level zlib takes twice as long for a hundredth of the size.
_LEVEL = 6
_WIDEST = 8


def deflated(content: bytes) -> str:
    """Bytes as base64 of a zlib stream, which a browser's DecompressionStream calls `deflate`."""
    return base64.b64encode(zlib.compress(content, _LEVEL)).decode("ascii")


def packed(value: Any) -> str:
    """A value of dicts, lists, texts, numbers and numpy arrays; arrays keep their types, to the last bit."""
    arrays: list[np.ndarray[Any, Any]] = []
    text = json.dumps(_without_arrays(value, arrays), cls=PlotlyJSONEncoder, separators=(",", ":"), allow_nan=False)
    # Each array starts where its numbers may be read in place.
    told, at = [], 0
    for array in arrays:
        told.append([f"{array.dtype.kind}{array.dtype.itemsize}", at, len(array)])
        at += -(-array.nbytes // _WIDEST) * _WIDEST
    head = json.dumps({"arrays": told, "value": "*"}, separators=(",", ":")).replace('"*"', text).encode("utf-8")
    head += b" " * (-len(head) % _WIDEST)
    block = [len(head).to_bytes(_WIDEST, "little"), head]
    for array in arrays:
        own = array.astype(array.dtype.newbyteorder("<")).tobytes()
        block.append(own + b"\0" * (-len(own) % _WIDEST))
    return deflated(b"".join(block))


def _without_arrays(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"#": len(arrays) - 1}
    if isinstance(value, dict):
        return {key: _without_arrays(inside, arrays) for key, inside in value.items()}
    return value
