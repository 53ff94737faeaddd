"""`Place`: where energy was drawn, with its PUE and the carbon intensity of its electricity."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

from smaragdine.carbon.intensity import LIFECYCLE, Intensity
from smaragdine.carbon.lookup import Found, Lookup, default
from smaragdine.carbon.pue import Pue
from smaragdine.carbon.series import Series
from smaragdine.carbon.table import grams_per_kwh
from smaragdine.errors import UsageError

ENVIRONMENT = "SMARAGDINE_REGION"
LABEL = "region"


class Place:
    """A region with its PUE and carbon intensity, each with its source. Nothing is asked from the network.

    `region`: a code or name that a table knows (`US-CA`, `Québec`, `DEU`, `gcp:us-central1`). `pue`: a number, the name
    of a published one, or None (1.0, and said so). `scope`: `lifecycle` or `direct`; without it lifecycle where a table
    has that. `year`: of the row that is nearest to it; without it the newest. `rows`: a user's own table, before ours.
    `series`: intensities over time. `intensity_g_per_kwh`: a figure of the user's own, instead of any table's.
    Raises SmaragdineError for what no table knows.
    """

    def __init__(
        self,
        region: str,
        pue: float | str | Pue | None = None,
        *,
        scope: str | None = None,
        year: int | None = None,
        rows: Iterable[Intensity] = (),
        series: Series | None = None,
        intensity_g_per_kwh: float | None = None,
    ) -> None:
        self.pue = Pue.of(pue)
        self.series = series
        rows = tuple(rows)
        self.found: Found | None = None
        if intensity_g_per_kwh is not None:
            self.intensity = _told(region, intensity_g_per_kwh, scope or (series.scope if series else None))
            self.others: tuple[Intensity, ...] = ()
            return
        self.found = (Lookup(rows) if rows else default()).find(region)
        self.intensity = self.found.choose(scope, year)
        self.others = self.found.others(self.intensity)
        if series is not None and series.scope != self.intensity.scope:
            same = any(row.scope == series.scope for row in self.found.rows)
            self.intensity = self.found.choose(series.scope, year) if same else _mean(self.found, series)
            self.others = self.found.others(self.intensity)

    def __repr__(self) -> str:
        return f"Place({self.code!r}, pue={self.pue.factor:g})"

    @property
    def code(self) -> str:
        return self.found.place if self.found else self.intensity.place

    @property
    def name(self) -> str:
        return self.found.name if self.found else self.intensity.name

    @property
    def country(self) -> str:
        """ISO 3166 alpha-3; empty where it is not known."""
        return self.found.country if self.found else self.intensity.country

    @property
    def range_g_per_kwh(self) -> tuple[float, float] | None:
        """The least and the most that is published of this place: the row's own range, and what other tables say of
        the same scope within three years. None where there is one figure alone: then nobody has told how sure it is.
        """
        values = [row.g_per_kwh for row in (self.intensity, *self.others)]
        values += [bound for bound in (self.intensity.low, self.intensity.high) if bound is not None]
        return (min(values), max(values)) if len(values) > 1 else None


def _told(region: str, value: float, scope: str | None) -> Intensity:
    grams_per_kwh(str(value), "the intensity told")
    source = "the user's own figure" if scope else "the user's own figure, taken as lifecycle"
    return Intensity(region, "own", region, "", 0, "average", scope or LIFECYCLE, value, None, None, source, "")


def _mean(found: Found, series: Series) -> Intensity:
    """What stands for the time that a series leaves out where no table has figures of its scope: its own mean."""
    first = datetime.fromtimestamp(int(series.times_ns[0, 0]) / 1e9, timezone.utc)
    mean = float(series.g_per_kwh.mean())
    return Intensity(
        found.place, "own", found.name, found.country, first.year, "average", series.scope, mean, None, None,
        f"the mean of {series.source}", "", series.digits,
    )  # fmt: skip


def region_told(option: str | None, labels: Iterable[Mapping[str, str]] = ()) -> tuple[str, str] | None:
    """The region and who told it: the option, the traces' label `region`, or the environment, in this order.

    What a trace says of itself stands before what holds where it is read. None where nobody tells: there is no
    default. Raises SmaragdineError where traces name different ones.
    """
    if option:
        return option, "told by option"
    labelled = {of[LABEL] for of in labels if of.get(LABEL)}
    if len(labelled) > 1:
        raise UsageError(
            f"the traces were recorded in different regions: {', '.join(sorted(labelled))}",
            "state them one by one, or name one region for all with --region",
        )
    if labelled:
        return labelled.pop(), "by the trace's label"
    if region := os.environ.get(ENVIRONMENT):
        return region, f"by {ENVIRONMENT}"
    return None
