"""What the report says first: what ran, the one sentence to remember, the numbers, and where every joule went."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from smaragdine.accounts.energy import MEASURED
from smaragdine.accounts.footprint import Footprints
from smaragdine.accounts.group import Group
from smaragdine.accounts.ledger import ENTRIES, MEANINGS
from smaragdine.accounts.quantity import joules, percent, seconds, watts
from smaragdine.accounts.spread import deviation
from smaragdine.accounts.words import LAYER_WORDS
from smaragdine.trace.runs import Runs
from smaragdine.trace.trace import Trace

Words = tuple[tuple[str, bool], ...]
"""Pieces of a sentence, and whether each is emphasised."""


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of the ledger as a stretch of a bar."""

    entry: str
    share: float
    energy: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Hero:
    facts: str
    headline: tuple[Words, ...]
    tiles: tuple[Tile, ...]
    ledger: dict[str, tuple[Part, ...]]
    """By basis, the mean of all runs."""
    spread: str
    """What the ± are; empty for one run."""

    @classmethod
    def of(cls, runs: Runs, footprint: Footprints, summary: Footprints, policy: str) -> Hero:
        spread = f"Means; ± is the {deviation(len(runs))}." if len(runs) > 1 else ""
        return cls(_facts(runs), _headline(summary), _tiles(runs, footprint), _ledger(runs, policy), spread)


def _facts(runs: Runs) -> str:
    first = runs.traces[0]
    lasted = [trace.metadata.duration_s for trace in runs if trace.metadata.duration_s is not None]
    hardware, software = first.metadata.hardware, first.metadata.software
    parts = [
        f"{len(runs)} runs" if len(runs) > 1 else "",
        f"{first.metadata.ranks} ranks" if first.parts else "",
        f"{len(first.steps):,} steps" if first.steps else "",
        f"{seconds(statistics.fmean(lasted))}{' on average' if len(runs) > 1 else ''}" if lasted else "",
        ", ".join(str(part) for part in (hardware.cpu, *hardware.gpus) if part),
        next((f"{name} {software[name]}" for name in ("tensorflow", "torch", "jax") if name in software), ""),
        next((trace.metadata.cut for trace in runs if trace.metadata.cut), ""),
    ]
    return " · ".join(part for part in parts if part)


def _headline(summary: Footprints) -> tuple[Words, ...]:
    """The costliest layer and the costliest tensor, self-similar ones folded."""
    layers = summary.by("layer")
    if not layers:
        return ()
    sentences = [_layer(layers[0], summary, "Most energy of operations goes to ")]
    model = next((group for group in layers if group.name not in LAYER_WORDS), None)
    if model is not None and model is not layers[0]:
        sentences.append(_layer(model, summary, "Within the model, most goes to "))
    tensor = summary.by("op")[0]
    passed = f", in the {tensor.phase} pass" if tensor.phase in ("forward", "backward") else ""
    sentences.append(
        (("The costliest tensor is ", False), (tensor.name, True), (f"{passed}: {percent(tensor.share)}.", False))
    )
    return tuple(sentences)


def _layer(group: Group, summary: Footprints, lead: str) -> Words:
    phases: dict[str, float] = defaultdict(float)
    for footprint in summary.footprints:
        for row in footprint.rows:
            if row.layer == group.name and row.basis == group.basis:
                phases[row.phase] += row.energy_j
    phase, most_j = max(phases.items(), key=lambda item: item[1])
    of_it = most_j / sum(phases.values()) if most_j > 0 else 0.0
    split = f", {percent(of_it)} of it in the {phase} pass" if len(phases) > 1 else ""
    folds = summary.footprints[0].summarized_by.folds if summary.footprints[0].summarized_by else {}
    segments = group.name.split("/")
    alike = next((len(folds[p]) for i in range(len(segments)) if (p := "/".join(segments[: i + 1])) in folds), 0)
    folded = f" ({alike} layers of one structure taken together)" if alike else ""
    return ((lead, False), (group.name, True), (f"{folded}: {percent(group.share)}{split}.", False))


def _tiles(runs: Runs, footprint: Footprints) -> tuple[Tile, ...]:
    tiles = []
    totals = [trace.totals() for trace in runs]
    lasted = [trace.metadata.duration_s or 0.0 for trace in runs]
    for device in dict.fromkeys(device for one in totals for device in one):
        for basis in dict.fromkeys(b for one in totals if device in one for b, _ in one[device]):
            energies = [one[device][basis] if device in one else 0.0 for one in totals]
            power = statistics.fmean(energies) / statistics.fmean(lasted) if any(lasted) else None
            tiles.append(Tile(device, _mean(energies), f"{basis}, all that ran there, {watts(power)} on average"))
    for basis in dict.fromkeys(b for one in footprint.footprints for b, _ in one.total):
        energies = [one.total[basis] for one in footprint.footprints]
        tiles.append(Tile("operations", _mean(energies), f"{basis}, in traced steps"))
        steps = [one.coverage.traced_steps for one in footprint.footprints]
        if all(steps):
            per_step = [energy_j / count for energy_j, count in zip(energies, steps, strict=True)]
            tiles.append(Tile("operations of a step", _mean(per_step), f"{basis}, mean of the traced ones"))
    passes = footprint.by("phase")
    if passes:
        tiles.append(Tile(f"{passes[0].name} pass", percent(passes[0].share), "of the operations’ energy"))
    return tuple(tiles)


def _mean(energies: Sequence[float]) -> str:
    told = joules(statistics.fmean(energies))
    return f"{told} ± {joules(statistics.stdev(energies))}" if len(energies) > 1 else told


def _ledger(runs: Runs, policy: str) -> dict[str, tuple[Part, ...]]:
    ledgers = [trace.ledger(policy) for trace in runs]
    bars = {}
    for basis in dict.fromkeys(basis for one in ledgers for basis in one.bases):
        held = {entry: sum(one.entry(entry)[basis] for one in ledgers) / len(ledgers) for entry in ENTRIES}
        # Under recency an entry may be negative; a bar has only what is there.
        whole = sum(energy_j for energy_j in held.values() if energy_j > 0)
        bars[basis] = tuple(
            Part(entry, energy_j / whole, joules(energy_j), MEANINGS[entry])
            for entry, energy_j in held.items()
            if energy_j > 0
        )
    return bars


def bases(trace: Trace) -> str:
    """`measured`, `modelled`, or both."""
    return " and ".join(dict.fromkeys(domain.basis for domain in trace.metadata.counted)) or MEASURED
