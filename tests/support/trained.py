"""Small trainings of Keras models through the real daemon, and what their traces must say of layers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import smaragdine
from smaragdine.trace.trace import Trace
from testbed.hardware import built

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
pytest.importorskip("tensorflow")

from smaragdine.keras import EnergyCallback  # noqa: E402

layers = keras.layers
WINDOWS: Any = {"window": 2, "every": 4}
WORDS = {"optimizer", "loss", "metrics", "data", "runtime", "unknown"}
PASSES = ("forward", "backward", "optimizer")
MODES: dict[str, dict[str, Any]] = {
    "graph": {},
    "xla": {"jit_compile": True},
    "eager": {"run_eagerly": True},
    "multi": {"steps_per_execution": 2},
}


@pytest.fixture
def real_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    binary = os.environ.get("SMARAGDINE_BIN") or str(built("smaragdine-core", "smaragdined"))
    monkeypatch.setenv("SMARAGDINE_BIN", binary)
    monkeypatch.delenv("SMARAGDINE_SOCKET", raising=False)


def examples() -> Any:
    return np.random.default_rng(0).random((256, 16), "float32")


def part(name: str, width: int, *names: str) -> Any:
    dense = [layers.Dense(16, activation="relu", name=one) for one in names[:-1]]
    return keras.Sequential([keras.Input((16,)), *dense, layers.Dense(width, name=names[-1])], name=name)


def fit(model: Any, output: Path, targets: Any = None, optimizer: Any = "adam", **compile: Any) -> Trace:
    model.compile(optimizer, **compile)
    callback = EnergyCallback(output, **WINDOWS)
    model.fit(examples(), targets, batch_size=16, verbose=0, callbacks=[callback])
    assert callback.path is not None
    return Trace.open(callback.path)


def loop(run: Callable[[], object], output: Path, model: Any) -> Trace:
    with smaragdine.record(output, model=model, **WINDOWS) as recording:
        for _ in range(10):
            with recording.step(samples=16):
                run()
    return Trace.open(output)


def check(trace: Trace, trained: set[str]) -> None:
    """The layers in each pass are those that the program trains, and nothing else but the models themselves."""
    roots = {layer.partition("/")[0] for layer in trained}
    for phase in PASSES:
        rows = trace.sql(f"select distinct layer from ops where phase = '{phase}'").fetchall()
        seen = {layer for (layer,) in rows} - WORDS - roots
        assert seen == trained, phase
    # Names say what the columns do.
    of_layer = "(qtn = layer or starts_with(qtn, layer || '/') or starts_with(qtn, '{}/' || layer || '/'))"
    for phase, scope in (("forward", ""), ("backward", "gradients"), ("optimizer", "optimizer")):
        stray = f"select qtn from ops where phase = '{phase}' and layer like '%/%' and not {of_layer.format(scope)}"
        assert trace.sql(stray).fetchall() == [], phase
