"""The graphs that TensorFlow runs: optimised, flat, one for each device, with the names that its profiler sees.

TensorFlow shows them only when a function runs for the first time, so they are collected from a recording's start, and
remembered with the function for later ones.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from smaragdine.frameworks.tensorflow.functions import capture_names

_LOG = logging.getLogger("smaragdine")
# What sets one variable, or asks whether one is set, is no step.
_FEWEST_NODES = 16
# A tensor in a graph longer than this says nothing that names or shapes need.
_MOST_CONSTANT_BYTES = 1 << 10
_KNOWN: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()


class Collection:
    """Collects the graphs of functions that run for the first time, from now until `take`."""

    def __init__(self) -> None:
        self._context: Any = None
        self._collected = b""
        try:
            from tensorflow.python.eager import context

            if not _others_collect():
                context.context().enable_graph_collection()
                self._context = context.context()
        except Exception as error:  # noqa: BLE001  none of this is public; without it a trace only has less detail
            _LOG.debug("TensorFlow does not show the graphs that it runs: %r", error)

    def gather(self) -> None:
        """Keeps what was collected up to now: another may begin to collect, whose the rest is."""
        if self._context is None or _others_collect():
            return
        try:
            # Messages that follow each other are one.
            self._collected += _export(self._context)
        except Exception as error:  # noqa: BLE001
            _LOG.debug("TensorFlow does not show the graphs that it ran: %r", error)

    def take(self) -> bytes:
        """A serialised `tensorflow.RunMetadata` with what was collected, empty where nothing was; ends collecting."""
        self.gather()
        context, self._context = self._context, None
        if context is not None and not _others_collect():
            with contextlib.suppress(Exception):
                context.disable_graph_collection()
        return self._collected


def executed(metadata: bytes, functions: Iterable[Any]) -> tuple[list[bytes], bool]:
    """The graphs of a recording, each a serialised RunMetadata, and whether a step of `functions` is among them.

    They are those in `metadata`, without what repeats itself, and what earlier recordings collected of `functions`.
    """
    fresh = _essence(metadata)
    whole = bytes(fresh.SerializeToString())
    graphs = [whole] if whole else []
    arguments = [_arguments(graph) for function in fresh.function_graphs for graph in function.partition_graphs]
    complete = False
    for function in functions:
        known = _KNOWN.get(function, b"")
        if known and known not in graphs:
            graphs.append(known)
        if any(names and names <= seen for names in capture_names(function) for seen in arguments):
            # Messages that follow each other are one.
            _KNOWN[function] = known + whole
        complete |= function in _KNOWN
    return graphs, complete


def is_known(function: Any) -> bool:
    """Whether a recording saw what the function executes."""
    return function in _KNOWN


def of_session(metadata: Any) -> bytes:
    """A session's RunMetadata with its graphs where a function's lie, serialised; empty where there are none."""
    gathered = parsed(b"")
    gathered.function_graphs.add().partition_graphs.extend(metadata.partition_graphs)
    kept = _essence(gathered.SerializeToString(), fewest_nodes=1)
    return bytes(kept.SerializeToString()) if kept.function_graphs else b""


def _others_collect() -> bool:
    """Whether `tf.summary.trace_on` is on: the graphs are then its own to take."""
    from tensorflow.python.ops import summary_ops_v2

    return getattr(summary_ops_v2, "_current_trace_context", None) is not None


def _export(context: Any) -> bytes:
    """As `context.export_run_metadata`, without parsing some megabytes on the training's thread."""
    from tensorflow.python import pywrap_tfe
    from tensorflow.python.client import pywrap_tf_session
    from tensorflow.python.framework import c_api_util

    with c_api_util.tf_buffer() as buffer:
        pywrap_tfe.TFE_ContextExportRunMetadata(context._handle, buffer)
        return bytes(pywrap_tf_session.TF_GetBuffer(buffer))


def parsed(metadata: bytes) -> Any:
    """A `tensorflow.RunMetadata`."""
    from tensorflow.core.protobuf import config_pb2

    parsed = config_pb2.RunMetadata()
    parsed.ParseFromString(metadata)
    return parsed


def _essence(metadata: bytes, fewest_nodes: int = _FEWEST_NODES) -> Any:
    """The functions that may be a step, each with its graph before and after, without long constants."""
    essence = parsed(b"")
    for function in parsed(metadata).function_graphs:
        if sum(len(graph.node) for graph in function.partition_graphs) < fewest_nodes:
            continue
        function.ClearField("post_optimization_graph")
        for graph in (function.pre_optimization_graph, *function.partition_graphs):
            for node in _nodes(graph):
                if node.op == "Const" and node.ByteSize() > _MOST_CONSTANT_BYTES:
                    # A tensor without content is one of zeros.
                    tensor = node.attr["value"].tensor
                    kept = type(tensor)(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape)
                    tensor.CopyFrom(kept)
        essence.function_graphs.append(function)
    return essence


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _arguments(graph: Any) -> set[tuple[str, str]]:
    """The names of a graph's arguments: each node's, and its `_user_specified_name`."""
    user = "_user_specified_name"
    arguments = (node for node in graph.node if user in node.attr)
    return {(node.name, node.attr[user].s.decode(errors="replace")) for node in arguments}
