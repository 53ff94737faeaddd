"""The real daemon over registers that move, and PyTorch on one thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import smaragdine
from smaragdine.trace.trace import Trace
from testbed.hardware import built, powercap_tree


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def real_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    binary = os.environ.get("SMARAGDINE_BIN") or str(built("smaragdine-core", "smaragdined"))
    monkeypatch.setenv("SMARAGDINE_BIN", binary)
    monkeypatch.delenv("SMARAGDINE_SOCKET", raising=False)


@pytest.fixture
def registers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package and its DRAM that draw energy."""
    with powercap_tree(tmp_path / "tree") as tree:
        monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
        yield


Recorded = Callable[..., Trace]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Records so many steps of a training, two in each window and as many between."""

    def record(step: Callable[[], object], steps: int = 8, **options: Any) -> Trace:
        output = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        with smaragdine.record(output, window=2, every=4, **options) as recording:
            for _ in range(steps):
                with recording.step(samples=8):
                    step()
        return Trace.open(output)

    return record
