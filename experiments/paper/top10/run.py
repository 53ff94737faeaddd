"""The ten tensors with the most energy and power, of BERT and of ALBERT (sections 5.3.3 and 6.2, Figures 5 and 10)."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from experiments.paper.bench import Bench, basis, run
from experiments.paper.claim import MODELLED, Claim, Finding
from experiments.paper.passes import kind, passes
from experiments.paper.published import PUBLISHED
from smaragdine import figures
from smaragdine.accounts.footprint import RunsFootprint
from smaragdine.accounts.group import Group
from smaragdine.accounts.quantity import percent, watts
from smaragdine.figures.ranking import LEAST_SHARE

TOP = 10
_J, _W = PUBLISHED["top10_j"], PUBLISHED["top10_w"]
# Powers within so much of each other are nearly the same.
FLAT = 0.05

MATMUL = Claim("BERT's ten tensors with the most energy are all MatMul", "§5.3.3, Figure 5", "10 of 10")
BACKWARD = Claim(
    "Eight of BERT's ten tensors with the most energy are of the backward pass", "§5.3.3, Figure 5",
    f"{sum(name.startswith('gradients/') for name, *_ in _J['bert'])} of 10",
)  # fmt: skip
FLATNESS = Claim(
    "The power of BERT's MatMul tensors is nearly the same", "§5.3.3, Figure 5",
    f"{_W['bert'][-1][1]} … {_W['bert'][0][1]} W among the top 10",
)  # fmt: skip
EINSUM = Claim("ALBERT's ten tensors with the most energy are all Einsum", "§6.2, Figure 10", "10 of 10")
HALF = Claim(
    "ALBERT's tensors take less energy than BERT's of the same rank, about half in some cases", "§6.2, Figure 10",
    f"{percent(_J['albert'][0][1] / _J['bert'][0][1])} (first) … {percent(_J['albert'][6][1] / _J['bert'][6][1])} "
    "(seventh) of BERT's",
)  # fmt: skip
MORE_POWER = Claim(
    "ALBERT's tensors draw more power than BERT's, with larger deviations", "§6.2, Figure 10",
    f"top: {_W['albert'][0][1]} W against {_W['bert'][0][1]} W; sd up to "
    f"{max(sd for _, _, sd in _W['albert'] if sd)} W against {max(sd for _, _, sd in _W['bert'] if sd)} W",
)  # fmt: skip


def conduct(bench: Bench) -> list[Finding]:
    found: dict[str, RunsFootprint] = {}
    bases: dict[str, str] = {}
    for model in ("bert", "albert"):
        runs = bench.runs(replace(bench.scale.default, model=model))
        bases[model], found[model] = basis(runs), passes(runs).summarize()
    tops = {model: footprint.top(TOP) for model, footprint in found.items()}
    powers = {model: by_power(footprint.by("op")) for model, footprint in found.items()}
    for model, footprint in found.items():
        bench.table(f"{model}-stef", ("tensor", "J", "sd", "share", "seconds"), map(_row, tops[model]))
        bench.figure(f"{model}-stef", figures.ranking(footprint, TOP, kind="stef"), picture=True)
        if bases[model] != MODELLED:
            watts_of = [(group.name, group.power_w, group.power_sd_w) for group in powers[model][:TOP]]
            bench.table(f"{model}-stpf", ("tensor", "W", "sd"), watts_of)
            bench.figure(f"{model}-stpf", figures.ranking(footprint, TOP, kind="stpf"))
    return [*_of_bert(tops["bert"], powers["bert"], bases["bert"]), *_of_albert(tops, powers, bases)]


def _row(group: Group) -> tuple[object, ...]:
    return group.name, group.energy_j, group.energy_sd_j, group.share, group.time_s


def by_power(groups: Sequence[Group]) -> list[Group]:
    """Those that matter, most power first: the power of what ran for microseconds is noise."""
    return sorted((group for group in groups if group.share >= LEAST_SHARE), key=lambda group: -(group.power_w or 0.0))


def _count(groups: Sequence[Group], wanted: str) -> int:
    return sum(kind(group.name) == wanted for group in groups)


def _of_bert(top: list[Group], powers: list[Group], own: str) -> list[Finding]:
    backward = sum(group.phase == "backward" for group in top)
    products = [group.power_w for group in powers if kind(group.name) == "MatMul" and group.power_w]
    flat = "watts of modelled power mean nothing"
    if own != MODELLED:
        flat = f"{watts(min(products))} … {watts(max(products))}, {len(products)} MatMul"
    return [
        MATMUL.found(f"{_count(top, 'MatMul')} of {len(top)}", own, _count(top, "MatMul") == TOP),
        BACKWARD.found(f"{backward} of {len(top)}", own, backward == 8),
        FLATNESS.found(flat, own, max(products) - min(products) < FLAT * max(products) if products else None),
    ]


def _of_albert(tops: Mapping[str, list[Group]], powers: dict[str, list[Group]], bases: dict[str, str]) -> list[Finding]:
    own = bases["albert"]
    ratios = [a.energy_j / b.energy_j for a, b in zip(tops["albert"], tops["bert"], strict=False)]
    here = "watts of modelled power mean nothing"
    held = None
    if MODELLED not in bases.values():
        most = {model: of[0].power_w or 0.0 for model, of in powers.items()}
        sds = {model: statistics.fmean(g.power_sd_w or 0.0 for g in of[:TOP]) for model, of in powers.items()}
        here = f"top: {watts(most['albert'])} against {watts(most['bert'])}; mean sd {watts(sds['albert'])} against "
        here += watts(sds["bert"])
        held = most["albert"] > most["bert"] and sds["albert"] > sds["bert"]
    return [
        EINSUM.found(f"{_count(tops['albert'], 'Einsum')} of {len(tops['albert'])}", own,
                     _count(tops["albert"], "Einsum") == TOP),
        HALF.found(f"{percent(min(ratios))} … {percent(max(ratios))} of BERT's", own,
                   max(ratios) < 1 and min(ratios) < 0.65),
        MORE_POWER.found(here, own, held),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(__doc__, "top10", conduct))
