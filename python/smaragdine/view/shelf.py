"""The profiles that the page can show: of traces, files and this package's examples, and those that were imported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

from smaragdine.errors import SmaragdineError, UsageError
from smaragdine.what_if.profile import Profile

_MOST = 100
SCENARIO = "smaragdine-scenario"


@dataclass
class Shelf:
    """In order; a name that is there already gets a number."""

    profiles: list[Profile] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(self, profile: Profile) -> int:
        """Its place; that of the same one where it is there already."""
        if profile in self.profiles:
            return self.profiles.index(profile)
        if len(self.profiles) >= _MOST:
            raise UsageError(f"the page holds {_MOST} profiles already", "open another page")
        name, number = profile.name, 2
        while name in self.names:
            name, number = f"{profile.name} ({number})", number + 1
        self.profiles.append(profile)
        self.names.append(name)
        return len(self.profiles) - 1

    def place(self, name: str) -> int | None:
        return self.names.index(name) if name in self.names else None


def of_path(path: Path) -> list[Profile]:
    """A profile, or all of a folder. Raises SmaragdineError where there is none."""
    if not path.is_dir():
        return [Profile.read(path)]
    held = sorted(path.glob("*.json"))
    if not held:
        raise UsageError(f"the folder {path} has no trace and no profiles", "name a trace, or a folder of *.json")
    return [Profile.read(one) for one in held]


@cache
def examples() -> tuple[Profile, ...]:
    """Those that come with the package; what this project's own runs took."""
    held = sorted(
        (one for one in files("smaragdine.what_if").joinpath("examples").iterdir() if one.name.endswith(".json")),
        key=lambda one: one.name,
    )
    return tuple(Profile.parse(one.read_text(encoding="utf-8"), one.name) for one in held)


def imported(shelf: Shelf, text: str, name: str) -> tuple[int, object]:
    """The place of an imported profile, or of a scenario's, and the scenario's state; None where it is a profile alone.

    Raises SmaragdineError where it is neither; then nothing was added.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{name} is no JSON", "import a profile, or a scenario that was saved here") from None
    if not isinstance(content, dict) or content.get("format") != SCENARIO:
        return shelf.add(Profile.parse(text, name)), None
    told = content.get("profiles")
    if not isinstance(told, list) or not told:
        raise UsageError(f"the scenario {name} holds no profile")
    held = [Profile.parse(json.dumps(one), name) for one in told]
    places = [shelf.add(profile) for profile in held]
    return places[0], {"state": content.get("state"), "overlays": places[1:]}


def scenario_file(shelf: Shelf, profile: int, overlays: Sequence[int], state: object) -> str:
    """Whole: with the profiles that it is about."""
    profiles = [shelf.profiles[place].to_json() for place in (profile, *overlays)]
    return json.dumps({"format": SCENARIO, "version": 1, "state": state, "profiles": profiles}, indent=1)


def of_trace(read: object) -> Profile | None:
    """A trace's profile; None where nothing of it is counted, which the other tabs tell."""
    try:
        return Profile.of(read)  # type: ignore[arg-type]
    except SmaragdineError:
        return None
