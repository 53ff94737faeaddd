"""Where a pass spends its energy: program, encoder, transformer and what is inside (section 5.3, Figures 2 and 4)."""

from __future__ import annotations

import statistics
import sys

from experiments.paper.bench import Bench, basis, run
from experiments.paper.claim import MODELLED, Claim, Finding
from experiments.paper.published import PUBLISHED
from smaragdine import EDD, figures
from smaragdine.accounts.quantity import percent
from smaragdine.accounts.summary import natural

_PERCENT = PUBLISHED["edd_percent"]
FORWARD, BACKWARD = "bert", "gradients/bert"
# The levels that the paper draws.
LEVELS = ("", "/encoder", "/encoder/layer_0", *(
    f"/encoder/layer_0/{inside}" for inside in ("attention", "attention/self", "attention/output", "intermediate",
                                                "output")
))  # fmt: skip
PICTURED = (FORWARD, f"{FORWARD}/encoder", f"{FORWARD}/encoder/layer_0", f"{FORWARD}/encoder/layer_0/attention/self")
# Layers that run while the processor still comes up to speed, and from where on the paper sees a plateau.
PLATEAU = 4


def _both(level: str, child: str) -> str:
    return ", ".join(
        f"{_PERCENT[root + level][child]} % {name}" for root, name in ((FORWARD, "forward"), (BACKWARD, "backward"))
    )


ENCODER = Claim("The encoder takes more than 99 % of the forward pass's energy", "§5.3.1, Figure 2", ">99 %")
LAYERS = Claim(
    "The transformer nearest to the input takes less energy in the forward pass than those from the fifth on",
    "§5.3.1, Figure 2",
    f"mean 8.25 ± 0.61 %, layer 0 {_PERCENT['bert/encoder']['layer_0']} %, plateau about 8.55 %",
)
ATTENTION = Claim(
    "Attention takes a larger share of a transformer in the backward than in the forward pass",
    "§5.3.2, Figure 4a",
    _both("/encoder/layer_0", "attention"),
)
SELF = Claim(
    "Self-attention takes most of attention, and a larger share in the backward than in the forward pass",
    "§5.3.2, Figure 4b",
    _both("/encoder/layer_0/attention", "self"),
)
DENSE = Claim(
    "Dense layers take most of the energy of intermediate and output",
    "§5.3.2, Figures 4c and 4d",
    "; ".join(
        f"{level} {_both(f'/encoder/layer_0/{level}', 'dense')}" for level in ("intermediate", "output")
    ),
)  # fmt: skip


def conduct(bench: Bench) -> list[Finding]:
    runs = bench.runs(bench.scale.default)
    own = basis(runs)
    edds = {FORWARD: runs.edd("forward"), BACKWARD: runs.edd("backward")}
    boxes = {root + level: edds[root].find(root + level) for root in edds for level in LEVELS}
    bench.table(
        "edd",
        ("layer", "inside", "share of energy", "share of time", "J", "sd", "W"),
        [
            (path, child.name, child.share, _time_share(box, child), child.energy_j, child.energy_sd_j,
             None if own == MODELLED else child.power_w)
            for path, box in boxes.items() for child in box
        ],
    )  # fmt: skip
    for path, box in boxes.items():
        name = path.replace("/", "-")
        bench.figure(name, figures.distribution(edds[path.split("/encoder")[0]], path), picture=path in PICTURED)
        if own != MODELLED:
            bench.figure(f"{name}-power", figures.distribution(box, scale=figures.POWER))
    return [
        _encoder(boxes[FORWARD], own),
        _layers(boxes[f"{FORWARD}/encoder"], own),
        _compared(ATTENTION, boxes, "/encoder/layer_0", "attention", own, least=0.0),
        _compared(SELF, boxes, "/encoder/layer_0/attention", "self", own, least=0.5),
        _dense(boxes, own),
    ]


def _time_share(box: EDD, child: EDD) -> float:
    return child.time_s / sum(other.time_s for other in box)


def _shares(box: EDD, name: str) -> tuple[float, float]:
    """Of energy and of time, in the box; summed over boxes of that name, for a layer and a tensor may share one."""
    inside = [child for child in box if child.name == name]
    return sum(child.share for child in inside), sum(_time_share(box, child) for child in inside)


def _encoder(box: EDD, own: str) -> Finding:
    energy, time = _shares(box, "encoder")
    return ENCODER.found(f"{percent(energy)} ({percent(time)} of its time)", own, energy > 0.99)


def _layers(box: EDD, own: str) -> Finding:
    layers = sorted((child for child in box if child.name.startswith("layer_")), key=lambda child: natural(child.name))
    whole, time = sum(layer.energy_j for layer in layers), sum(layer.time_s for layer in layers)
    shares = [layer.energy_j / whole for layer in layers]
    # A program of fewer layers has no plateau; its last layers stand for it.
    plateau = statistics.fmean(shares[min(PLATEAU, len(shares) // 2) :])
    spread = statistics.stdev(shares) if len(shares) > 1 else 0.0
    here = (
        f"mean {percent(statistics.fmean(shares))} ± {percent(spread)}, layer 0 {percent(shares[0])} "
        f"({percent(layers[0].time_s / time)} of their time), plateau {percent(plateau)}"
    )
    return LAYERS.found(here, own, shares[0] < plateau if len(shares) > 1 else None)


def _compared(claim: Claim, boxes: dict[str, EDD], level: str, child: str, own: str, *, least: float) -> Finding:
    (forward, forward_time), (backward, backward_time) = (
        _shares(boxes[root + level], child) for root in (FORWARD, BACKWARD)
    )
    here = (
        f"{percent(forward)} forward, {percent(backward)} backward (of time {percent(forward_time)}, "
        f"{percent(backward_time)})"
    )
    return claim.found(here, own, backward > forward > least)


def _dense(boxes: dict[str, EDD], own: str) -> Finding:
    told, held = [], True
    for level in ("intermediate", "output"):
        shares = [_shares(boxes[f"{root}/encoder/layer_0/{level}"], "dense") for root in (FORWARD, BACKWARD)]
        held &= all(energy > 0.5 for energy, _ in shares)
        energies = ", ".join(
            f"{percent(energy)} {name}" for (energy, _), name in zip(shares, ("forward", "backward"), strict=True)
        )
        times = ", ".join(percent(time) for _, time in shares)
        told.append(f"{level} {energies} (of time {times})")
    return DENSE.found("; ".join(told), own, held)


if __name__ == "__main__":
    sys.exit(run(__doc__, "edd", conduct))
