"""Gestures of the tab `what if` as values: what each makes of the state, and what none can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from profiles import energyvis, layered, two_components
from smaragdine import SmaragdineError
from smaragdine.what_if import Layers, Profile, Scenario, Work

pytest.importorskip("dash")

from smaragdine.figures.consumption import hovered
from smaragdine.view.shelf import Shelf, examples, imported, scenario_file
from smaragdine.view.what_if import cards
from smaragdine.view.what_if.answer import answer
from smaragdine.view.what_if.change import clicked, pressed, typed
from smaragdine.view.what_if.field import field, is_shown
from smaragdine.view.what_if.state import State


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    shelf.add(two_components(layers=layered()))
    shelf.add(Profile.parse(energyvis()))
    return shelf


def test_a_place_is_chosen_and_given_up_by_the_same_click(shelf: Shelf) -> None:
    state = clicked(State.first(shelf), "US-VT")
    assert (state.scenario.region, state.scenario.scope) == ("US-VT", "direct")
    assert clicked(state, "US-VT").scenario == Scenario()


def test_an_overlay_is_laid_once_and_never_of_the_profile_itself(shelf: Shelf) -> None:
    state = pressed(State.first(shelf), shelf, "overlay", 1)
    assert state.overlays == (1,)
    assert pressed(state, shelf, "overlay", 1).overlays == ()
    assert pressed(state, shelf, "overlay", 0).overlays == (1,)
    assert pressed(state, shelf, "profile", 1).overlays == ()


def test_the_same_alternative_is_asked_of_another_profile(shelf: Shelf) -> None:
    state = typed(clicked(State.first(shelf), "US-VT"), shelf, "count", 1, 4)
    other = pressed(state, shelf, "profile", 1)
    assert (other.scenario.region, other.scenario.parts) == ("US-VT", None)


def test_what_is_typed_as_it_was_is_no_alternative(shelf: Shelf) -> None:
    state = typed(State.first(shelf), shelf, "count", 1, 4)
    assert state.scenario.parts is not None
    assert typed(state, shelf, "count", 1, 1).scenario.parts is None
    assert shelf.profiles[0] == two_components(layers=layered())


def test_cores_clock_and_width_make_a_speed(shelf: Shelf) -> None:
    state = State.first(shelf)
    for what, value in (("cores", 16), ("clock", 2.5), ("width", 64)):
        state = typed(state, shelf, what, 0, value)
    assert state.scenario.parts is not None
    assert state.scenario.parts[0].flops == pytest.approx(16 * 2.5e9 * 64)


def test_undoing_is_the_state_before_and_resetting_the_profile_as_it_is(shelf: Shelf) -> None:
    first = State.first(shelf)
    assert pressed(clicked(replace(first, forwards=3), "US-VT"), shelf, "reset", "") == first


@pytest.mark.parametrize(
    ("what", "of", "value"),
    [("pue", "", 0.5), ("pue", "", "x"), ("g_per_kwh", "", -1), ("price", "", 0), ("power_w", "", float("inf")),
     ("count", 0, 0), ("count", 9, 1), ("power", 0, -5), ("speed", 0, float("nan")), ("curve", "", "1 2 x"),
     ("curve", "", "1 2 3 4 5 6 7"), ("hours", "", 1e9), ("quantity", "", "joules"), ("map", "", "moon"),
     ("question", "", "why"), ("add", "", "gpu:a chip of tomorrow"), ("colour", 0, 1), ("cores", 0, -1)],
)  # fmt: skip
def test_what_nothing_can_be_is_refused_in_words(shelf: Shelf, what: str, of: Any, value: Any) -> None:
    state = typed(State.first(shelf), shelf, "layer", "", "net/block_1")
    with pytest.raises(SmaragdineError):
        typed(state, shelf, what, of, value)


def test_the_last_part_stays(shelf: Shelf) -> None:
    state = pressed(State.first(shelf), shelf, "remove", 0)
    with pytest.raises(SmaragdineError, match="needs hardware"):
        pressed(state, shelf, "remove", 0)


@pytest.mark.parametrize(
    "told",
    [None, [], {"profile": 7}, {"profile": -1}, {"profile": True}, {"overlays": [9]}, {"overlays": 1},
     {"forwards": 10**9}, {"forwards": -1}, {"quantity": "x"}, {"scenario": []}, {"speeds": {"0": [1]}}, {"map": 1}],
)  # fmt: skip
def test_whatever_a_browser_sends_back_is_checked(shelf: Shelf, told: object) -> None:
    with pytest.raises(SmaragdineError):
        State.of_json(told, shelf)


def test_a_state_is_the_same_out_of_its_json_and_its_address(shelf: Shelf) -> None:
    from urllib.parse import parse_qsl

    state = replace(clicked(State.first(shelf), "US-VT"), overlays=(1,), forwards=4, cumulative=True)
    assert State.of_json(state.to_json(), shelf) == state
    told = dict(parse_qsl(state.address(shelf)))
    assert State.of_address(told["if"], shelf) == state
    with pytest.raises(SmaragdineError, match="import it first"):
        State.of_address(told["if"].replace("Transformer", "Perceiver"), shelf)


def test_a_scenario_s_file_brings_its_profiles(shelf: Shelf) -> None:
    state = replace(clicked(State.first(shelf), "US-VT"), overlays=(1,))
    text = scenario_file(shelf, 0, (1,), state.to_json())
    elsewhere = Shelf()
    elsewhere.add(two_components(name="before"))
    place, told = imported(elsewhere, text, "sent.json")
    assert (place, len(elsewhere.profiles)) == (1, 3)
    assert isinstance(told, dict) and told["overlays"] == [2]
    assert elsewhere.profiles[1:] == shelf.profiles


def test_profiles_of_one_name_are_told_apart(shelf: Shelf) -> None:
    place = shelf.add(two_components(pue=1.1))
    assert shelf.names[place] == "two (2)"
    assert shelf.add(two_components(pue=1.1)) == place


def test_what_cannot_be_answered_is_told_beside_the_present(shelf: Shelf) -> None:
    state = State.first(shelf)
    assert answer(state, shelf).compared.alternative is None
    asked = answer(typed(typed(state, shelf, "layer", "", "net/head"), shelf, "question", "", "shared"), shelf)
    assert asked.compared.alternative is None and "built alike" in asked.problem


def test_what_a_page_draws_of_a_hovered_place_is_what_the_place_emits(shelf: Shelf) -> None:
    for cumulative in (False, True):
        state = replace(State.first(shelf), cumulative=cumulative)
        needed: Any = hovered(answer(state, shelf).compared, "CO2e", cumulative)
        told = answer(clicked(state, "US-WY"), shelf).compared.alternative
        assert told is not None and told.intensity is not None
        values = told.cumulative("CO2e") if cumulative else told.values("CO2e")
        assert [kwh * told.intensity.g_per_kwh for kwh in needed["kwh"]] == pytest.approx(values, rel=1e-12)
        assert needed["unit"] == "g CO2e" and needed["factor"] == 1.0
    assert hovered(answer(State.first(shelf), shelf).compared, "kWh", False) is None


def test_another_map_counts_something_else_and_gives_up_the_place(shelf: Shelf) -> None:
    state = typed(clicked(State.first(shelf), "US-VT"), shelf, "map", "", "world")
    assert state.scenario == Scenario()
    present = answer(state, shelf).compared.present
    assert present.intensity is not None and (present.intensity.place, present.intensity.scope) == ("USA", "lifecycle")


def test_direct_and_lifecycle_figures_are_never_compared(shelf: Shelf) -> None:
    state = clicked(replace(State.first(shelf), map="world"), "FRA")
    told = answer(state, shelf)
    assert told.compared.present.intensity is not None and told.compared.alternative is not None
    assert told.compared.alternative.intensity is not None
    assert told.compared.present.intensity.scope == told.compared.alternative.intensity.scope == "lifecycle"
    assert "compared with" in told.note


@pytest.mark.parametrize(
    ("shown", "sent", "same"),
    [(None, None, True), (None, "", True), (1.1, 1.1, True), (1.0, 1, True), ("1 2", "1 2", True), (1.1, 1.2, False),
     (1.1, None, False), (None, 3, False), ("", "x", False)],
)  # fmt: skip
def test_what_a_field_showed_is_not_what_somebody_typed(shown: Any, sent: Any, same: bool) -> None:
    assert is_shown(field("pue", "", shown), sent) is same
    assert not is_shown(field("quantity"), sent)


def test_six_examples_come_with_the_package_and_say_what_they_rest_on() -> None:
    held = examples()
    assert len(held) == 6
    assert all(profile.kwh > 0 and profile.by == "epoch" and len(profile.points) == 6 for profile in held)
    assert all(profile.basis in ("measured", "modelled") for profile in held)
    assert all("modelled" in profile.notice for profile in held if profile.modelled)
    assert sum(profile.layers is not None for profile in held) >= 3


def test_of_very_many_layers_the_largest_are_listed_and_the_one_that_is_asked_about() -> None:
    rows = [Work(f"net/layer_{number}", "forward", "MatMul", "measured", 1.0 + number, None, None, None)
            for number in range(1000)]  # fmt: skip
    profile = two_components(layers=Layers(1e6, tuple(rows)))
    state = State().varied(layer="net/layer_0", question="without")
    dropdown, _, _ = cards.layers(state, profile)
    assert {"net", "net/layer_999", "net/layer_0"} <= set(dropdown.options)
    assert "net/layer_1" not in dropdown.options
    assert len(dropdown.options) == cards._MOST_LAYERS + 1
    *_, told = cards.layers(State(), profile)
    assert "1,001 layers" in told.children
