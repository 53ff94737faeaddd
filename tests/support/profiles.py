"""Made-up profiles whose answers are known by hand."""

from __future__ import annotations

import json
from typing import Any

from smaragdine.what_if import Layers, Part, Point, Profile, Work

GTX_1080_TI = Part("GeForce GTX 1080 Ti", "gpu", 1, 250.0, 11.34e12)
RTX_2080_TI = Part("GeForce RTX 2080 Ti", "gpu", 1, 250.0, 13.45e12)
CPU = Part("a processor", "cpu", 1, 95.0, 0.435e12)


def energyvis(**changed: Any) -> str:
    """The profile that EnergyVis calls Transformer, in Georgia: six epochs of 0.1 kWh."""
    content = {
        "name": "Transformer",
        "components": {"cpu": {"Intel i7 2600K": 1}, "gpu": {"geforce-gtx-1080-ti": 4}},
        "serverData": {"cpu": {"epoch": [0.05] * 6}, "gpu": {"epoch": [0.05] * 6}},
        "location": "Georgia",
        "PUE": 1.59,
    }
    return json.dumps(content | changed)


def two_components(**changed: Any) -> Profile:
    """A CPU of 95 W and a GPU of 250 W: three epochs, an hour each, 0.1 kWh and 0.3 kWh."""
    told: dict[str, Any] = {
        "name": "two",
        "by": "epoch",
        "points": tuple(Point(number, {"cpu": 0.1, "gpu": 0.3}, 3600.0) for number in range(3)),
        "parts": (CPU, GTX_1080_TI),
        "basis": "measured",
        "region": "US-GA",
        "pue": 1.5,
        "started": "2026-11-28T06:00:00+00:00",
    }
    return Profile(**(told | changed))


def layered(basis: str = "measured", *, optimizer: bool = True, flops: bool = True) -> Layers:
    """Three blocks that are built alike, 10 J each in the forward pass and 20 J in the backward one, and a head."""
    rows = []
    for number in range(3):
        layer = f"net/block_{number}"
        done, twice = (1e9, 2e9) if flops else (None, None)
        rows.append(Work(f"{layer}/dense", "forward", "MatMul", basis, 8.0, 7.0, 9.0, done))
        rows.append(Work(f"{layer}/dense", "backward", "MatMul", basis, 16.0, 14.0, 18.0, twice))
        rows.append(Work(layer, "forward", "AddV2", basis, 2.0, 1.5, 2.5, None))
        rows.append(Work(layer, "backward", "AddV2", basis, 4.0, 3.0, 5.0, None))
        if optimizer:
            rows.append(Work(f"{layer}/dense", "optimizer", "AssignSub", basis, 3.0, 2.0, 4.0, None))
    rows.append(Work("net/head", "forward", "Softmax", basis, 1.0, 0.5, 1.5, None))
    return Layers(200.0, tuple(rows))
