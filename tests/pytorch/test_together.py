"""Two processes train one model over gloo: layers without what wraps them, collectives by name, waiting apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch.distributed.fsdp
from models import Bert
from processes import ranks, torchrun

WAYS = ("ddp", "ddp-compile", "fsdp", "fsdp-checkpoint")
# Of the versions that have it.
if hasattr(torch.distributed.fsdp, "fully_shard"):
    WAYS += ("fully_shard",)
COLLECTIVES = {"ddp": {"allreduce_"}, "fsdp": {"allgather_", "_reduce_scatter_base_"}}
LAYERS = {"/".join(("bert", *filter(None, name.split(".")))) for name, _ in Bert().named_modules()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return torchrun("ranks.py", tmp_path_factory.mktemp("together"), WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_no_wrapper_is_in_a_layers_path(trained: Path, way: str) -> None:
    for trace in ranks(trained, way):
        rows = trace.sql("select distinct layer from ops where phase in ('forward', 'backward')").fetchall()
        layers = {layer for (layer,) in rows}
        assert layers - LAYERS <= {"loss", "runtime", "unknown"}
        known = {"bert"} if "compile" in way else {"bert/embed", "bert/layer/1/mlp/up", "bert/head"}
        assert known <= layers
        time = "select coalesce(sum(end_ns - start_ns), 0) from events join ops using (op) where kind = 'compute'"
        time += " and phase in ('forward', 'backward')"
        whole, unknown = (trace.sql(time + more).fetchall()[0][0] for more in ("", " and layer = 'unknown'"))
        assert unknown <= 0.03 * whole


@pytest.mark.parametrize("way", WAYS)
def test_collectives_have_their_names_and_passes_and_waiting_is_no_work(trained: Path, way: str) -> None:
    for trace in ranks(trained, way):
        rows = trace.sql(
            "select kind, phase, type, sum(end_ns - start_ns) from events join ops using (op) "
            "where layer = 'runtime' group by all"
        ).fetchall()
        calls = {(phase, name) for kind, phase, name, _ in rows if kind == "compute"}
        waits = {(phase, name) for kind, phase, name, _ in rows if kind == "wait"}
        assert {name for _, name in calls} >= COLLECTIVES.get(way.split("-")[0], {"_allgather_base_"})
        assert ("backward", "gloo:all_reduce") in waits
        if not way.startswith("ddp"):
            assert ("forward", "gloo:all_gather") in waits
        names = trace.sql("select distinct qtn from ops where type like 'gloo:%'").fetchall()
        assert {name.removeprefix("gradients/") for (name,) in names} <= {
            f"runtime/gloo:{one}" for one in ("all_reduce", "all_gather", "broadcast", "barrier")
        }
        # Time and no energy.
        joules = "select coalesce(sum(energy_j), 0) from footprint join ops using (op) where type like 'gloo:%'"
        assert trace.sql(joules).fetchall() == [(0,)]


def test_both_ranks_have_the_layers_of_one_model(trained: Path) -> None:
    layers = "select distinct layer from ops where phase = 'forward' and layer <> 'unknown' order by 1"
    first, second = (trace.sql(layers).fetchall() for trace in ranks(trained, "ddp"))
    assert first == second
