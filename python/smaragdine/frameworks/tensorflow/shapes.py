"""The shape of every tensor in the graphs that were executed, found by TensorFlow's own optimiser."""

from __future__ import annotations

import logging
from typing import Any

from smaragdine.frameworks.tensorflow.executed import parsed

_LOG = logging.getLogger("smaragdine")
# A second of work or so, when a recording has ended.
MOST_NODES = 50_000
# Where the examples of a batch come from; a pipeline does not tell how many there are.
_SOURCES = frozenset(
    {"IteratorGetNext", "IteratorGetNextSync", "MultiDeviceIteratorGetNextFromShard", "OptionalGetValue"}
)
_NO_RESULT = frozenset({"NoOp", "_Arg", "_Retval", "_Send", "_HostSend"})


def shaped(metadata: bytes, batch: int) -> bytes:
    """A serialised RunMetadata with the executed graphs of another, in which nodes have `_output_shapes`.

    A batch whose size its pipeline does not tell holds `batch` examples; 0: unknown. Takes some 20 ms for 1,000 nodes.
    Empty where no shape could be found.
    """
    known = parsed(b"")
    for function in parsed(metadata).function_graphs:
        graphs = [graph for graph in function.partition_graphs if _infer(graph, batch)]
        if graphs:
            known.function_graphs.add().partition_graphs.extend(graphs)
    return bytes(known.SerializeToString())


def _infer(graph: Any, batch: int) -> bool:
    """Adds what can be known of shapes to the graph; whether anything can."""
    results = [node.name for node in graph.node if node.op not in _NO_RESULT]
    if not results:
        return False
    if len(graph.node) > MOST_NODES:
        _LOG.debug("a graph of %d nodes is too large to find its shapes", len(graph.node))
        return False
    if batch:
        _fix(graph, batch)
    try:
        properties = _properties(graph, results[-1])
    except Exception as error:  # noqa: BLE001  none of this is public; without it a trace only has less detail
        _LOG.debug("the shapes of a graph are not known: %r", error)
        return False
    for node in graph.node:
        shapes = node.attr["_output_shapes"].list.shape
        for tensor in properties.get(node.name, ()):
            shape = shapes.add(unknown_rank=tensor.shape.unknown_rank)
            for dimension in tensor.shape.dim:
                # Below -1 are symbols: sizes that are unknown, but equal.
                shape.dim.add(size=max(dimension.size, -1))
    return bool(properties)


def _properties(graph: Any, result: str) -> Any:
    from tensorflow.core.protobuf import meta_graph_pb2
    from tensorflow.python.grappler import item

    described = meta_graph_pb2.MetaGraphDef(graph_def=graph)
    described.collection_def["train_op"].node_list.value.append(result)
    return item.Item(described).GetOpProperties()


def _fix(graph: Any, batch: int) -> None:
    for node in graph.node:
        if node.op in _SOURCES:
            for shape in node.attr["output_shapes"].list.shape:
                if shape.dim and shape.dim[0].size < 0:
                    shape.dim[0].size = batch
