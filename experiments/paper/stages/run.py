"""Energy of pre-training, fine-tuning and prediction, forward and backward apart (section 5.2, Figure 1)."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

from experiments.paper.bench import Bench, basis, run
from experiments.paper.claim import Claim, Finding
from experiments.paper.passes import PASSES, by_phase
from experiments.paper.published import PUBLISHED
from smaragdine import figures
from smaragdine.accounts.quantity import joules, percent, seconds

STAGES = ("pretrain", "finetune", "predict")
_KJ = PUBLISHED["stages_kj"]
_TRAINED = ("pretrain", "finetune")

ORDER = Claim(
    "Pre-training takes more energy than fine-tuning, fine-tuning more than prediction",
    "§5.2, Figure 1",
    f"{_KJ['pretrain']['total']} > {_KJ['finetune']['total']} > {_KJ['prediction']['forward']} kJ",
)
BACKWARD = Claim(
    "In both trainings the backward pass takes more energy than the forward pass",
    "§5.2, Figure 1",
    "backward "
    + ", ".join(f"{percent(1 - _KJ[stage]['forward'] / _KJ[stage]['total'])} of {stage}" for stage in _TRAINED),
)


def conduct(bench: Bench) -> list[Finding]:
    runs = {stage: bench.runs(replace(bench.scale.default, stage=stage)) for stage in STAGES}
    phases = {stage: by_phase(of) for stage, of in runs.items()}
    bench.table(
        "stages",
        ("stage", "pass", "J", "sd", "seconds", "J a step", "runs"),
        [
            (stage, name, group.energy_j, group.energy_sd_j, group.time_s, group.energy_j / bench.scale.steps, len(of))
            for stage, of in runs.items()
            for name, group in phases[stage].items()
        ],
    )
    bench.figure("stages", figures.phases(*runs.values(), names=STAGES), picture=True)

    def total(stage: str, what: str) -> float:
        return math.fsum(getattr(group, what) for name, group in phases[stage].items() if name in PASSES)

    def backward(stage: str, what: str) -> float:
        return float(getattr(phases[stage]["backward"], what)) / total(stage, what)

    own = basis(runs["pretrain"])
    energies, times = ([total(stage, what) for stage in STAGES] for what in ("energy_j", "time_s"))
    shares = {what: [backward(stage, what) for stage in _TRAINED] for what in ("energy_j", "time_s")}
    return [
        ORDER.found(
            f"{' > '.join(map(joules, energies))} of both passes in {bench.scale.steps} steps; "
            f"{' > '.join(map(seconds, times))} of operation time",
            own,
            energies[0] > energies[1] > energies[2],
        ),
        BACKWARD.found(
            "backward " + ", ".join(
                f"{percent(energy)} of {stage} ({percent(time)} of its time)"
                for stage, energy, time in zip(_TRAINED, shares["energy_j"], shares["time_s"], strict=True)
            ),
            own,
            min(shares["energy_j"]) > 0.5,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(__doc__, "stages", conduct))
