"""Thermal design powers by name: what guesses multiply with hours."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from smaragdine.accounts.machine import Hardware as Machine
from smaragdine.carbon.table import packaged
from smaragdine.errors import UsageError

# What drivers and kernels add to a name, and makers leave out.
_NOISE = re.compile(
    r"\((r|tm)\)|®|™|\bnvidia\b|\bgeforce\b|\btesla\b|\bcpu\b|@.*$|\b\d+-core processor\b|\bprocessor\b", re.I
)
_NEAREST = 5


@dataclass(frozen=True, slots=True)
class Hardware:
    """So many of one part."""

    name: str
    kind: str
    """`cpu` or `gpu`."""
    tdp_w: float
    count: int
    source: str

    @property
    def power_w(self) -> float:
        return self.count * self.tdp_w


def find(name: str, count: int = 1) -> Hardware:
    """By a name that a table has, or a part of it that one of them alone bears; `NAME=WATTS` brings its own figure.

    Raises SmaragdineError with the nearest names.
    """
    bare, equals, watts = name.partition("=")
    if equals:
        return _told(bare.strip(), watts, count)
    if known := known_as(name, count):
        return known
    wanted = _plain(name)
    held = [row for plain, row in _by_name().items() if wanted and wanted in plain]
    if len({row["tdp_w"] for row in held}) == 1:
        return _of(held[0], count)
    if held:
        told = ", ".join(f"{row['name']} ({row['tdp_w']} W)" for row in held[:_NEAREST])
        raise UsageError(f"several parts are called {name!r}: {told}{' …' if len(held) > _NEAREST else ''}")
    near = difflib.get_close_matches(wanted, _by_name(), n=_NEAREST, cutoff=0.5)
    told = ", ".join(_by_name()[plain]["name"] for plain in near)
    hint = "give its power with it: NAME=WATTS" + (f"; nearest: {told}" if told else "")
    raise UsageError(f"no table knows the hardware {name!r}", hint)


def known_as(name: str, count: int = 1) -> Hardware | None:
    """Exactly the part that a driver or a kernel calls so; None where no table has it."""
    row = _by_name().get(_plain(name))
    return _of(row, count) if row else None


def of_trace(hardware: Machine) -> tuple[Hardware, ...]:
    """The parts that a trace's `hardware` names and a table knows."""
    counts = gpus(hardware)
    # Of how many sockets there are nothing is guessed: the guess would be wrong by a whole factor.
    if hardware.cpu and hardware.sockets and hardware.sockets > 0:
        counts[hardware.cpu] = hardware.sockets
    return tuple(known for name, count in counts.items() if (known := known_as(name, count)))


def gpus(hardware: Machine) -> dict[str, int]:
    """How many GPUs of each name a trace's `hardware` has."""
    return dict(Counter(gpu.name for gpu in hardware.gpus if gpu.name))


@cache
def _by_name() -> Mapping[str, Mapping[str, str]]:
    names: dict[str, Mapping[str, str]] = {}
    for row in packaged("hardware"):
        names.setdefault(_plain(row["name"]), row)
    return names


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9.+]+", " ", _NOISE.sub(" ", name.casefold())).split())


def _of(row: Mapping[str, str], count: int) -> Hardware:
    source = f"{row['source']} ({row['year']})"
    return Hardware(row["name"], row["kind"], float(row["tdp_w"]), count, source)


def _told(name: str, watts: str, count: int) -> Hardware:
    try:
        power = float(watts)
    except ValueError:
        power = -1.0
    if not 0 < power < 1e6 or not name:
        raise UsageError(f"{name}={watts} is no hardware", "write NAME=WATTS, with watts above 0")
    return Hardware(name, "gpu", power, count, "as told")
