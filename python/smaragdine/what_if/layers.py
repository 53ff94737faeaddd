"""What a model would take with other layers: estimates from a trace's own joules, or a refusal where they tell nothing.

Every answer is an estimate: no kernel was run anew. It holds for a step as those that were traced.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from smaragdine.accounts.row import sum_known
from smaragdine.accounts.words import LAYER_WORDS
from smaragdine.errors import UsageError
from smaragdine.what_if.line import LEVEL, student
from smaragdine.what_if.profile import Profile
from smaragdine.what_if.work import OPTIMIZER, Layers, Work

_NUMBERED = re.compile(r"(.*?)(?:_?(\d+))?")
# A spread needs three; less than half of a layer's energy tells little of the layer.
_FEWEST, _MOST_UNKNOWN = 3, 0.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """Joules that would be saved of the traced steps' `application_j`. The interval is None where one is unknown."""

    question: str
    saved_j: float
    low_j: float | None
    high_j: float | None
    application_j: float
    modelled: bool
    assumes: str

    @property
    def factor(self) -> float:
        """What the application's energy in a step is multiplied with."""
        return 1 - self.saved_j / self.application_j

    @property
    def factor_low(self) -> float | None:
        return None if self.high_j is None else max(0.0, 1 - self.high_j / self.application_j)

    @property
    def factor_high(self) -> float | None:
        return None if self.low_j is None else min(1.0, 1 - self.low_j / self.application_j)

    def __str__(self) -> str:
        share = f"{100 * self.saved_j / self.application_j:.1f} %"
        if self.low_j is None or self.high_j is None:
            between = ", its interval is unknown"
        else:
            ends = [100 * end / self.application_j for end in (self.low_j, self.high_j)]
            between = f" ({ends[0]:.1f} to {ends[1]:.1f} %, 90 % interval)"
        modelled = ", modelled" if self.modelled else ""
        return f"estimate{modelled}: {self.question} saves {share} of a step's energy{between}; {self.assumes}"


def without(of: Profile | Layers, *layers: str) -> Estimate:
    """Without these layers and all inside: forward, backward, and what the optimizer does for them."""
    held = _held(of)
    gone = [row for row in held.rows if any(_in(row, layer) for layer in _known(held, layers))]
    assumes = "the others are assumed to take what they took"
    return _estimate(held, f"leaving out {_told(layers)}", [(row, 1.0) for row in gone], assumes)


def halved(of: Profile | Layers, *layers: str) -> Estimate:
    """With half of the floating-point operations of these layers: what the same types of operation take for each in the
    whole trace, with how much that differs between layers.

    Raises UsageError where energy is modelled, where FLOPs are known of less than half of the layers' energy, and where
    a type ran in too few places to tell how it varies.
    """
    held = _held(of)
    rows = [row for row in held.rows if any(_in(row, layer) for layer in _known(held, layers))]
    if any(row.basis == "modelled" for row in rows):
        raise UsageError(
            "joules per FLOP are not known: power was modelled from CPU use",
            "`smaragdine doctor` tells how to measure",
        )
    rates = {kind: _rate([row for row in held.rows if row.type == kind]) for kind in {row.type for row in rows}}
    answered = [(row, rate) for row in rows if row.flops and (rate := rates[row.type])]
    known_j, whole_j = sum(row.energy_j for row, _ in answered), sum(row.energy_j for row in rows)
    if known_j < _MOST_UNKNOWN * whole_j or not answered:
        raise UsageError(
            f"joules per FLOP are known of {100 * known_j / whole_j if whole_j else 0:.0f} % of the energy of "
            f"{_told(layers)}: that is no ground to stand on",
            "they are known of types whose FLOPs the framework tells, and that ran in at least three layers or passes",
        )
    saved = low = high = 0.0
    for row, (per_flop, spread) in answered:
        less = (row.flops or 0.0) / 2
        saved += min(row.energy_j, per_flop * less)
        low += max(0.0, (per_flop - spread) * less)
        high += min(row.energy_j, (per_flop + spread) * less)
    assumes = f"of operations with known FLOPs, {100 * known_j / whole_j:.0f} % of its energy; the rest as it was"
    return Estimate(f"half of the FLOPs of {_told(layers)}", saved, low, high, held.application_j, False, assumes)


def shared(of: Profile | Layers, layer: str) -> Estimate:
    """With one set of weights for this layer and those beside it that are built alike, as ALBERT has.

    Each still computes what it computed; what is saved is what the optimizer does for all but one. Raises UsageError
    where there are no such layers, or the optimizer's operations do not tell their layer.
    """
    held = _held(of)
    stack = _stack(held, layer)
    updates = [row for row in held.rows if row.phase == OPTIMIZER and any(_in(row, one) for one in stack)]
    if not updates:
        raise UsageError(
            f"what the optimizer does for {layer} is not told apart in this trace",
            "sharing weights saves nothing else: every layer still computes",
        )
    share = (len(stack) - 1) / len(stack)
    assumes = "forward and backward passes stay, since every layer still computes"
    question = f"sharing the weights of {len(stack)} layers as {layer}"
    return _estimate(held, question, [(row, share) for row in updates], assumes)


def early_exit(of: Profile | Layers, layer: str) -> Estimate:
    """Without the layers that follow this one among those built alike, for every sample; what is behind them stays.

    Raises UsageError where the layer is not one of several that are built alike, or the last of them.
    """
    held = _held(of)
    stack = _stack(held, layer)
    after = stack[stack.index(layer) + 1 :]
    if not after:
        raise UsageError(f"no layer follows {layer} among those that are built like it", "name one before it")
    gone = [(row, 1.0) for row in held.rows if any(_in(row, one) for one in after)]
    assumes = f"every sample leaves there; {len(after)} layers less, what follows them stays"
    return _estimate(held, f"an exit after {layer}", gone, assumes)


QUESTIONS: dict[str, Callable[[Profile | Layers, str], Estimate]] = {
    "without": without,
    "halved": halved,
    "shared": shared,
    "early exit": early_exit,
}
"""By the word that a scenario has for them."""


def _held(of: Profile | Layers) -> Layers:
    layers = of.layers if isinstance(of, Profile) else of
    if layers is None or not layers.rows:
        raise UsageError(
            "the profile has no footprint by layer", "a trace of which steps were broken down has one: export it anew"
        )
    return layers


def _known(held: Layers, layers: Sequence[str]) -> Sequence[str]:
    if not layers:
        raise UsageError("no layer is named")
    for layer in layers:
        if layer in LAYER_WORDS:
            raise UsageError(f"{layer} is no layer of the model", "name one of the model's own")
        if not any(_in(row, layer) for row in held.rows):
            paths = {"/".join(path) for row in held.rows for path in _prefixes(row.layer)}
            near = difflib.get_close_matches(layer, paths, n=5, cutoff=0.4)
            raise UsageError(f"the trace has no layer {layer!r}", f"nearest: {', '.join(near)}" if near else None)
    return layers


def _prefixes(layer: str) -> Iterable[list[str]]:
    segments = layer.split("/")
    return (segments[:length] for length in range(1, len(segments) + 1))


def _in(row: Work, layer: str) -> bool:
    return row.layer == layer or row.layer.startswith(f"{layer}/")


def _estimate(held: Layers, question: str, parts: Sequence[tuple[Work, float]], assumes: str) -> Estimate:
    """The sum of parts' bounds is the widest that an interval can be."""
    low = sum_known(None if row.low_j is None else row.low_j * share for row, share in parts)
    high = sum_known(None if row.high_j is None else row.high_j * share for row, share in parts)
    saved = math.fsum(row.energy_j * share for row, share in parts)
    if saved > held.application_j * (1 + 1e-6):
        raise UsageError("the layers took more than the application did: the footprint contradicts its trace")
    modelled = any(row.basis == "modelled" for row, _ in parts)
    return Estimate(question, min(saved, held.application_j), low, high, held.application_j, modelled, assumes)


def _rate(rows: Sequence[Work]) -> tuple[float, float] | None:
    """Joules per FLOP of one type, and how far that of one place may lie from it; None for fewer than three places."""
    known = [(row.energy_j, row.flops) for row in rows if row.flops]
    if len(known) < _FEWEST:
        return None
    energy, done = sum(e for e, _ in known), sum(f for _, f in known)
    per_flop = energy / done
    # Large places tell more: squares are weighed by their FLOPs.
    variance = sum(f * (e / f - per_flop) ** 2 for e, f in known) / done * len(known) / (len(known) - 1)
    return per_flop, student(len(known) - 1, LEVEL) * math.sqrt(variance * (1 + 1 / len(known)))


def _stack(held: Layers, layer: str) -> list[str]:
    """Layers beside this one that are called alike, but for a number, and built alike; in order of their numbers."""
    _known(held, [layer])
    parent, _, name = layer.rpartition("/")
    stem = _stem(name)[0]
    beside: dict[int, str] = {}
    for row in held.rows:
        within = row.layer.removeprefix(f"{parent}/") if parent else row.layer
        if parent and within == row.layer:
            continue
        other = within.split("/")[0]
        if (told := _stem(other))[0] == stem:
            beside.setdefault(told[1], f"{parent}/{other}".lstrip("/"))
    like = _built(held, layer)
    stack = [path for _, path in sorted(beside.items()) if _built(held, path) == like]
    if len(stack) < 2:
        raise UsageError(
            f"{layer} is not one of several layers that are built alike",
            "that is told by names that differ by a number, with the same operations inside",
        )
    return stack


def _stem(name: str) -> tuple[str, int]:
    match = _NUMBERED.fullmatch(name)
    assert match is not None
    return match[1], int(match[2] or 0)


def _built(held: Layers, layer: str) -> set[tuple[str, str, str]]:
    return {
        (row.layer.removeprefix(layer), row.phase, row.type)
        for row in held.rows
        if _in(row, layer) and row.phase in ("forward", "backward")
    }


def _told(layers: Sequence[str]) -> str:
    return " and ".join(layers)
