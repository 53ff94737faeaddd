"""What every view opens with where no sensor's energy is counted.

The daemon says the same when it starts (`trace/notice.rs`); tests/fixtures/notices.json holds both to one text.
"""

from __future__ import annotations

from collections.abc import Iterable

from smaragdine.accounts.domain import Domain
from smaragdine.accounts.energy import MEASURED, MODELLED_NOTICE

# So many reasons are told; the trace has all.
_MOST_REASONS = 3
_NO_SENSOR, _, _MODEL = MODELLED_NOTICE.partition("; ")
_NO_MODEL = "nothing is accounted; " + _MODEL.partition("; ")[2]


def notice(domains: Iterable[Domain]) -> str | None:
    """The sentence; None where something counted is measured."""
    domains = tuple(domains)
    if any(domain.counted and domain.basis == MEASURED for domain in domains):
        return None
    sensors = uncounted(domains) or _NO_SENSOR
    return f"{sensors}; {_MODEL if any(domain.counted for domain in domains) else _NO_MODEL}"


def uncounted(domains: Iterable[Domain]) -> str | None:
    """That sensors were read, and why none of them is counted; None where none was read."""
    told: dict[str, list[str]] = {}
    for domain in domains:
        if domain.basis == MEASURED and not domain.counted:
            told.setdefault(domain.not_counted_because or "another holds its energy", []).append(domain.name)
    if not told:
        return None
    reasons = [f"{_names(names)}: {because}" for because, names in told.items()]
    if (more := len(reasons) - _MOST_REASONS) > 0:
        reasons[_MOST_REASONS:] = [f"and {more} further reasons"]
    return f"energy sensors were read, but none of them can be counted ({'; '.join(reasons)})"


def _names(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"
