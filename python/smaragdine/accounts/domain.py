"""One energy register, in a trace or as a daemon describes it."""

from __future__ import annotations

from dataclasses import dataclass

from smaragdine.accounts.energy import MEASURED


@dataclass(frozen=True, slots=True)
class Domain:
    """`package-0` of `CPU:0`. What is not told is None or empty."""

    name: str
    device: str
    parent: str | None = None
    """The domain whose energy contains this one's."""
    counted: bool = True
    basis: str = MEASURED
    source: str = ""
    range_uj: int | None = None
    """Where the register wraps."""
    not_counted_because: str | None = None
    static_w: float | None = None
    scope: str = ""
    """Whose shares apply: `socket:0`, `gpu:0`."""
