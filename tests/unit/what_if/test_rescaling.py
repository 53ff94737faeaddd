"""Energy on other hardware: closed forms, and everything that is refused rather than answered with NaN."""

from __future__ import annotations

import math

import pytest

from profiles import CPU, GTX_1080_TI, RTX_2080_TI, two_components
from smaragdine import SmaragdineError
from smaragdine.what_if import Course, Ratio, Scenario, emissions, rescale

OLD, NEW = GTX_1080_TI.counted, RTX_2080_TI.counted


def test_a_2080_ti_takes_0_8431_of_what_a_1080_ti_takes() -> None:
    assert rescale(1.0, [OLD], [NEW]) == pytest.approx(0.8431, abs=5e-5)
    assert rescale(1.0, [OLD], [NEW]) == pytest.approx(11.34 / 13.45, rel=1e-12)


def test_georgias_transformer_emits_0_6187_pounds() -> None:
    pounds = emissions(0.6, 0.6484905 * 453.59237, 1.59) / 453.59237
    assert pounds == pytest.approx(0.6187, abs=5e-5)


@pytest.mark.parametrize("parts", [[OLD], [OLD, NEW], [(3, 95, 4e11), (8, 700, 6.691e13)]])
def test_the_same_hardware_changes_nothing(parts: list[tuple[float, float, float]]) -> None:
    assert rescale(0.7, parts, parts) == pytest.approx(0.7, rel=1e-15)


def test_two_components_are_summed_before_they_are_divided() -> None:
    old, new = [CPU.counted, OLD], [CPU.counted, NEW]
    by_hand = ((95 + 250) / (0.435 + 13.45)) / ((95 + 250) / (0.435 + 11.34))
    assert rescale(2.0, old, new) == pytest.approx(2.0 * by_hand, rel=1e-12)


def test_a_second_gpu_beside_a_processor_saves_what_the_formula_says() -> None:
    doubled = [CPU.counted, (2, 250.0, 11.34e12)]
    by_hand = ((95 + 500) / (0.435 + 22.68)) / ((95 + 250) / (0.435 + 11.34))
    assert rescale(1.0, [CPU.counted, OLD], doubled) == pytest.approx(by_hand, rel=1e-12)
    assert Ratio.between([CPU.counted, OLD], doubled).time == pytest.approx(11.775 / 23.115, rel=1e-12)


def test_twice_as_many_of_all_parts_take_the_same_energy_in_half_the_time() -> None:
    ratio = Ratio.between([CPU.counted, OLD], [(2, 95.0, 0.435e12), (2, 250.0, 11.34e12)])
    assert (ratio.energy, ratio.time) == pytest.approx((1.0, 0.5), rel=1e-15)


def test_another_processor_alone_changes_the_energy() -> None:
    assert rescale(1.0, [CPU.counted, OLD], [(1, 165.0, 1.2e12), OLD]) != pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("energy", [0, -1.0, math.nan, math.inf, -math.inf, 1e300, "1", None, True, [1.0], 10**400])
def test_energy_that_is_none_is_refused(energy: object) -> None:
    with pytest.raises(SmaragdineError, match="energy"):
        rescale(energy, [OLD], [NEW])  # type: ignore[arg-type]
    with pytest.raises(SmaragdineError, match="energy"):
        emissions(energy, 400.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, 1e300, "250", None])
def test_a_part_that_none_can_be_is_refused_wherever_it_stands(place: int, value: object) -> None:
    wrong = [value if index == place else number for index, number in enumerate(OLD)]
    for old, new in (([wrong], [NEW]), ([OLD], [wrong]), ([OLD], [NEW, wrong])):
        with pytest.raises(SmaragdineError, match="part"):
            rescale(1.0, old, new)  # type: ignore[arg-type]


@pytest.mark.parametrize(("old", "new"), [([], [NEW]), ([OLD], []), ([OLD], [(1, 250)]), ([OLD], [7])])
def test_no_parts_and_misshapen_ones_are_refused(old: list, new: list) -> None:
    with pytest.raises(SmaragdineError):
        rescale(1.0, old, new)


def test_an_answer_out_of_all_range_is_refused() -> None:
    with pytest.raises(SmaragdineError, match="times the energy"):
        rescale(1.0, [(1, 250.0, 1e13)], [(1, 250.0, 1e9)])


@pytest.mark.parametrize("intensity", [0, -5, math.nan, math.inf, 1e6, "400", None])
def test_an_intensity_that_no_electricity_has_is_refused(intensity: object) -> None:
    with pytest.raises(SmaragdineError, match="intensity"):
        emissions(1.0, intensity)  # type: ignore[arg-type]


@pytest.mark.parametrize("pue", [0, 0.99, -1, math.nan, math.inf, 11, 1e300, "1.2", None, False])
def test_a_pue_that_no_site_has_is_refused(pue: object) -> None:
    with pytest.raises(SmaragdineError):
        emissions(1.0, 400.0, pue)  # type: ignore[arg-type]


def test_pue_applies_to_kilowatt_hours_and_emissions_alike() -> None:
    one, two = (Course.of(two_components(pue=None), Scenario(pue=pue)) for pue in (1.0, 1.6))
    for quantity in ("kWh", "CO2e"):
        assert two.total(quantity) == pytest.approx(1.6 * one.total(quantity), rel=1e-12)
    assert emissions(2.0, 400.0, 1.6) == pytest.approx(1.6 * emissions(2.0, 400.0), rel=1e-15)
