"""Several sockets and dies: each has its own share, and a counter that two of them show is counted once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from accounted import Account, record, serving
from testbed.hardware import powercap_tree, proc_tree


def application_share(account: Account) -> float:
    """Of the energy that was not drawn idle."""
    rows = account.trace.sql(f"select entry, energy_j from ledger where domain = '{account.domain}'").fetchall()
    entries: dict[str, float] = dict(rows)
    own = sum(entries[entry] for entry in ("operations", "application", "untraced", "profiling"))
    return own / (sum(entries.values()) - entries["idle"] - entries["gap"])


def test_each_socket_has_its_own_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, stranger = f"{os.getpid()}:1:0.5,0.25", "999999999:1:1,1"
    with (
        proc_tree(tmp_path / "proc", "--process", own, "--process", stranger) as proc,
        powercap_tree(tmp_path / "tree", "--sockets", "2", "--package", "constant:100,constant:60") as tree,
        serving(tmp_path, monkeypatch, tree.root, "--proc-root", str(proc)),
    ):
        trace = record(tmp_path / "out", tree, 4.0)
        accounts = {domain: Account(trace, domain) for domain in ("package-0", "dram-0", "package-1", "dram-1")}
        for (domain, account), zone in zip(accounts.items(), ("0", "0:0", "1", "1:0"), strict=True):
            account.hold(tree.truth, f"intel-rapl:{zone}")
            share = 0.5 / 1.5 if domain.endswith("0") else 0.25 / 1.25
            assert application_share(account) == pytest.approx(share, rel=0.03), domain


@pytest.mark.parametrize(
    ("package", "counted"), [("sine:100:20:0.3", [True, False]), ("sine:100:20:0.3,sine:100:20:0.4", [True, True])]
)
def test_a_die_that_repeats_another_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, counted: list[bool]
) -> None:
    with (
        powercap_tree(tmp_path / "tree", "--dies", "2", "--dram", "none", "--package", package) as tree,
        serving(tmp_path, monkeypatch, tree.root),
    ):
        trace = record(tmp_path / "out", tree, 3.0)
    domains = trace.metadata.raw["domains"]
    assert [domain["name"] for domain in domains] == ["package-0-die-0", "package-0-die-1"]
    assert [domain["counted"] for domain in domains] == counted
    entered = {row[0] for row in trace.sql("select distinct domain from ledger").fetchall()}
    assert entered == {domain["name"] for domain in domains if domain["counted"]}
    told = [warning for warning in trace.metadata.raw["warnings"] if "repeats package-0-die-0" in warning]
    assert len(told) == counted.count(False)


def test_how_often_registers_are_updated_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        powercap_tree(tmp_path / "tree", "--period-us", "2000") as tree,
        serving(tmp_path, monkeypatch, tree.root),
    ):
        trace = record(tmp_path / "out", tree, 1.0)
    (source,) = trace.metadata.raw["sources"]
    assert [sensor["domain"] for sensor in source["sensors"]] == ["package-0", "dram-0"]
    for sensor in source["sensors"]:
        # A busy machine updates the fake late; it never updates it early twice in a row.
        assert sensor["update_ns"] is None or 1_000_000 < sensor["update_ns"] < 20_000_000
        assert sensor["read_ns"] > 0
