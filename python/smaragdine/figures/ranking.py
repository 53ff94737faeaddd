"""Rankings of tensors and layers: by energy (TEF, STEF) or power (STPF), the name above each bar as in the paper."""

from __future__ import annotations

import plotly.graph_objects as go

from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.accounts.group import Group
from smaragdine.accounts.quantity import joules, number, percent, seconds, watts
from smaragdine.accounts.spread import Spread
from smaragdine.errors import UsageError
from smaragdine.figures import theme
from smaragdine.figures.subject import Subject, numbers

KINDS = {
    "tef": "Tensors by energy (TEF)",
    "stef": "Tensors by energy, self-similar layers folded (STEF)",
    "stpf": "Tensors by power, self-similar layers folded (STPF)",
    "layers": "Layers by energy",
    "stef-layers": "Layers by energy, self-similar ones folded",
}

# The power of a tensor that ran for microseconds is noise: hardly any energy over hardly any time.
LEAST_SHARE = 0.005


def ranking(subject: Subject, top: int = 10, *, kind: str = "tef") -> go.Figure:
    """The `top` tensors or layers. `kind`: `tef`, `stef`, `layers`, `stef-layers`, or `stpf`, by power, of those with
    half a per cent of the energy.

    Whiskers are one standard deviation for several runs, else the interval of the energy where it is known; the figure
    says which. Raises SmaragdineError for another kind, and for powers that were modelled.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no ranking {kind!r}", f"choose one of {', '.join(KINDS)}")
    power = kind == "stpf"
    footprint = numbers(subject)
    runs = len(footprint.footprints)
    if power and footprint.modelled:
        raise UsageError("power was modelled, so watts per operation mean nothing", "rank by energy")
    if kind.startswith("st"):
        footprint = footprint.summarize()
    groups: list[Group] = footprint.by("layer" if kind.endswith("layers") else "op")
    if power:
        groups = sorted((g for g in groups if g.share >= LEAST_SHARE), key=lambda group: -(group.power_w or 0.0))
    groups = groups[:top][::-1]
    values = [(group.power_w or 0.0) if power else group.energy_j for group in groups]
    spreads = [_spread(group, runs, power) for group in groups]
    whiskers = [
        (value - spread.low, spread.high - value) if spread else (0.0, 0.0)
        for value, spread in zip(values, spreads, strict=True)
    ]
    write = watts if power else joules
    figure = go.Figure()
    figure.add_bar(
        x=values,
        y=list(range(len(groups))),
        orientation="h",
        width=0.42,
        marker={
            "color": [theme.PHASES.get(group.phase or "", theme.MIXED) for group in groups],
            "pattern": {"shape": ["/" if group.basis == MODELLED else "" for group in groups], "solidity": 0.15},
        },
        error_x={
            "type": "data", "symmetric": False, "array": [high for _, high in whiskers],
            "arrayminus": [low for low, _ in whiskers], "thickness": 1.2, "width": 3, "color": theme.LINE,
            "visible": any(low or high for low, high in whiskers),
        },
        hovertext=[_hover(group, runs) for group in groups],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )  # fmt: skip
    longest = max((v + high for v, (_, high) in zip(values, whiskers, strict=True)), default=0.0) or 1.0
    for place, (group, value, (_, high)) in enumerate(zip(groups, values, whiskers, strict=True)):
        figure.add_annotation(
            x=0, y=place + 0.40, text=theme.safe(theme.shorten(group.name, 84)), showarrow=False, xanchor="left",
            font={"size": 11},
        )  # fmt: skip
        figure.add_annotation(
            x=value + high + 0.012 * longest, y=place, text=f"<b>{write(value)}</b>", showarrow=False, xanchor="left",
            font={"size": 11},
        )  # fmt: skip
    for phase in dict.fromkeys(group.phase or "several passes" for group in reversed(groups)):
        figure.add_bar(x=[None], y=[None], marker_color=theme.PHASES.get(phase, theme.MIXED), name=phase)
    if not groups:
        theme.say(figure, "no operations")
    theme.whiskers(figure, next((spread.meaning for spread in spreads if spread), None))
    return theme.dress(
        figure,
        KINDS[kind],
        modelled=footprint.modelled,
        notice=footprint.notice,
        height=120 + 46 * max(2, len(groups)),
        xaxis=theme.axis("watts" if power else "joules", range=[0, 1.16 * longest], fixedrange=True),
        yaxis={"visible": False, "range": [-0.5, max(2, len(groups)) - 0.3], "fixedrange": True},
        legend=theme.LEGEND,
        margin={"b": 52, "t": 64},
    )  # fmt: skip


def _spread(group: Group, runs: int, power: bool) -> Spread | None:
    """Of joules, or of watts where that is what the bar shows."""
    spread = Spread.of_energy(group, runs)
    if spread is None or not power:
        return spread
    watts_ = group.power_w or 0.0
    if runs > 1:
        sd = group.power_sd_w
        return None if sd is None else Spread(watts_ - sd, watts_ + sd, spread.meaning)
    return Spread(spread.low / group.time_s, spread.high / group.time_s, spread.meaning) if group.time_s > 0 else None


def _hover(group: Group, runs: int) -> str:
    spread = Spread.of_energy(group, runs)
    power = f"{watts(group.power_w)} over " if group.basis == MEASURED else ""
    lines = [
        f"<b>{theme.safe(theme.broken(group.name))}</b>".replace("\n", "<br>"),
        f"{joules(group.energy_j)} {group.basis}, {percent(group.share)} of all operations",
        spread.text(joules) if spread else "",
        f"{power}{seconds(group.time_s)}, {number(group.count)} executions",
    ]
    return "<br>".join(line for line in lines if line)
