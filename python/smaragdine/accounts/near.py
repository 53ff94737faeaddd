"""What a name that nothing has was meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """A hint with the nearest of the names; None where none is near."""
    # Only errors need it.
    from difflib import get_close_matches

    near = get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f"did you mean {near[0]!r}?" if near else None
