"""Several devices of one host: their operations are one device's, as its registers are, and no joule is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from smaragdine.trace.trace import Trace
from testbed.hardware import Tree

SCRIPT = Path(__file__).parent / "on_devices.py"


@pytest.mark.parametrize(
    ("way", "waits"), [("sharded", "wait"), ("shard_map", "wait"), ("shard_map", "never"), ("pmap", "never")]
)
def test_each_way_to_spread_a_step_leads_to_its_modules_and_keeps_every_joule(
    tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch, way: str, waits: str
) -> None:
    monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
    output = tmp_path / "out"
    subprocess.run([sys.executable, str(SCRIPT), str(output), way, waits], check=True)
    trace = Trace.open(output)
    assert sum(step.traced for step in trace.steps) >= 4
    assert trace.sql("select distinct device from events").fetchall() == [("CPU:0",)]
    # Arguments of pmap's programs have no paths, which would lead an update to its parameter.
    for phase in ("forward", "backward", "optimizer")[: 2 if way == "pmap" else 3]:
        layers = {layer for (layer,) in trace.sql(f"select layer from ops where phase = '{phase}'").fetchall()}
        assert layers >= {"Mlp/up", "Mlp/down"}, phase
    own, nobodys_names = {"Mlp", "Mlp/up", "Mlp/down"}, {"loss", "metrics", "optimizer", "runtime", "unknown"}
    assert {layer for (layer,) in trace.sql("select layer from ops").fetchall()} <= own | nobodys_names
    # Each step has every device's part of a product.
    (products,) = trace.sql(
        "select count(*) from events join ops using (op) where qtn = 'Mlp/up/dot_general'"
    ).fetchall()[0]
    assert products >= 4 * sum(step.traced for step in trace.steps)
    nobodys, whole = trace.sql(
        "select sum(end_ns - start_ns) filter (layer in ('runtime', 'unknown')), sum(end_ns - start_ns) "
        "from events join ops using (op) where kind = 'compute'"
    ).fetchall()[0]
    assert (nobodys or 0) < 0.05 * whole
    read = dict(trace.sql("select domain, sum(energy_j) from readings group by domain").fetchall())
    entries = dict(trace.sql("select domain, sum(energy_j) from ledger group by domain").fetchall())
    assert entries == pytest.approx({domain: read[domain] for domain in entries}, rel=1e-9)
    operations = trace.sql("select sum(energy_j) from ledger where entry = 'operations'").fetchall()[0][0]
    of_footprint = trace.sql("select sum(energy_j) from footprint").fetchall()[0][0]
    assert operations == pytest.approx(of_footprint, rel=1e-9) and operations > 0
    # Whatever a window left to the devices has run by the end of its last step, donated buffers or not.
    last_ns = max(step.end_ns for step in trace.steps if step.traced)
    assert trace.sql(f"select count(*) from events where start_ns > {last_ns}").fetchall() == [(0,)]
    log = " ".join(json.loads((output / "trace.json").read_text())["log"])
    assert "recording ends here" not in log
