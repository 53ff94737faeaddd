"""The graph of a Keras model's training step, as fixtures hold it."""

from __future__ import annotations

from typing import Any

from smaragdine.frameworks.tensorflow.functions import functions, graph_def


def keras_graph(model: Any) -> bytes | None:
    """The `tensorflow.GraphDef` of the compiled training step as it was traced, serialised; `None` where there is none.

    There is none before the first step, and none with `run_eagerly=True`. It takes some 10 ms for a thousand
    operations. The step lies in the graph's function library.
    """
    for function in functions(getattr(model, "train_function", None)):
        if (graph := graph_def(function)) is not None:
            return graph
    return None
