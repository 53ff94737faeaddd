"""How depth and width of BERT change energy and power, tensor by tensor (section 6.1, Figure 9)."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence

from experiments.paper.bench import Bench, basis, run
from experiments.paper.claim import MODELLED, Claim, Finding
from experiments.paper.matrix import matrix
from experiments.paper.passes import passes
from experiments.paper.published import PUBLISHED
from smaragdine.accounts.quantity import joules, watts
from smaragdine.similarity import correlation, mean_error_difference, stefs

Matrix = list[list[float | None]]


def _published(name: str) -> str:
    values = PUBLISHED[name].values()
    return f"{min(values)} … {max(values)}"


_MED_J, _MED_W = PUBLISHED["variants_energy_med_j"], PUBLISHED["variants_power_med_w"]
# The paper calls a correlation strong from here on (section 5.4.2).
STRONG = 0.7

ENERGY = Claim(
    "Variants are alike in energy: a tensor's standing is the same in all (r > 0.7)",
    "§6.1, Figure 9b",
    _published("variants_energy_correlation"),
)
POWER = Claim("Variants are alike in power (r > 0.7)", "§6.1, Figure 9a", _published("variants_power_correlation"))
WIDTH = Claim(
    "Wider variants draw more power than all narrower ones, and of one width the deeper draws more",
    "§6.1, Figure 9c",
    f"every difference of the longer from the shorter positive, {min(_MED_W.values())} … {max(_MED_W.values())} W",
)
NEITHER = Claim("More layers take more energy at one width, but a wider variant may take less than a deeper one",
                "§6.1, Figure 9d", f"[6, 768] less [12, 512]: {_MED_J['E-D']} J")  # fmt: skip


def conduct(bench: Bench) -> list[Finding]:
    scale = bench.scale
    variants = list(itertools.product(scale.hidden, scale.layers))
    heads = scale.size.hidden // scale.size.heads
    runs = {
        (hidden, layers): bench.runs(scale.default.of(layers=layers, hidden=hidden, heads=max(hidden // heads, 1)))
        for hidden, layers in variants
    }
    own = basis(runs[variants[0]])
    modelled = own == MODELLED
    names = [f"L={layers}, H={hidden}" for hidden, layers in variants]
    footprints = [passes(runs[variant]) for variant in variants]
    energies = stefs(footprints)
    powers = [] if modelled else stefs(footprints, power=True)
    kinds = {"energy": (energies, "J"), **({} if modelled else {"power": (powers, "W")})}
    matrices: dict[str, Matrix] = {}
    for kind, (tables, unit) in kinds.items():
        of_power = kind == "power"
        matrices[f"{kind}-correlation"] = [[correlation(a, b, power=of_power) for b in tables] for a in tables]
        matrices[f"{kind}-med"] = [[mean_error_difference(a, b, power=of_power) for b in tables] for a in tables]
        _show(bench, kind, unit, names, matrices, modelled)
    place = {variant: index for index, variant in enumerate(variants)}
    return [
        ENERGY.found(_spread(matrices["energy-correlation"]), own, _least(matrices["energy-correlation"]) > STRONG),
        *_of_power(matrices, variants, place, own),
        _neither(matrices["energy-med"], variants, place, own),
    ]


def _show(
    bench: Bench, kind: str, unit: str, names: Sequence[str], matrices: Mapping[str, Matrix], modelled: bool
) -> None:
    for what, title, text in (
        ("correlation", f"Similarity of {kind} between variants", "{:.3f}".format),
        ("med", f"Mean error difference of {kind}: row less column", joules if unit == "J" else watts),
    ):
        values = matrices[f"{kind}-{what}"]
        bench.table(f"{kind}-{what}", ("", *names), [(name, *row) for name, row in zip(names, values, strict=True)])
        said = "r" if what == "correlation" else unit
        bench.figure(
            f"{kind}-{what}", matrix(values, names, title, unit=said, modelled=modelled, text=text), picture=True
        )


def _below(values: Matrix) -> list[float]:
    return [value for i, row in enumerate(values) for value in row[:i] if value is not None]


def _least(values: Matrix) -> float:
    return min(_below(values))


def _spread(values: Matrix) -> str:
    return f"{min(_below(values)):.3f} … {max(_below(values)):.3f}"


def _of_power(
    matrices: Mapping[str, Matrix], variants: Sequence[tuple[int, int]], place: Mapping[tuple[int, int], int], own: str
) -> list[Finding]:
    if "power-med" not in matrices:
        nothing = "watts of modelled power mean nothing"
        return [POWER.found(nothing, own, None), WIDTH.found(nothing, own, None)]
    med = matrices["power-med"]
    # Variants come by width and then by depth, so each is to draw more than all before it.
    differences = [med[place[more]][place[less]] or 0.0 for less, more in itertools.combinations(variants, 2)]
    here = f"{sum(d > 0 for d in differences)} of {len(differences)} differences positive, {watts(min(differences))} … "
    return [
        POWER.found(_spread(matrices["power-correlation"]), own, _least(matrices["power-correlation"]) > STRONG),
        WIDTH.found(here + watts(max(differences)), own, min(differences) > 0),
    ]


def _neither(
    med: Matrix, variants: Sequence[tuple[int, int]], place: Mapping[tuple[int, int], int], own: str
) -> Finding:
    """The shallowest of the widest against the deepest of the next narrower width."""
    hidden = sorted({width for width, _ in variants})
    layers = sorted({depth for _, depth in variants})
    shallow_wide, deep_narrow = (hidden[-1], layers[0]), (hidden[-2], layers[-1])
    across = med[place[shallow_wide]][place[deep_narrow]] or 0.0
    deeper = [
        (med[place[width, more]][place[width, less]] or 0.0) for width in hidden
        for less, more in itertools.combinations(layers, 2)
    ]  # fmt: skip
    here = (
        f"[{layers[0]}, {hidden[-1]}] less [{layers[-1]}, {hidden[-2]}]: {joules(across)}; deeper less shallower "
        f"{joules(min(deeper))} … {joules(max(deeper))}"
    )
    return NEITHER.found(here, own, across < 0 < min(deeper))


if __name__ == "__main__":
    sys.exit(run(__doc__, "variants", conduct))
