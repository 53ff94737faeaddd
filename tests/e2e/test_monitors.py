"""What Prometheus is told of a machine: by the daemon itself, and through node_exporter's textfile collector."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from smaragdine.daemon.binary import find_binary
from testbed.hardware import Tree, powercap_tree

DASHBOARD = Path(__file__).parents[2] / "packaging" / "grafana" / "smaragdine.json"
WATTS = 100.0
# Of Prometheus' rates: long beside the age of what it is told.
WINDOW_S = 100
HEADERS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@contextmanager
def monitored(directory: Path, tree: Tree, *options: str) -> Iterator[str]:
    """A daemon that tells; the address at which it does."""
    directory.mkdir(exist_ok=True)
    command = [str(find_binary()), "serve", "--socket", str(directory / "s"), "--state-dir", str(directory / "state")]
    command += ["--powercap-root", str(tree.root), "--nvml-library", "/nowhere", "--metrics", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as daemon:
        assert daemon.stderr is not None
        try:
            told = next(line for line in daemon.stderr if "metrics at http://" in line)
            yield told.split("metrics at http://")[1].split("/")[0]
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.stderr.read()


def scrape(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        assert answer.headers["content-type"] == HEADERS
        return str(answer.read().decode())


def energy_j(text: str, domain: str = "package-0") -> float:
    found = re.search(rf'^smaragdine_energy_joules_total{{domain="{domain}",.*}} (\S+)$', text, re.M)
    assert found, text
    return float(found[1])


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


@pytest.fixture
def steady(tmp_path: Path) -> Iterator[Tree]:
    with powercap_tree(tmp_path / "tree", "--package", f"constant:{WATTS:g}") as tree:
        yield tree


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def test_what_is_told_changes_once_a_second_however_often_it_is_asked_for(tmp_path: Path, steady: Tree) -> None:
    with monitored(tmp_path / "daemon", steady) as address:
        until(lambda: energy_j(scrape(address)) > 0, "nothing is counted")
        began, seen = time.monotonic(), set()
        while time.monotonic() < began + 4:
            seen.add(energy_j(scrape(address)))
        assert 2 <= len(seen) <= 6


def test_counters_are_what_the_registers_gained_and_start_anew_with_the_daemon(tmp_path: Path, steady: Tree) -> None:
    file = tmp_path / "textfile" / "smaragdine.prom"
    for _ in range(2):
        began = time.monotonic()
        with monitored(tmp_path / "daemon", steady, "--metrics-file", str(file)) as address:
            time.sleep(2.5)
            last = energy_j(scrape(address))
        passed_s = time.monotonic() - began
        # The end is kept, too: what was drawn until then, and nothing of before.
        kept = energy_j(file.read_text())
        assert last <= kept <= 1.01 * WATTS * passed_s
        assert kept > 0.9 * WATTS * 2


def test_nothing_else_can_be_asked_and_nobody_is_waited_for(tmp_path: Path, steady: Tree) -> None:
    with monitored(tmp_path / "daemon", steady) as address, ExitStack() as silent:
        host, port = address.split(":")
        for _ in range(20):
            silent.enter_context(socket.create_connection((host, int(port))))
        for path, method, code in [("/", "GET", 404), ("/metrics/..", "GET", 404), ("/metrics", "POST", 405)]:
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(f"http://{address}{path}", method=method), timeout=10)
            assert refused.value.code == code
            refused.value.close()
        garbage = silent.enter_context(socket.create_connection((host, int(port))))
        garbage.sendall(b"\x00" * 100_000 + b"\r\n\r\n")
        assert energy_j(scrape(address)) >= 0


def test_an_address_in_use_is_told_with_it(tmp_path: Path, steady: Tree) -> None:
    with monitored(tmp_path / "daemon", steady) as address:
        command = [str(find_binary()), "serve", "--socket", str(tmp_path / "s2"), "--state-dir", str(tmp_path / "st")]
        other = subprocess.run([*command, "--metrics", address], capture_output=True, text=True, check=False)
        assert other.returncode == 2
        assert address in other.stderr and "in use" in other.stderr


def test_promtool_has_nothing_to_say_of_the_file(tmp_path: Path, steady: Tree) -> None:
    promtool, file = needs("promtool"), tmp_path / "smaragdine.prom"
    with monitored(tmp_path / "daemon", steady, "--metrics-file", str(file)):
        until(file.exists, "no file was written")
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=file.read_text(), capture_output=True, text=True, check=False
        )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_prometheus_sees_the_watts_of_two_machines_directly_and_through_node_exporter(tmp_path: Path) -> None:
    prometheus, exporter = needs("prometheus"), needs("prometheus-node-exporter")
    watts = {"one": 80.0, "two": 160.0}
    files = tmp_path / "textfile"
    with ExitStack() as stack:
        targets = {}
        for name, power_w in watts.items():
            tree = stack.enter_context(powercap_tree(tmp_path / f"tree-{name}", "--package", f"constant:{power_w:g}"))
            options = ("--metrics-file", str(files / "smaragdine.prom")) if name == "two" else ()
            targets[name] = stack.enter_context(monitored(tmp_path / name, tree, *options))
        targets["exporter"] = f"127.0.0.1:{free_port()}"
        stack.enter_context(
            running(
                exporter, "--collector.disable-defaults", "--collector.textfile",
                f"--collector.textfile.directory={files}", f"--web.listen-address={targets['exporter']}",
            )
        )  # fmt: skip
        jobs = [
            {"job_name": name, "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
            for name, target in targets.items()
        ]
        config = tmp_path / "prometheus.yml"
        config.write_text(json.dumps({"scrape_configs": jobs}))
        server = f"127.0.0.1:{free_port()}"
        stack.enter_context(
            running(
                prometheus, f"--config.file={config}", f"--web.listen-address={server}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
            )
        )  # fmt: skip
        time.sleep(WINDOW_S + 8)

        def ask(query: str) -> list[dict[str, Any]]:
            address = f"http://{server}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
            try:
                with urllib.request.urlopen(address, timeout=5) as response:
                    result: list[dict[str, Any]] = json.load(response)["data"]["result"]
                    return result
            except OSError:
                return []

        def rates() -> dict[str, float]:
            query = f"rate(smaragdine_energy_joules_total{{domain='package-0'}}[{WINDOW_S}s])"
            series = ask(query)
            return {one["metric"]["job"]: float(one["value"][1]) for one in series}

        found = until(lambda: rates() if len(rates()) == 3 else None, "Prometheus did not scrape all")
        panels = json.loads(DASHBOARD.read_text())["panels"]
        for query in [target["expr"] for panel in panels for target in panel["targets"]]:
            shown = ask(query.replace("$instance", ".*"))
            assert {one["metric"]["instance"] for one in shown} == set(targets.values()), query
    # What is told is a second old at most, and what a file holds six.
    for job, machine, old_s in (("one", "one", 1), ("two", "two", 1), ("exporter", "two", 6)):
        assert found[job] == pytest.approx(watts[machine], rel=0.001 + old_s / WINDOW_S), job


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(*command: str) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
