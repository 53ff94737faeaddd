"""Reading a pickle as data: dates, and values without behaviour. Nothing that it names is imported or called.

A pickle is a program. This one builds numbers, texts, lists, dicts and dates; objects of the packages that
experiment-impact-tracker put into its logs become empty stand-ins; whatever else is named is refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from smaragdine.errors import UsageError


def _bytes(text: object, encoding: object) -> bytes:
    """How pickles of the first protocols write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("it encodes what is no bytes")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Callable[..., object]] = {
    ("_codecs", "encode"): _bytes,
    ("datetime", "datetime"): datetime,
    ("datetime", "timedelta"): timedelta,
    ("datetime", "timezone"): timezone,
}
# Of installed packages and of a map's geometry; nobody reads them here.
_INERT = ("pkg_resources", "importlib_metadata", "importlib.metadata", "shapely", "pathlib")
# What reaches out of the pickle, or makes room before there is content for it.
_REFUSED = ("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "BYTEARRAY8", "NEXT_BUFFER", "READONLY_BUFFER")
_LARGEST = 32 << 20


class Inert:
    """Stands for an object that nobody reads; takes whatever it is made of."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __new__(cls, *_: object, **__: object) -> Inert:
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        pass

    def append(self, _: object) -> None:
        pass

    def extend(self, _: object) -> None:
        pass

    def __setitem__(self, _: object, __: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if allowed := _ALLOWED.get((module, name)):
            return allowed
        if module.split(".")[0] in _INERT or module in _INERT:
            return Inert
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def read(content: bytes, what: str) -> Any:
    """Raises SmaragdineError where it is no pickle, or wants more than to be data."""
    if len(content) > _LARGEST:
        raise UsageError(f"{what} is larger than {_LARGEST >> 20} MiB: that is no log")
    try:
        for opcode, argument, _ in pickletools.genops(content):
            numbered = opcode.name in ("PUT", "BINPUT", "LONG_BINPUT")
            if opcode.name in _REFUSED or (numbered and int(argument or 0) > len(content)):
                raise pickle.UnpicklingError(f"it holds {opcode.name}")
        return _Unpickler(io.BytesIO(content)).load()
    except (
        pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError, MemoryError,
        OverflowError, RecursionError,
    ) as error:  # fmt: skip
        reason = str(error) or type(error).__name__
        raise UsageError(f"{what} is not read: {reason}", "it may be damaged, or no log of that tool") from None
