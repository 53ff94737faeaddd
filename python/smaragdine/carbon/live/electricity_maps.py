"""Electricity Maps: hourly carbon intensity of zones, for those who have a token (`ELECTRICITY_MAPS_TOKEN`).

`GET /v3/carbon-intensity/past-range?zone=…&start=…&end=…`, at most ten days of hours. By itself the service takes the
caller's own place where it does not know a zone: that is turned off, and the zone of the answer is checked.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import urlencode

from smaragdine.carbon.intensity import DIRECT, LIFECYCLE
from smaragdine.carbon.live.answer import Get, SilentError, address, keep
from smaragdine.carbon.live.moments import HOUR_NS, S, at, instant_ns, intensity, pieces
from smaragdine.carbon.lookup import alpha2
from smaragdine.errors import UsageError

NAME = "Electricity Maps"
SCOPES = (LIFECYCLE, DIRECT)
HINT = "name the grid zone, as in US-CAL-CISO: `smaragdine regions --all --kind zone` lists them"
TOKEN = "ELECTRICITY_MAPS_TOKEN"  # noqa: S105  the variable's name
_HOURS = 240


def zone(place: str, rows: tuple[str, ...]) -> str | None:
    """Its keys are our codes of zones; of whole countries they have two letters."""
    for code in (place, *rows):
        if two := next((two for two, three in alpha2().items() if three == code), None):
            return two
        if ":" not in code and not _is_state(code):
            return code
    return None


def intervals(zone: str, start_ns: int, end_ns: int, scope: str, get: Get) -> tuple[list[tuple[int, int, float]], str]:
    token = os.environ.get(TOKEN)
    if not token:
        raise UsageError(f"{NAME} answers those alone who have a token", f"set {TOKEN}")
    base = address("SMARAGDINE_ELECTRICITY_MAPS_URL", "https://api.electricitymaps.com")
    rows: list[tuple[int, int, float]] = []
    estimated = 0
    for first, last in pieces(start_ns, end_ns, HOUR_NS, _HOURS):
        query = {
            "zone": zone,
            "start": f"{at(first):%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{at(last):%Y-%m-%dT%H:%M:%SZ}",
            "emissionFactorType": scope,
            "shouldUseFallbackCallerLookup": "false",
        }
        url = f"{base}/v3/carbon-intensity/past-range?{urlencode(query)}"
        body = get(url, {"auth-token": token}, last / S)
        for point in _points(body, zone, scope):
            start = instant_ns(point.get("datetime"), NAME)
            value = intensity(point.get("carbonIntensity"), NAME)
            if value is not None and first <= start < last:
                rows.append((start, start + HOUR_NS, value))
                estimated += bool(point.get("isEstimated"))
        keep(url, body)
    return rows, f"; {100 * estimated / len(rows):.0f} % of its hours estimated" if estimated else ""


def _points(body: bytes, zone: str, scope: str) -> list[dict[str, Any]]:
    try:
        answer = json.loads(body)
        points = answer["data"]
        told = [answer.get("zone", zone), *(point.get("zone", zone) for point in points)]
        counted = [point.get("emissionFactorType", scope) for point in points]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise SilentError(f"{NAME} answered what is no list of intensities") from None
    if other := next((one for one in told if one != zone), None):
        raise SilentError(f"{NAME} answered for zone {str(other)[:40]!r} instead of {zone}")
    if other := next((one for one in counted if one != scope), None):
        raise SilentError(f"{NAME} answered {str(other)[:40]!r} figures instead of {scope} ones")
    return list(points)


def _is_state(code: str) -> bool:
    """`US-CA` is a state; grid zones of the USA have a region as well, Alaska and Hawaii apart."""
    return code.startswith("US-") and code.count("-") == 1 and code not in ("US-AK", "US-HI")
