"""What the counted domains explain of a node that holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from smaragdine import Trace
from smaragdine.cli import main
from smaragdine.trace.explained import Explained, explained
from testbed import synthetic_trace
from testbed.sealed import seal_trace
from testbed.synthetic_trace import MS, START_NS

NODE = {"name": "node", "device": "CPU:0", "parent": None, "counted": False, "basis": "measured",
        "source": "cray", "not_counted_because": "it checks the sum", "static_w": None, "range_uj": None,
        "scope": "socket:0"}  # fmt: skip


def with_node(directory: Path, watts: float, gaps: tuple[dict[str, Any], ...] = ()) -> Trace:
    """A trace of 2 s with a node that is read ten times a second, for a second in its middle."""
    synthetic_trace.write(directory)
    file = directory / "readings.parquet"
    rows = [
        f"('node', {START_NS + (500 + 100 * n) * MS}, {START_NS + (600 + 100 * n) * MS}, {watts / 10})"
        for n in range(10)
    ]
    with duckdb.connect() as connection:
        connection.execute(f"create table t as select * from '{file}'")
        connection.execute(f"insert into t (domain, start_ns, end_ns, energy_j) values {', '.join(rows)}")
        connection.table("t").write_parquet(str(file), compression="zstd")
    path = directory / "trace.json"
    told = json.loads(path.read_text())
    told["domains"].append(NODE)
    told["gaps"] = list(gaps)
    path.write_text(json.dumps(told))
    seal_trace(directory)
    return Trace.open(directory)


def test_a_node_is_compared_over_the_time_in_which_it_was_read(tmp_path: Path) -> None:
    (node,) = explained(with_node(tmp_path / "t", 100.0))
    # 51.5 W are counted.
    assert node.share == pytest.approx(0.515, rel=0.01)
    assert node == Explained("node", pytest.approx(100.0), node.counted_j, pytest.approx(1.0), False)
    assert str(node).startswith("node drew 100.0 J in 1.0 s; the counted domains explain 51.")


def test_a_share_is_a_rough_one_where_some_of_it_is_not_known(tmp_path: Path) -> None:
    gap = {"domain": "dram-0", "start_ns": START_NS, "end_ns": START_NS + MS, "energy_low_j": 0.0, "energy_high_j": 1.0,
           "because": ["lost"]}  # fmt: skip
    (node,) = explained(with_node(tmp_path / "t", 100.0, (gap,)))
    assert "explain about 51." in str(node)


def test_a_trace_without_a_node_explains_nothing(tmp_path: Path) -> None:
    assert explained(Trace.open(synthetic_trace.write(tmp_path / "t"))) == ()


def test_the_ledger_says_what_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = with_node(tmp_path / "t", 200.0)
    assert main(["ledger", str(trace.path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("node drew 200.0 J in 1.0 s; ")
    assert main(["ledger", str(trace.path), "--format", "json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["explained"]
    assert told["domain"] == "node"
    assert told["share"] == pytest.approx(0.2575, rel=0.01)
