"""What the tests share: a daemon that writes down what it was told, and a tree of registers that move."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from testbed.hardware import Tree, powercap_tree

HERE = Path(__file__).parent

# Sensors of the machine that tests run on are none of theirs: whoever wants some names a fake's.
for _root in ("DRM", "PERF", "CRAY"):
    os.environ.setdefault(f"SMARAGDINE_{_root}_ROOT", "/nonexistent")

# What `--quick` leaves out, by marker.
LEFT_OUT = {"tensorflow": "train with TensorFlow", "browser": "draw in a browser", "daemon": "start a daemon"}
# Fixtures that start one, or a tree of registers for one.
STARTS_A_DAEMON = {"told", "tree", "real_daemon"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out what `make quick` leaves out, and say so")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # `make test-jax` runs these, in an environment of their own. A folder `jax` here would be taken for JAX itself.
    if collection_path == HERE / "in_jax" and find_spec("jax") is None:
        return True
    # `make test-clusters` runs these, in an environment of its own.
    if collection_path == HERE / "clusters" and find_spec("pyspark") is None:
        return True
    # To collect these imports TensorFlow.
    if config.getoption("--quick") and collection_path == HERE / "unit" / "frameworks" / "tensorflow":
        return True
    # `make test-torch` runs these, in an environment of their own.
    return (collection_path == HERE / "pytorch" and find_spec("torch") is None) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if STARTS_A_DAEMON & set(getattr(item, "fixturenames", ())):
            item.add_marker("daemon")
    if config.getoption("--quick"):
        left = [item for item in items if any(item.get_closest_marker(name) for name in LEFT_OUT)]
        names = [name for item in left for name in LEFT_OUT if item.get_closest_marker(name)]
        config.stash[_LEFT] = Counter(names)
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


_LEFT = pytest.StashKey[Counter[str]]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Where several processes share the tests, each has collected all of them, and the one that tells has not.
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.stash.get(_LEFT, Counter()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[_LEFT] = Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.getoption("--quick"):
        return
    tell = terminalreporter.write_line
    tell("left out, and part of `make test`:")
    for name, what in LEFT_OUT.items():
        tell(f"  {config.stash.get(_LEFT, Counter())[name]} unit tests that {what}")
    tell(
        "  tests/unit/frameworks/in_tensorflow, tests/e2e, tests/faults, tests/attacks, tests/house, experiments/tests"
    )
    tell("  all Rust tests; `cargo test --lib` runs the quick ones")


def state(output: Path) -> str:
    return str(json.loads((output / "trace.json").read_text())["state"])


class Told:
    """What the fake daemon was told."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self, kind: str | None = None) -> list[dict[str, Any]]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        told = [json.loads(line) for line in lines]
        return [one for one in told if kind in (None, one["kind"])]

    def wait_for(self, kind: str, seconds: float = 30.0) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while not (found := self.all(kind)):
            assert time.monotonic() < deadline, f"the daemon was never told {kind}"
            time.sleep(0.02)
        return found[0]


@pytest.fixture
def told(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Told:
    """A fake daemon in place of smaragdined; FAKE_FAULT makes it misbehave."""
    binary = tmp_path / "bin" / "smaragdined"
    binary.parent.mkdir()
    binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "support" / "fake_accountant.py"}" "$@"\n')
    binary.chmod(0o755)
    for name in ("SMARAGDINE_SOCKET", "SMARAGDINE_RECORDING", "SMARAGDINE_STATE_DIR", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    # What a daemon keeps for `recover` goes with the test; a short path, for sockets lie there too.
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("t")))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr("smaragdine.daemon.running.SYSTEM_SOCKET", tmp_path / "no-such-socket")
    monkeypatch.setenv("SMARAGDINE_BIN", str(binary))
    monkeypatch.setenv("FAKE_TOLD", str(tmp_path / "told.jsonl"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    return Told(tmp_path / "told.jsonl")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """A package and its DRAM, as `hardware.powercap_tree` moves them by default."""
    with powercap_tree(tmp_path / "tree") as tree:
        yield tree


@pytest.fixture
def open_to_all(tmp_path: Path) -> Path:
    """A directory that other users may enter; those of pytest are closed to them."""
    for directory in [tmp_path, *tmp_path.parents]:
        if directory.owner() == "root" and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o011)
    return tmp_path
