"""JSON as the dataclasses that it describes: each value has the type that its field is declared with, or is refused."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

_T = TypeVar("_T")
_LEAST, _MOST = -(2**63), 2**64 - 1


def shaped(kind: type[_T], raw: Any, /, **given: Any) -> _T:
    """The fields of `raw` that `kind` has, `given` ones aside; a newer writer may add further ones.

    What is null counts as absent where the field has a default. Raises ValueError, in words.
    """
    if not isinstance(raw, Mapping):
        raise ValueError(f"{_said(raw)} where a {kind.__name__.lower()} belongs")
    values = dict(given)
    hints = _hints(kind)  # type: ignore[arg-type]
    for field in fields(kind):  # type: ignore[arg-type]
        name = field.name
        if name in given:
            continue
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        if raw.get(name) is None and has_default:
            continue
        if name not in raw:
            raise ValueError(f"{kind.__name__.lower()} without {name}")
        values[name] = _as(hints[name], raw[name], name)
    return kind(**values)


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _as(kind: Any, value: Any, name: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return None if value is None else _as(next(one for one in get_args(kind) if one is not type(None)), value, name)
    if origin is tuple and isinstance(value, list):
        return tuple(_as(get_args(kind)[0], one, name) for one in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: _as(get_args(kind)[1], one, name) for key, one in value.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return shaped(kind, value)
    if kind is bool and isinstance(value, bool):
        return value
    if isinstance(value, bool) or origin is not None:
        raise ValueError(f"{name} is {_said(value)}")
    if kind is str and isinstance(value, str):
        return value
    if kind is int and isinstance(value, int) and _LEAST <= value <= _MOST:
        return value
    if kind is float and isinstance(value, (int, float)) and math.isfinite(number := float(value)):
        return number
    raise ValueError(f"{name} is {_said(value)}")


def _said(value: Any) -> str:
    text = repr(value) if not isinstance(value, (dict, list)) else f"a {type(value).__name__}"
    return text if len(text) < 60 else text[:57] + "..."
