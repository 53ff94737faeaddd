"""The chart of a profile and its alternatives, and the maps: their numbers, and that no name is markup."""

from __future__ import annotations

import json

import pytest

from profiles import energyvis, two_components
from smaragdine.carbon.place import Place
from smaragdine.figures import consumption, regions
from smaragdine.figures.consumption import Compared, scaled
from smaragdine.figures.regions import STATES, WORLD, borders, by_name, difference, places
from smaragdine.what_if import Course, Point, Profile, Scenario

PRESENT = Course.of(two_components(), Scenario(price=0.2))
OTHER = Course.of(two_components(), Scenario(region="US-VT", price=0.2))


@pytest.mark.parametrize("quantity", ["kWh", "CO2e", "money"])
@pytest.mark.parametrize("cumulative", [False, True])
def test_what_is_drawn_is_what_the_course_says(quantity: str, cumulative: bool) -> None:
    figure = consumption(Compared(PRESENT, OTHER, "Vermont", [PRESENT]), quantity, cumulative=cumulative)
    present, other, overlay = figure.data
    factor, unit = scaled(quantity, max(PRESENT.cumulative(quantity) if cumulative else PRESENT.values(quantity)))
    for line, course in ((present, PRESENT), (other, OTHER), (overlay, PRESENT)):
        values = course.cumulative(quantity) if cumulative else course.values(quantity)
        assert list(line.y) == pytest.approx([value * factor for value in values])
    assert figure.layout.yaxis.title.text.startswith(unit)


def test_extrapolated_points_have_their_interval_around_them() -> None:
    points = tuple(Point(number, {"cpu": kwh}) for number, kwh in enumerate([1.0, 1.2, 0.9, 1.1]))
    figure = consumption(Compared(Course.of(two_components(points=points))), forwards=2, backwards=1)
    assert [list(line.x) for line in figure.data if "extrapolated" in (line.name or "")] == [[4, 5], [-1]]
    intervals = [line for line in figure.data if "interval" in (line.name or "")]
    assert len(intervals) == 2
    # That of one point has no area: it is drawn as a stroke.
    assert [line.line.width > 0 for line in intervals] == [False, True]


def test_what_cannot_be_drawn_is_said() -> None:
    nowhere = Course.of(two_components(region=None))
    assert "not known" in json.dumps(consumption(Compared(nowhere), "CO2e").to_plotly_json(), default=str)
    short = Course.of(two_components(points=(Point(0, {"cpu": 1.0}),)))
    assert "tell no line" in str(consumption(Compared(short), forwards=3).layout.title.subtitle.text)


def test_a_hundred_thousand_steps_are_drawn_as_a_thousand_with_their_energy() -> None:
    points = tuple(Point(number, {"cpu": 1e-6}) for number in range(100_000))
    course = Course.of(two_components(points=points, by="step", pue=None))
    (line,) = consumption(Compared(course), cumulative=True).data
    assert len(line.x) <= 1000
    assert line.y[-1] == pytest.approx(scaled("kWh", 0.1)[0] * 0.1)


def test_no_name_of_a_profile_is_markup() -> None:
    course = Course.of(Profile.parse(energyvis(name="<script>alert(1)</script>")))
    assert "<script>" not in consumption(Compared(course, course, "<script>", [course])).to_json()


def test_a_modelled_profile_says_so() -> None:
    figure = consumption(Compared(Course.of(two_components(basis="modelled"))))
    assert "modelled" in figure.layout.title.text


@pytest.mark.parametrize(
    ("largest", "unit"), [(1e-6, "mWh"), (0.01, "Wh"), (0.9, "Wh"), (1.0, "kWh"), (999, "kWh"), (1000, "MWh")]
)
def test_units_fit_what_is_drawn(largest: float, unit: str) -> None:
    assert scaled("kWh", largest)[1] == unit


@pytest.mark.parametrize("kind", [STATES, WORLD])
def test_maps_are_coloured_by_the_tables(kind: str) -> None:
    figure = regions(kind, here="US-GA" if kind == STATES else "DEU", chosen=places(kind)[0].place)
    first = figure.data[0]
    assert len(figure.data) == 3
    for code, value in zip(first.customdata, first.z, strict=True):
        assert value == Place(code, scope="direct" if kind == STATES else "lifecycle").intensity.g_per_kwh


def test_all_states_are_on_the_map_and_the_world_s_countries() -> None:
    assert len(places(STATES)) == 51
    assert {"US-AK", "US-HI", "US-DC"} <= {one.place for one in places(STATES)}
    assert len(places(WORLD)) > 200
    assert all(len(one.place) == 3 for one in places(WORLD))


def test_places_are_found_by_name_and_code() -> None:
    assert [one.place for one in by_name(places(STATES), "vermo")] == ["US-VT"]
    assert [one.place for one in by_name(places(WORLD), "FRA")][:1] == ["FRA"]
    assert by_name(places(WORLD), "atlantis") == []


def test_differences_are_against_the_present_place() -> None:
    assert difference(50.0, 100.0) == "−50 % CO2e"
    assert difference(150.0, 100.0) == "+50 % CO2e"
    assert difference(100.2, 100.0) == "as now"
    assert difference(100.0, None) == ""


def test_borders_are_those_of_two_maps_and_no_other_file() -> None:
    assert borders("usa_110m.json") and borders("world_110m.json")
    for name in ("usa_50m.json", "../regions.py", "", "usa_110m.json/", "/etc/passwd"):
        assert borders(name) is None
