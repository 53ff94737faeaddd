"""Callbacks and hooks are copied by tuners, wrappers and cross-validation: a copy has recorded nothing yet."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Told

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow

from smaragdine.keras import EnergyCallback  # noqa: E402
from smaragdine.tensorflow import EnergyHook  # noqa: E402

Copy = Callable[[Any], Any]
COPIES: dict[str, Copy] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
    "a list of callbacks": lambda one: copy.deepcopy([one, {"again": one}])[0],
    "a copy of a copy": lambda one: copy.deepcopy(pickle.loads(pickle.dumps(one, protocol=2))),
}


def fit(*callbacks: Any) -> None:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)], name="net")
    net.compile("sgd", "mse")
    net.fit(np.ones((40, 4), "float32"), np.ones((40, 1), "float32"), verbose=0, callbacks=list(callbacks))


def state(output: Path) -> str:
    return str(json.loads((output / "trace.json").read_text())["state"])


class Labelled(EnergyCallback):
    """A user's own, with something of its own."""

    def __init__(self, output: Path, data: list[int]) -> None:
        super().__init__(output, period="2ms", window=2, every=5, name="mine", labels={"site": "lab"})
        self.data = data


class During(keras.callbacks.Callback):  # type: ignore[misc]
    """Copies a callback while it records."""

    def __init__(self, original: Any, make: Copy) -> None:
        super().__init__()
        self.original, self.make, self.copies = original, make, []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 1:
            self.copies.append(self.make(self.original))


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_callback_is_a_fresh_one_whenever_it_was_made(make: Copy, told: Told, tmp_path: Path) -> None:
    original = Labelled(tmp_path / "out", [1, 2])
    before = make(original)
    during = During(original, make)
    fit(original, during)
    after = make(original)
    for number, one in enumerate((before, *during.copies, after), 2):
        assert one.path is None
        assert one.finish() is None
        assert (type(one), one.data) == (Labelled, [1, 2])
        assert one.model is None
        fit(one)
        assert one.path == tmp_path / f"out-{number}"
    assert original.path == tmp_path / "out"
    assert [state(path) for path in sorted(tmp_path.glob("out*"))] == ["complete"] * 4
    starts = told.all("start")
    assert len({json.dumps([one["name"], one["period_ns"], one["labels"]]) for one in starts}) == 1


def test_a_callback_made_in_one_directory_and_copied_into_another_process_keeps_its_output(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "callback").write_bytes(pickle.dumps(EnergyCallback("runs/mine")))
    (tmp_path / "elsewhere").mkdir()
    code = "import pickle, sys; from test_copies import fit; fit(pickle.load(open(sys.argv[1], 'rb')))"
    tests = os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]])
    monkeypatch.setenv("PYTHONPATH", tests)
    subprocess.run([sys.executable, "-c", code, tmp_path / "callback"], check=True, cwd=tmp_path / "elsewhere")
    assert state(tmp_path / "runs" / "mine") == "complete"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_callback_records_where_it_was_made_whatever_directory_it_trains_in(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    callback = EnergyCallback("runs/mine")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for expected in ("mine", "mine-2"):
        fit(callback)
        assert callback.path == tmp_path / "runs" / expected
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_hook_is_a_fresh_one_whenever_it_was_made(make: Copy, told: Told, tmp_path: Path) -> None:
    v1 = tf.compat.v1

    def train(hook: EnergyHook) -> list[EnergyHook]:
        copies = []
        with tf.Graph().as_default():
            kernel = v1.get_variable("kernel", [4, 1])
            loss = tf.reduce_mean(tf.matmul(tf.ones([8, 4]), kernel) ** 2)
            train_op = v1.train.GradientDescentOptimizer(0.01).minimize(loss)
            with v1.train.MonitoredTrainingSession(hooks=[hook]) as session:
                for step in range(3):
                    session.run(train_op)
                    copies += [make(hook)] if step == 1 else []
        return copies

    original = EnergyHook(tmp_path / "out", samples=8)
    copies = [make(original), *train(original), make(original)]
    for number, one in enumerate(copies, 2):
        assert (one.path, one.finish()) == (None, None)
        train(one)
        assert one.path == tmp_path / f"out-{number}"
        assert state(one.path) == "complete"
    assert {step["samples"] for step in told.all("step")} == {"8"}
