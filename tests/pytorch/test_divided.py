"""A model divided between two processes, by its tensors or by its layers: the user's layers, and who speaks to whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import ranks, torchrun

from smaragdine.trace.trace import Trace

pytest.importorskip("torch.distributed.pipelining", reason="this PyTorch has no pipelines")
WHOLE = {"whole/first", "whole/first/up", "whole/first/down", "whole/second", "whole/second/up", "whole/second/down"}
FIRST = {"first/first", "first/first/up", "first/first/down"}
REST = {"rest/second", "rest/second/up", "rest/second/down", "rest/head"}
LAYERS = {"tensor": (WHOLE | {"whole/head"},) * 2, "1f1b": (FIRST, REST), "gpipe": (FIRST, REST)}
EVERY = pytest.mark.parametrize("way", LAYERS)
PIPELINES = pytest.mark.parametrize("way", ["1f1b", "gpipe"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained with and without a recording, which must come to the same parameters, to the bit."""
    return torchrun("divided.py", tmp_path_factory.mktemp("divided"), LAYERS)


def runtime(trace: Trace, kind: str) -> set[tuple[str, str]]:
    """Passes and names of what processes do together."""
    rows = f"select distinct phase, type from events join ops using (op) where layer = 'runtime' and kind = '{kind}'"
    return set(trace.sql(rows).fetchall())


@EVERY
def test_layers_of_both_passes_are_the_users_own(trained: Path, way: str) -> None:
    for trace, own in zip(ranks(trained, way), LAYERS[way], strict=True):
        for phase in ("forward", "backward"):
            rows = trace.sql(f"select distinct layer from ops where phase = '{phase}'").fetchall()
            layers = {layer for (layer,) in rows}
            assert own <= layers
            assert layers - own <= {"loss", "runtime"}


@EVERY
def test_the_optimizer_is_told_apart(trained: Path, way: str) -> None:
    for trace in ranks(trained, way):
        rows = trace.sql("select distinct phase, layer from ops where type in ('addcdiv_', 'lerp_')").fetchall()
        assert rows == [("optimizer", "optimizer")]


def test_sums_of_divided_tensors_are_collectives_and_waiting_for_them_is_no_work(trained: Path) -> None:
    for trace in ranks(trained, "tensor"):
        for phase in ("forward", "backward"):
            assert (phase, "allreduce_") in runtime(trace, "compute")
            assert {(phase, "gloo:all_reduce"), (phase, "wait_tensor")} <= runtime(trace, "wait")
        joules = "select coalesce(sum(energy_j), 0) from footprint join ops using (op) "
        joules += "where type like 'gloo:%' or type = 'wait_tensor'"
        assert trace.sql(joules).fetchall() == [(0,)]


@PIPELINES
def test_stages_send_and_receive_by_name_and_nothing_else_is_between_them(trained: Path, way: str) -> None:
    for trace in ranks(trained, way):
        assert {name for _, name in runtime(trace, "compute")} == {"send", "recv_"}
        # None of it is a layer's, nor unknown.
        rows = trace.sql("select distinct layer from ops where type in ('send', 'recv_')").fetchall()
        assert rows == [("runtime",)]
    first, last = ranks(trained, way)
    # Activations go on in the forward pass, gradients back in the backward pass.
    assert ("forward", "send") in runtime(first, "compute")
    assert ("backward", "send") in runtime(last, "compute")
