"""`Course`: what a profile took point by point, as it was or in a scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate

from smaragdine.carbon.intensity import Intensity
from smaragdine.carbon.place import Place
from smaragdine.errors import UsageError
from smaragdine.what_if.hours import Curve
from smaragdine.what_if.layers import QUESTIONS, Estimate
from smaragdine.what_if.line import Line, Predicted
from smaragdine.what_if.point import Point
from smaragdine.what_if.profile import Profile
from smaragdine.what_if.rescaling import Ratio
from smaragdine.what_if.scenario import Scenario

KWH, CO2E, MONEY = "kWh", "CO2e", "money"
QUANTITIES = (KWH, CO2E, MONEY)


@dataclass(frozen=True, slots=True)
class Course:
    """Kilowatt-hours of each point, PUE included, and what each of them emits; None where no place is told."""

    name: str
    by: str
    numbers: tuple[int, ...]
    kwh: tuple[float, ...]
    outside_kwh: float
    """Outside all points, PUE included."""
    pue: float
    intensity: Intensity | None
    g_per_kwh: tuple[float, ...] | None
    """By point: of the place, or of the hours of a curve."""
    duration_s: float | None
    price: float | None
    ratio: Ratio
    estimate: Estimate | None
    modelled: bool

    @classmethod
    def of(cls, profile: Profile, scenario: Scenario | None = None) -> Course:
        """Raises SmaragdineError for what the scenario asks and nothing here can answer: no course has a gap of NaN."""
        asked = scenario or Scenario()
        pue = asked.pue or profile.pue or 1.0
        ratio = _ratio(profile, asked)
        estimate = QUESTIONS[asked.question](profile, asked.layer) if asked.question else None
        power, length = _told(profile, asked)
        changed = ratio.energy * power * length
        factor = changed * (1.0 if estimate is None else estimate.factor) * pue
        longer = ratio.time * length
        points = [
            replace(p, duration_s=None if p.duration_s is None else p.duration_s * longer) for p in profile.points
        ]
        intensity = _intensity(asked.region or profile.region, asked)
        values = None if intensity is None else (intensity.g_per_kwh,) * len(points)
        if asked.curve:
            values = _of_curve(profile, points, asked)
        lengths = [point.duration_s for point in points if point.duration_s is not None]
        return cls(
            name=profile.name,
            by=profile.by,
            numbers=tuple(point.number for point in points),
            kwh=tuple(point.total_kwh * factor for point in points),
            outside_kwh=sum(profile.outside_kwh.values()) * changed * pue,
            pue=pue,
            intensity=intensity,
            g_per_kwh=values,
            duration_s=sum(lengths) if len(lengths) == len(points) else None,
            price=asked.price,
            ratio=ratio,
            estimate=estimate,
            modelled=profile.modelled,
        )

    def values(self, quantity: str) -> list[float]:
        """Of each point: kilowatt-hours, grams or money. Raises UsageError where place or price is not told."""
        if quantity == KWH:
            return list(self.kwh)
        if quantity == CO2E:
            if self.g_per_kwh is None:
                raise UsageError(f"where {self.name} ran is not known, so energy stays energy", "choose a region")
            return [kwh * grams for kwh, grams in zip(self.kwh, self.g_per_kwh, strict=True)]
        if self.price is None:
            raise UsageError("what a kilowatt-hour costs is not told", "type its price")
        return [kwh * self.price for kwh in self.kwh]

    def cumulative(self, quantity: str) -> list[float]:
        return list(accumulate(self.values(quantity)))

    def total(self, quantity: str) -> float:
        """Of the whole run, what lies outside all points included."""
        within = self.values(quantity)
        if not self.outside_kwh:
            return sum(within)
        energy = sum(self.kwh)
        # At the mean of the points, which have the same place and price.
        return sum(within) * (1 + self.outside_kwh / energy) if energy else 0.0

    def forwards(self, quantity: str, points: int, *, cumulative: bool = False) -> list[Predicted]:
        """Further points after the last by least squares, each with its prediction interval."""
        values = self.values(quantity)
        line = Line.through(self.numbers, values)
        numbers = range(self.numbers[-1] + 1, self.numbers[-1] + 1 + points)
        if not cumulative:
            return _above_nothing(line, [line.at(number) for number in numbers])
        _above_nothing(line, [line.at(number) for number in numbers])
        before, sums = sum(values), [line.sum_of(numbers[: place + 1]) for place in range(len(numbers))]
        return [Predicted(one.number, before + one.value, before + one.low, before + one.high) for one in sums]

    def backwards(self, quantity: str, points: int) -> list[Predicted]:
        """Points before the first."""
        line = Line.through(self.numbers, self.values(quantity))
        first = self.numbers[0]
        return _above_nothing(line, [line.at(number) for number in range(first - points, first)])


def _above_nothing(line: Line, predicted: Sequence[Predicted]) -> list[Predicted]:
    if below := next((one for one in predicted if one.value < 0), None):
        raise UsageError(f"at {below.number} the line is below 0, where it tells nothing", "extrapolate less far")
    return [replace(one, low=max(0.0, one.low)) for one in predicted]


def _ratio(profile: Profile, asked: Scenario) -> Ratio:
    def as_told(parts: Sequence[object]) -> list[object]:
        return [(p.name, p.kind, p.quantity, p.power_w, p.flops) for p in parts]  # type: ignore[attr-defined]

    if asked.parts is None or as_told(asked.parts) == as_told(profile.parts):
        return Ratio(1.0, 1.0)
    # What was typed about a part of the same name is what it was before, too: nobody changes a data sheet by training.
    told = {part.name: part for part in asked.parts}
    before = [
        replace(
            part,
            power_w=part.power_w if part.power_w is not None else told[part.name].power_w,
            flops=part.flops if part.flops is not None else told[part.name].flops,
        )
        if part.name in told
        else part
        for part in profile.parts
    ]
    return Ratio.between([part.counted for part in before], [part.counted for part in asked.parts])


def mean_power_w(profile: Profile) -> float | None:
    """Of the computers in their epochs or steps; None where how long these took is not known."""
    return sum(p.total_kwh for p in profile.points) * 3.6e6 / profile.duration_s if profile.duration_s else None


def _told(profile: Profile, asked: Scenario) -> tuple[float, float]:
    """What a power and a duration that somebody typed multiply the energy with."""
    if asked.power_w is None and asked.duration_h is None:
        return 1.0, 1.0
    power_w = mean_power_w(profile)
    if not power_w or not profile.duration_s:
        raise UsageError(
            f"the profile {profile.name} does not tell how long its points took, so it has no power",
            "without it neither power nor hours can be varied",
        )
    power = 1.0 if asked.power_w is None else asked.power_w / power_w
    return power, 1.0 if asked.duration_h is None else asked.duration_h * 3600 / profile.duration_s


def _intensity(region: str | None, asked: Scenario) -> Intensity | None:
    if asked.g_per_kwh is not None:
        return Place(region or "own", intensity_g_per_kwh=asked.g_per_kwh, scope=asked.scope or None).intensity
    return Place(region, scope=asked.scope or None).intensity if region else None


def _of_curve(profile: Profile, points: Sequence[Point], asked: Scenario) -> tuple[float, ...]:
    if profile.start is None or any(point.duration_s is None for point in points):
        raise UsageError(
            f"the profile {profile.name} does not tell when it started, or how long its points took",
            "without both, hours cannot be shifted",
        )
    curve = Curve.of(asked.curve)
    assert isinstance(curve, Curve)
    at, values = profile.start + timedelta(hours=asked.hours), []
    for point in points:
        values.append(curve.mean(at, point.duration_s or 0.0))
        at += timedelta(seconds=point.duration_s or 0.0)
    return tuple(values)
