"""A profile in scenarios: what EnergyVis got wrong, and that identity changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profiles import CPU, GTX_1080_TI, RTX_2080_TI, energyvis, layered, two_components
from smaragdine import SmaragdineError
from smaragdine.carbon import Place
from smaragdine.what_if import Course, Part, Point, Profile, Scenario

QUANTITIES = ("kWh", "CO2e", "money")


def test_georgias_transformer_is_its_closed_form_in_every_view() -> None:
    profile = Profile.parse(energyvis())
    course = Course.of(profile, Scenario(g_per_kwh=0.6484905 * 453.59237))
    assert course.cumulative("CO2e")[-1] / 453.59237 == pytest.approx(0.6187, abs=5e-5)
    assert course.cumulative("kWh")[-1] == pytest.approx(0.6 * 1.59, rel=1e-12)
    assert profile.kwh == pytest.approx(0.6, rel=1e-12)
    assert profile.region == "US-GA"


def test_alternatives_that_are_what_is_there_change_nothing() -> None:
    profile = two_components()
    now = Course.of(profile, Scenario(price=0.2))
    same = Course.of(profile, Scenario(price=0.2, region="US-GA", pue=1.5, parts=profile.parts, hours=0.0))
    for quantity in QUANTITIES:
        assert same.values(quantity) == now.values(quantity)
        assert same.total(quantity) == now.total(quantity)


def test_two_components_by_hand() -> None:
    course = Course.of(two_components(), Scenario(parts=(CPU, RTX_2080_TI), g_per_kwh=100.0, price=0.5))
    ratio = ((95 + 250) / (0.435 + 13.45)) / ((95 + 250) / (0.435 + 11.34))
    assert course.values("kWh") == pytest.approx([0.4 * 1.5 * ratio] * 3, rel=1e-12)
    assert course.values("CO2e") == pytest.approx([0.4 * 1.5 * ratio * 100] * 3, rel=1e-12)
    assert course.values("money") == pytest.approx([0.4 * 1.5 * ratio * 0.5] * 3, rel=1e-12)
    assert course.duration_s == pytest.approx(3 * 3600 * (0.435 + 11.34) / (0.435 + 13.45), rel=1e-12)


def test_changing_hardware_leaves_the_profile_as_it_was() -> None:
    profile = two_components()
    before = profile.to_json()
    Course.of(profile, Scenario(parts=(replace(GTX_1080_TI, quantity=8),)))
    assert profile.to_json() == before


def test_what_lies_outside_all_points_counts_in_the_total_alone() -> None:
    course = Course.of(two_components(outside_kwh={"cpu": 0.6}), Scenario(g_per_kwh=100.0))
    assert course.cumulative("kWh")[-1] == pytest.approx(1.2 * 1.5)
    assert course.total("kWh") == pytest.approx(1.8 * 1.5)
    assert course.total("CO2e") == pytest.approx(1.8 * 1.5 * 100)


@pytest.mark.parametrize("region", ["US-AK", "US-HI", "US-DC", "DEU", "FRA", "CA-QC"])
def test_every_state_and_places_beyond_have_an_answer(region: str) -> None:
    course = Course.of(two_components(), Scenario(region=region))
    assert course.total("CO2e") == pytest.approx(1.2 * 1.5 * Place(region).intensity.g_per_kwh, rel=1e-12)


def test_an_unknown_region_is_a_message_with_the_nearest() -> None:
    with pytest.raises(SmaragdineError, match="no table knows a region 'Virginai'") as caught:
        Course.of(two_components(), Scenario(region="Virginai"))
    assert "Virginia" in (caught.value.hint or "")


def test_unknown_hardware_is_a_message_and_never_nan() -> None:
    unknown = Part("a chip of tomorrow", "gpu", 1)
    with pytest.raises(SmaragdineError, match="a chip of tomorrow"):
        Course.of(two_components(), Scenario(parts=(unknown,)))
    with pytest.raises(SmaragdineError, match="no parts"):
        Course.of(two_components(parts=()), Scenario(parts=(RTX_2080_TI,)))


def test_what_somebody_types_of_a_part_holds_before_and_after() -> None:
    """An old processor of which no table knows the speed, beside another GPU."""
    silent = replace(CPU, power_w=None, flops=None)
    known = Course.of(two_components(), Scenario(parts=(CPU, RTX_2080_TI)))
    typed = Course.of(two_components(parts=(silent, GTX_1080_TI)), Scenario(parts=(CPU, RTX_2080_TI)))
    assert typed.kwh == known.kwh


def test_the_first_of_several_is_as_good_as_the_second() -> None:
    for number in (0, 1):
        points = (Point(number, {"gpu": 0.5}), Point(number + 1, {"gpu": 0.5}))
        assert Course.of(two_components(points=points)).numbers == (number, number + 1)


def test_energy_without_a_place_stays_energy() -> None:
    course = Course.of(two_components(region=None))
    assert course.total("kWh") == pytest.approx(1.8)
    with pytest.raises(SmaragdineError, match="not known"):
        course.values("CO2e")
    with pytest.raises(SmaragdineError, match="price"):
        course.values("money")


def test_a_layer_left_out_takes_its_share_off_every_point() -> None:
    profile = two_components(layers=layered())
    course = Course.of(profile, Scenario(question="without", layer="net/block_1"))
    assert course.kwh == pytest.approx([0.4 * 1.5 * (1 - 33 / 200)] * 3, rel=1e-12)


def test_extrapolation_sums_up_and_has_its_interval() -> None:
    points = tuple(Point(number, {"cpu": kwh}) for number, kwh in enumerate([1.0, 1.1, 0.9, 1.0, 1.05]))
    course = Course.of(two_components(points=points, pue=None))
    each, sums = (course.forwards("kWh", 3, cumulative=cumulative) for cumulative in (False, True))
    assert [one.number for one in each] == [5, 6, 7]
    assert sums[-1].value == pytest.approx(5.05 + sum(one.value for one in each), rel=1e-12)
    assert all(one.low < one.value < one.high for one in (*each, *sums))
    assert [one.number for one in course.backwards("kWh", 2)] == [-2, -1]


def test_a_line_that_falls_below_nothing_is_refused() -> None:
    points = tuple(Point(number, {"cpu": 1.0 - 0.3 * number}) for number in range(3))
    with pytest.raises(SmaragdineError, match="below 0"):
        Course.of(two_components(points=points)).forwards("kWh", 9)


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(),
        Scenario(region="US-VT", scope="direct", pue=1.1, price=0.3),
        Scenario(parts=(CPU, replace(RTX_2080_TI, quantity=3)), question="early exit", layer="net/Übung & \"x\""),
        Scenario(hours=-2.5, curve=(100.0, 200.0), g_per_kwh=12.5),
    ],
)  # fmt: skip
def test_a_scenario_is_the_same_out_of_its_address_and_its_file(scenario: Scenario) -> None:
    again, others = Scenario.of_address("#" + scenario.address(tab="what-if"))
    assert (again, others) == (scenario, {"tab": "what-if"})
    assert Scenario.of_json(scenario.to_json()) == scenario


@pytest.mark.parametrize(
    "address",
    ["if={", "if=[]", "if={\"pue\":0.5}", "if={\"pue\":NaN}", "if={\"question\":\"why\"}", "if={\"colour\":1}",
     "if={\"parts\":[]}", "if={\"parts\":[{\"kind\":\"tpu\"}]}", "if={\"region\":7}", "if=" + "x" * 30_000,
     "if={\"hours\":1e9}", "if={\"curve\":[0]}"],
)  # fmt: skip
def test_an_address_that_holds_no_scenario_is_refused_in_words(address: str) -> None:
    with pytest.raises(SmaragdineError):
        Scenario.of_address(address)
