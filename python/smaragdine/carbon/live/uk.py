"""The Carbon Intensity API of Great Britain's system operator: half hours, free, without a token.

`GET /intensity/{from}/{to}`, at most a fortnight. `actual` is null while a half hour is not closed; forecasts are left
out. Its figures are of generation alone, so direct.
"""

from __future__ import annotations

import json
from typing import Any

from smaragdine.carbon.intensity import DIRECT
from smaragdine.carbon.live.answer import Get, SilentError, address, keep
from smaragdine.carbon.live.moments import HOUR_NS, S, at, instant_ns, intensity, pieces

NAME = "Carbon Intensity API (Great Britain)"
SCOPES = (DIRECT,)
HINT = "it knows Great Britain alone: --region GB"
_FORTNIGHT = 2 * 24 * 13


def zone(place: str, rows: tuple[str, ...]) -> str | None:
    return "GB" if {"GB", "GBR"} & {place, *rows} else None


def intervals(zone: str, start_ns: int, end_ns: int, scope: str, get: Get) -> tuple[list[tuple[int, int, float]], str]:
    base = address("SMARAGDINE_UK_CARBON_URL", "https://api.carbonintensity.org.uk")
    rows: dict[int, tuple[int, int, float]] = {}
    for first, last in pieces(start_ns, end_ns, HOUR_NS // 2, _FORTNIGHT):
        # An answer begins with the half hour that ends at its first instant.
        url = f"{base}/intensity/{at(first):%Y-%m-%dT%H:%MZ}/{at(last):%Y-%m-%dT%H:%MZ}"
        body = get(url, {"Accept": "application/json"}, last / S)
        for half in _halves(body):
            start, end = instant_ns(half.get("from"), NAME), instant_ns(half.get("to"), NAME)
            told = half.get("intensity")
            value = intensity(told.get("actual") if isinstance(told, dict) else None, NAME)
            if value is not None and end > start:
                rows[start] = (start, end, value)
        keep(url, body)
    return list(rows.values()), ""


def _halves(body: bytes) -> list[dict[str, Any]]:
    try:
        halves = json.loads(body)["data"]
        if all(isinstance(half, dict) for half in halves):
            return list(halves)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise SilentError(f"{NAME} answered what is no list of half hours")
