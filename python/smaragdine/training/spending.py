"""Joules per step and per sample, as a training's logs want them: of training alone, without what lies between.

What the daemon knows is some tenths of a second old, and a training does not wait for it. So each telling covers the
training from where the last one ended to where the daemon's knowledge ends: nothing is told twice or left out between.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from smaragdine.accounts.energy import BASES, MODELLED
from smaragdine.recording.meter import Meter
from smaragdine.recording.spent import Part, Spent
from smaragdine.training.steps import StepMark

_NAN = math.nan
# How long the first telling waits: it decides which names there are.
_FIRST_S = 2.0
_MOST_S = 0.5
# Further ones cost a training a hundredth at most, but for so much in all: the short epochs of small trainings have
# values of their own as long as this lasts.
_COST = 0.01
_ALLOWANCE_S = 5.0


@dataclass(slots=True)
class _Stretch:
    """Steps that follow each other, with what lies between them, by CLOCK_MONOTONIC."""

    start_ns: int
    end_ns: int
    steps: float
    samples: float
    # Of some step it is not known.
    unsized: bool


class Row(NamedTuple):
    """What was told at the end of an epoch, in milliseconds since 1970."""

    epoch: int
    time_ms: int
    values: dict[str, float]


class Spending:
    """Told of every step on the thread that trains, at next to no cost, and asked for logs at the end of an epoch."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._stretches: list[_Stretch] = []
        self._open = False
        # By basis: what its values are called, once that is decided.
        self._names: dict[str, str] | None = None
        self._sized = False
        self._means: dict[str, float] = {}
        self._waited = False
        self._allowance_s = _ALLOWANCE_S
        self._told_ns = time.monotonic_ns()
        self.rows: list[Row] = []

    def stepped(self, marks: Sequence[StepMark]) -> None:
        """These steps ended, one after the other."""
        for mark in marks:
            if mark.end_ns is None:
                continue
            if self._open:
                stretch = self._stretches[-1]
                stretch.end_ns = mark.end_ns
                stretch.steps += 1
                stretch.samples += mark.samples
                stretch.unsized = stretch.unsized or not mark.samples
            else:
                self._stretches.append(_Stretch(mark.start_ns, mark.end_ns, 1, mark.samples, not mark.samples))
                self._open = True

    def pause(self) -> None:
        """No step runs now: what follows until the next one is not training."""
        self._open = False

    def tell(self, epoch: int = 0) -> dict[str, float]:
        """What the training since the last call spent, by the names of logs; empty where nothing is known.

        Once told, a name is told every time: NaN where it is not known then.
        """
        self.pause()
        self._await()
        newest = self._meter.spent
        if newest is None:
            return {}
        done = self._settle(newest)
        if done is not None:
            parts, steps, samples = done
            if self._names is None:
                self._decide(parts, newest, sized=bool(samples))
            self._means = self._values(parts, steps, samples if self._sized else None)
        elif self._names is None:
            return {}
        else:
            # What an earlier epoch took is no word on this one.
            self._means = dict.fromkeys(self._means, _NAN)
        told = self._means | self._totals(newest)
        self.rows.append(Row(epoch, time.time_ns() // 1_000_000, told))
        return dict(told)

    def _await(self) -> None:
        self._meter.begin()
        if not self._stretches:
            return
        now_ns = time.monotonic_ns()
        free_s = min(_MOST_S, _COST * (now_ns - self._told_ns) / 1e9)
        patience_s = max(free_s, min(_MOST_S if self._waited else _FIRST_S, self._allowance_s))
        self._waited = True
        end_ns = self._stretches[-1].end_ns
        self._meter.wait_for(end_ns, patience_s)
        self._told_ns = time.monotonic_ns()
        newest = self._meter.spent
        if newest is not None and newest.until_ns >= end_ns:
            self._allowance_s -= max((self._told_ns - now_ns) / 1e9 - free_s, 0.0)
        else:
            # Nobody tells it in time: it is not waited for again and again.
            self._allowance_s = 0.0

    def _settle(self, newest: Spent) -> tuple[dict[str, Part], float, float | None] | None:
        """Takes what is known of the stretches: energy by basis, steps, and samples, None where not all are known."""
        sums = {basis: Part() for basis in BASES}
        steps, samples, sized = 0.0, 0.0, True
        left: list[_Stretch] = []
        since_ns = self._meter.since_ns or 0
        for stretch in self._stretches:
            start_ns, end_ns = max(stretch.start_ns, since_ns), min(stretch.end_ns, newest.until_ns)
            length_ns = max(stretch.end_ns - stretch.start_ns, 1)
            if end_ns > start_ns:
                before, after = self._meter.at(start_ns), self._meter.at(end_ns)
                if before is not None and after is not None:
                    share = (end_ns - start_ns) / length_ns
                    steps += share * stretch.steps
                    samples += share * stretch.samples
                    sized = sized and not stretch.unsized
                    for basis in BASES:
                        part = after.part(basis) - before.part(basis)
                        sums[basis] = Part(*(a + b for a, b in zip(sums[basis], part, strict=True)))
            if stretch.end_ns > newest.until_ns:
                # As steps are counted, one is spread evenly over the stretch.
                rest_ns = max(stretch.start_ns, newest.until_ns)
                share = (stretch.end_ns - rest_ns) / length_ns
                left.append(
                    _Stretch(rest_ns, stretch.end_ns, share * stretch.steps, share * stretch.samples, stretch.unsized)
                )
        self._stretches = left
        return (sums, steps, samples if sized else None) if steps > 0 else None

    def _decide(self, parts: dict[str, Part], newest: Spent, *, sized: bool) -> None:
        """Names stay as they are first told: columns of a log are."""
        self._names = {}
        self._sized = sized
        for basis in newest.parts:
            modelled = "modelled_" if basis == MODELLED else ""
            self._names[basis] = f"{modelled}energy_j" if parts[basis].shared else f"{modelled}machine_energy_j"

    def _values(self, parts: dict[str, Part], steps: float, samples: float | None) -> dict[str, float]:
        values = {}
        for basis, name in (self._names or {}).items():
            energy_j = _joules(parts[basis], name)
            values[f"{name}_per_step"] = energy_j / steps
            if self._sized:
                values[f"{name}_per_sample"] = energy_j / samples if samples else _NAN
        return values

    def _totals(self, newest: Spent) -> dict[str, float]:
        return {name: _joules(newest.part(basis), name) for basis, name in (self._names or {}).items()}


def _joules(part: Part, name: str) -> float:
    """The application's or the machine's, as the name says; NaN where the application's is not known."""
    if "machine" in name:
        return part.machine_j
    return part.application_j if part.shared else _NAN
