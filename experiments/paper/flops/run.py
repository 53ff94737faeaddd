"""Energy and time against floating-point operations and parameters, across and within architectures.

After Henderson et al. 2020, section 5.1, Figures 3, 8 and 9: networks of keras.applications with random weights predict
one image again and again.
"""

from __future__ import annotations

import re
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from experiments.paper.bench import Bench, basis, run
from experiments.paper.claim import MODELLED, Claim, Finding
from experiments.paper.published import PUBLISHED
from experiments.paper.recordings import call, complete
from smaragdine import Trace
from smaragdine.accounts.correlation import pearson
from smaragdine.figures import theme

_ACROSS, _WITHIN = PUBLISHED["flops"]["across"], PUBLISHED["flops"]["within_vgg"]
_SOURCE = "Henderson et al. 2020, Figures 3, 8, 9"
# The usual bounds for "not strongly" and "almost perfectly" correlated.
STRONG, PERFECT = 0.7, 0.95
# Fewer always lie on a line.
FEWEST = 3
WARM_UP = 2
_TICKS = [digit * 10.0**power for power in range(-3, 4) for digit in (1, 2, 5)]


def _claims(cost: str, about: str) -> tuple[Claim, Claim, Claim]:
    return (
        Claim(f"Across architectures FLOPs do not tell the {cost} (r ≤ 0.7)", _SOURCE, f"r = {_ACROSS[cost]}", about),
        Claim(f"Within an architecture FLOPs tell the {cost} (r ≥ 0.95)", _SOURCE, f"r = {_WITHIN[cost]} (VGG)", about),
        Claim(f"Parameters do not tell the {cost} (r ≤ 0.7)", _SOURCE, f"r = {_ACROSS[f'parameters_{cost}']}", about),
    )


CLAIMS = {"time_s": _claims("time", "time"), "energy_j": _claims("energy", "energy")}


@dataclass(frozen=True)
class Network:
    """One prediction of one image."""

    name: str
    parameters: int
    flops: float
    energy_j: float
    time_s: float

    @property
    def family(self) -> str:
        """`EfficientNetB1` → `EfficientNet`, `VGG19` → `VGG`."""
        return re.sub(r"(B?\d+|Small|Large|V\d(Small|Large)?)$", "", self.name)

    @classmethod
    def of(cls, trace: Trace) -> Network:
        """Means and medians over predictions beside traced ones."""
        steps = [step for step in trace.steps[WARM_UP:] if not step.traced] or trace.steps
        return cls(
            trace.name,
            int(trace.metadata.labels["parameters"]),
            float(trace.metadata.labels["flops"]),
            statistics.fmean(sum(step.energy_j.values()) for step in steps),
            statistics.median(step.duration_s for step in steps),
        )


def conduct(bench: Bench) -> list[Finding]:
    traces = [recorded(bench, name) for name in bench.scale.networks]
    own = basis(traces[0])
    networks = [Network.of(trace) for trace in traces]
    bench.table(
        "networks",
        ("network", "parameters", "MFLOP", "ms", "J", "GFLOP/s", "J/GFLOP"),
        [
            (n.name, n.parameters, n.flops / 1e6, 1e3 * n.time_s, n.energy_j, n.flops / n.time_s / 1e9,
             n.energy_j / n.flops * 1e9)
            for n in networks
        ],
    )  # fmt: skip
    for amount, unit in (("flops", "floating-point operations"), ("parameters", "parameters")):
        for cost, axis in (("energy_j", "joules"), ("time_s", "seconds")):
            drawn = draw(networks, amount, cost, unit, axis, modelled=own == MODELLED and cost == "energy_j")
            bench.figure(f"{axis}-{amount}", drawn, picture=cost == "time_s")
    return [finding for cost in CLAIMS for finding in _findings(networks, cost, own)]


def recorded(bench: Bench, network: str) -> Trace:
    path = bench.output / "traces" / "networks" / network
    if not complete(path):
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"{network} …", file=sys.stderr, flush=True)
        call("experiments.paper.infer", network, bench.scale.pixels, bench.scale.rounds, path)
    return Trace.open(path)


def families(networks: Sequence[Network]) -> dict[str, list[Network]]:
    """Those with enough members for a correlation to mean something."""
    found: dict[str, list[Network]] = {}
    for network in networks:
        found.setdefault(network.family, []).append(network)
    return {name: members for name, members in found.items() if len(members) >= FEWEST}


def correlated(networks: Sequence[Network], amount: str, cost: str) -> float | None:
    return pearson([getattr(n, amount) for n in networks], [getattr(n, cost) for n in networks])


def _findings(networks: Sequence[Network], cost: str, own: str) -> list[Finding]:
    across, within, parameters = CLAIMS[cost]
    flops, size = (correlated(networks, amount, cost) for amount in ("flops", "parameters"))
    inside = {name: correlated(members, "flops", cost) for name, members in families(networks).items()}
    told = ", ".join(f"{name} {_r(value)}" for name, value in inside.items()) or "no family has three networks"
    known = [value for value in inside.values() if value is not None]
    speeds = [network.flops / getattr(network, cost) / 1e9 for network in networks]
    unit = "GFLOP/s" if cost == "time_s" else "GFLOP/J"
    return [
        across.found(f"r = {_r(flops)}, {len(networks)} networks; {min(speeds):.3g} … {max(speeds):.3g} {unit}", own,
                     None if flops is None else flops <= STRONG),
        within.found(told, own, min(known) >= PERFECT if known else None),
        parameters.found(f"r = {_r(size)}, {len(networks)} networks", own, None if size is None else size <= STRONG),
    ]  # fmt: skip


def _r(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def draw(networks: Sequence[Network], amount: str, cost: str, unit: str, axis: str, *, modelled: bool) -> go.Figure:
    figure = go.Figure()
    of_family: dict[str, list[Network]] = {}
    for network in networks:
        of_family.setdefault(network.family, []).append(network)
    for index, (family, members) in enumerate(of_family.items()):
        figure.add_scatter(
            x=[getattr(n, amount) for n in members], y=[getattr(n, cost) for n in members], name=family,
            text=[n.name for n in members], mode="lines+markers+text", textposition="top center",
            marker={"color": theme.DOMAINS[index % len(theme.DOMAINS)], "size": 9}, textfont={"size": 10},
            cliponaxis=False,
        )  # fmt: skip
    told = _r(correlated(networks, amount, cost))
    return theme.dress(
        figure, f"{axis.capitalize()} of a prediction by {unit}: r = {told}", modelled=modelled, height=480,
        legend=theme.LEGEND, showlegend=False, margin={"l": 64, "b": 56, "t": 70},
        xaxis=theme.axis(unit, type="log", dtick=1, exponentformat="SI"),
        yaxis=theme.axis(axis, type="log", tickvals=_TICKS, ticktext=[f"{tick:g}" for tick in _TICKS]),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(__doc__, "flops", conduct))
