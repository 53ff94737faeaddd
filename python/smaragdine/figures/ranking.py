"""Rankings of tensors: TEF and STEF by energy, STPF by power, the name above each bar as the field draws them."""

from __future__ import annotations

import plotly.graph_objects as go

from smaragdine.energy import MEASURED
from smaragdine.errors import SmaragdineError
from smaragdine.figures import theme
from smaragdine.footprint import Footprint, Group
from smaragdine.quantity import joules, number, percent, seconds, watts
from smaragdine.runs import RunsFootprint

KINDS = {
    "tef": "Tensors by energy (TEF)",
    "stef": "Tensors by energy, self-similar layers folded (STEF)",
    "stpf": "Tensors by power, self-similar layers folded (STPF)",
}


# The power of a tensor that ran for microseconds is noise: hardly any energy over hardly any time.
LEAST_SHARE = 0.005


def ranking(footprint: Footprint | RunsFootprint, top: int = 10, *, kind: str = "tef") -> go.Figure:
    """The `top` tensors. `kind`: `tef`, `stef`, or `stpf`, by power, of those with half a per cent of the energy.

    Whiskers are one standard deviation for several runs, else the interval of the energy where it is known. Raises
    SmaragdineError for another kind.
    """
    if kind not in KINDS:
        raise SmaragdineError(f"there is no ranking {kind!r}", f"choose one of {', '.join(KINDS)}", exit_code=2)
    power = kind == "stpf"
    groups = footprint.by("op" if kind == "tef" else "stef")
    if power:
        groups = sorted((g for g in groups if g.share >= LEAST_SHARE), key=lambda group: -(group.power_w or 0.0))
    groups = groups[:top][::-1]
    values = [(group.power_w or 0.0) if power else group.energy_j for group in groups]
    whiskers = [_whisker(group, power) for group in groups]
    write = watts if power else joules
    figure = go.Figure()
    figure.add_bar(
        x=values,
        y=list(range(len(groups))),
        orientation="h",
        width=0.42,
        marker={
            "color": [theme.PHASES.get(group.phase or "", theme.MIXED) for group in groups],
            "pattern": {"shape": ["/" if group.basis == "modelled" else "" for group in groups], "solidity": 0.15},
        },
        error_x={
            "type": "data", "symmetric": False, "array": [high for _, high in whiskers],
            "arrayminus": [low for low, _ in whiskers], "thickness": 1.2, "width": 3, "color": theme.LINE,
            "visible": any(low or high for low, high in whiskers),
        },
        hovertext=[_hover(group) for group in groups],
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
        figure.add_annotation(text="no operations", showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5)
    return theme.dress(
        figure,
        KINDS[kind],
        modelled=footprint.modelled,
        height=120 + 46 * max(2, len(groups)) + (theme.NOTICE_HEIGHT if footprint.modelled else 0),
        xaxis={
            "title": {"text": "watts" if power else "joules"}, "rangemode": "tozero", "gridcolor": theme.GRID,
            "range": [0, 1.16 * longest], "zeroline": False, "fixedrange": True,
        },
        yaxis={"visible": False, "range": [-0.5, max(2, len(groups)) - 0.3], "fixedrange": True},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
        margin={"b": 44, "t": 64},
    )  # fmt: skip


def _whisker(group: Group, power: bool) -> tuple[float, float]:
    """How far below and above the bar's end."""
    if group.energy_sd_j is not None:
        sd = group.power_sd_w if power else group.energy_sd_j
        return (sd or 0.0, sd or 0.0)
    if group.energy_low_j is None or group.energy_high_j is None:
        return (0.0, 0.0)
    scale = 1 / group.time_s if power and group.time_s > 0 else 1.0
    return ((group.energy_j - group.energy_low_j) * scale, (group.energy_high_j - group.energy_j) * scale)


def _hover(group: Group) -> str:
    spread = f" ± {joules(group.energy_sd_j)}" if group.energy_sd_j is not None else ""
    power = f"{watts(group.power_w)} over " if group.basis == MEASURED else ""
    return "<br>".join(
        [
            f"<b>{theme.safe(group.name)}</b>",
            f"{joules(group.energy_j)}{spread} {group.basis}, {percent(group.share)} of all operations",
            f"{power}{seconds(group.time_s)}, {number(group.count)} executions",
        ]
    )
