"""Carbon intensities over time from those who publish them. Nothing here runs unless somebody names a provider.

A provider is one small file with `NAME`, `SCOPES` (what its figures count), `HINT`, `zone(place, rows)` (what it calls
a place; None where it does not know it) and `intervals(zone, start_ns, end_ns, scope, get)`, which gives rows of
(start_ns, end_ns, g/kWh) and a remark, and asks by `get(url, headers, until_s)` alone. What it cannot give is left out:
it is never filled.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from smaragdine.carbon.live.answer import SilentError, get
from smaragdine.carbon.series import Series
from smaragdine.errors import UsageError

if TYPE_CHECKING:
    from smaragdine.carbon.lookup import Found

PROVIDERS = {"electricity-maps": "electricity_maps", "uk": "uk", "caiso": "caiso"}
# A longer run asks for a figure of its own, not for thousands of answers.
_LONGEST_NS = 400 * 86_400 * 10**9

__all__ = ["PROVIDERS", "SilentError", "fetch"]


def fetch(provider: str, found: Found, start_ns: int, end_ns: int, scope: str | None = None) -> Series:
    """Asks the provider for a place and a time (since 1970, UTC).

    Raises SmaragdineError where it cannot know the place, the scope or so long a time, and SilentError where it does
    not answer, or what it answers makes no sense.
    """
    module = import_module(f"smaragdine.carbon.live.{PROVIDERS[provider]}")
    zone = module.zone(found.place, tuple(row.place for row in found.rows))
    if zone is None:
        raise UsageError(f"{module.NAME} does not know {found.name} ({found.place})", module.HINT)
    scope = scope or module.SCOPES[0]
    if scope not in module.SCOPES:
        raise UsageError(f"{module.NAME} has no {scope} figures", f"it has {' and '.join(module.SCOPES)} ones: --scope")
    if not 0 <= end_ns - start_ns <= _LONGEST_NS:
        raise UsageError("the run is too long to ask for its time", "give intensities with --series")
    rows, remark = module.intervals(zone, start_ns, end_ns, scope, get)
    if not rows:
        raise SilentError(f"{module.NAME} has no figures of {zone} for the time of the run")
    return Series.of(rows, f"{module.NAME}, zone {zone}{remark}", scope, place=found.place)
