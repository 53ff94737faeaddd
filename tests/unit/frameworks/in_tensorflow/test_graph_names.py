"""Names of a session's operations, through the real daemon: the graph's own, and the same in every run."""

from __future__ import annotations

from pathlib import Path

import pytest

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow

from smaragdine import Trace  # noqa: E402
from smaragdine.demo import graph  # noqa: E402
from smaragdine.demo.corpus import Corpus  # noqa: E402
from smaragdine.demo.shape import Shape  # noqa: E402
from smaragdine.tensorflow import EnergyHook  # noqa: E402

TINY = Shape(layers=1, hidden=8, heads=2, sequence=8, vocabulary=32, predictions=2)
SIZES = {"batch": 3, "sequence": TINY.sequence, "predictions": TINY.predictions}


def named(output: Path) -> list[tuple[str, ...]]:
    """What a training of the demo's BERT calls its operations."""
    text = Corpus.load(TINY.vocabulary, limit=50_000)
    with tf.Graph().as_default():
        bert = graph.build(TINY)
        with tf.compat.v1.train.MonitoredTrainingSession(hooks=[EnergyHook(output, window=2, every=3)]) as session:
            for number in range(8):
                session.run([bert.loss, bert.train], bert.feed(text.batch(number, **SIZES)))
    rows = Trace.open(output).sql("select qtn, layer, type, phase, raw_name from ops order by all").fetchall()
    return [tuple(row) for row in rows]


def test_names_are_the_graphs_own_with_the_pass_before_them_and_the_same_in_every_run(tmp_path: Path) -> None:
    first, second = named(tmp_path / "first"), named(tmp_path / "second")
    assert first == second
    layer = "bert/encoder/layer_0/output/dense"
    placed = {(qtn, at, phase) for qtn, at, _, phase, _ in first}
    assert (f"{layer}/MatMul", layer, "forward") in placed
    for of in ("MatMul", "MatMul_1"):
        assert (f"gradients/{layer}/MatMul_grad/{of}", layer, "backward") in placed
