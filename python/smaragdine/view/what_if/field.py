"""How the page tells its fields apart, and what a person typed from what it showed itself."""

from __future__ import annotations

from typing import Any

_NOT_TOLD = "?"


def field(what: str, of: int | str = "", shown: Any = _NOT_TOLD) -> dict[str, Any]:
    """The id of a field that changes `what`. A field that is drawn anew sends what it shows, as if somebody had typed
    it: so its id holds that, and what equals it is no change."""
    return {"set": what, "of": of, "was": _text(shown)}


def is_shown(id: dict[str, Any], value: Any) -> bool:
    """Whether a field sends what it showed; never where it does not tell."""
    was = id.get("was", _NOT_TOLD)
    return was != _NOT_TOLD and (was == _text(value) or _number(was) == _number(value) is not None)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
