"""From a state to what is drawn of it: the present, the alternative, and other profiles beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smaragdine.carbon.place import Place
from smaragdine.errors import SmaragdineError
from smaragdine.figures.consumption import Compared
from smaragdine.figures.regions import SCOPES
from smaragdine.view.shelf import Shelf
from smaragdine.view.what_if.state import State
from smaragdine.what_if.course import Course
from smaragdine.what_if.profile import Profile
from smaragdine.what_if.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Answer:
    """`problem`: why there is no alternative, in words; empty where there is one, or none was asked for."""

    compared: Compared
    problem: str = ""
    note: str = ""


def answer(state: State, shelf: Shelf) -> Answer:
    """Places are in figures of the scope of the map that is shown, the present one too: so whatever is hovered on it
    can be compared."""
    profile, asked = shelf.profiles[state.profile], state.scenario
    if not asked.question:
        asked = replace(asked, layer="")
    scoped = replace(asked, scope=SCOPES[state.map])
    present, note = _as_it_is(profile, scoped)
    overlays = [_as_it_is(shelf.profiles[place], scoped)[0] for place in state.overlays]
    named = [replace(course, name=shelf.names[p]) for course, p in zip(overlays, state.overlays, strict=True)]
    alternative, problem, label = None, "", "alternative"
    if replace(asked, price=None) != Scenario():
        try:
            home_of = replace(asked, region=asked.region or _home(profile, scoped)[0])
            fits = (
                home_of
                if asked.g_per_kwh is not None
                else replace(home_of, scope=scoped.scope if home_of.region else "")
            )
            alternative = Course.of(profile if fits.region else replace(profile, region=None), fits)
            label = _label(asked, alternative)
        except SmaragdineError as error:
            problem = str(error)
    return Answer(Compared(present, alternative, label, named), problem, note)


def _as_it_is(profile: Profile, asked: Scenario) -> tuple[Course, str]:
    """With the same price, and against the same curve, so that both can be compared."""
    home, note = _home(profile, asked)
    same = Scenario(region=home, scope=asked.scope if home else "", price=asked.price)
    timed = replace(same, curve=asked.curve) if asked.curve else same
    try:
        return Course.of(profile if home else replace(profile, region=None), timed), note
    except SmaragdineError:
        return Course.of(replace(profile, region=None), Scenario(price=asked.price)), note


def _home(profile: Profile, asked: Scenario) -> tuple[str, str]:
    """Where the run was, in figures of the same scope as the alternative's: direct and lifecycle are never compared."""
    if not profile.region:
        return "", ""
    try:
        Place(profile.region, scope=asked.scope or None)
    except SmaragdineError:
        return _country(profile.region, asked.scope)
    return profile.region, ""


def _country(region: str, scope: str) -> tuple[str, str]:
    try:
        place = Place(region)
        Place(place.country, scope=scope)
    except SmaragdineError:
        return "", f"there is no {scope} figure of {region} to compare with"
    return place.country, f"{place.name} has no {scope} figure: compared with {Place(place.country, scope=scope).name}"


def home(profile: Profile, kind: str) -> str:
    """Where the run was, on one of the maps; empty where it is not on it."""
    return _home(profile, Scenario(scope=SCOPES[kind]))[0]


def _label(asked: Scenario, course: Course) -> str:
    told = [course.intensity.name] if asked.region and course.intensity else []
    if asked.g_per_kwh is not None:
        told.append(f"{asked.g_per_kwh:g} g/kWh")
    told += ["other hardware"] if asked.parts is not None else []
    told += [f"PUE {asked.pue:g}"] if asked.pue is not None else []
    told += [f"{asked.power_w:g} W"] if asked.power_w is not None else []
    told += [f"{asked.duration_h:g} h"] if asked.duration_h is not None else []
    told += [f"{asked.hours:+g} h"] if asked.hours else []
    told += [f"{asked.question}: {asked.layer}"] if asked.question else []
    return ", ".join(told) or "alternative"
