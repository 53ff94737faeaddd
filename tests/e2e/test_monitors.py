"""What Prometheus is told of a machine: by the daemon itself, and through node_exporter's textfile collector."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from monitored import energy_j, free_port, scrape, until, watched
from served import Other
from smaragdine.daemon.binary import find_binary
from testbed.hardware import Tree, powercap_tree

DASHBOARD = Path(__file__).parents[2] / "packaging" / "grafana" / "smaragdine.json"
WATTS = 100.0
# Of Prometheus' rates: long beside the age of what it is told.
WINDOW_S = 100


@contextmanager
def monitored(directory: Path, tree: Tree, *options: str) -> Iterator[str]:
    """A daemon that tells; the address at which it does."""
    with watched(directory, tree, *options) as told:
        yield told.address


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


def test_a_file_of_metrics_is_no_finer_than_a_second_while_recordings_come_and_go(tmp_path: Path, steady: Tree) -> None:
    file, changes = tmp_path / "smaragdine.prom", list[float]()
    options = ("--metrics-file", str(file), "--metrics-of-recordings")
    with watched(tmp_path / "daemon", steady, *options) as told, Other(told.socket) as client:
        until(file.exists, "no file of metrics is written")
        began, text = time.monotonic(), file.read_text()
        while time.monotonic() < began + 12:
            # Whatever anyone does who may record, and however often one looks.
            if len(changes) < 2:
                recording = client.ask("start", period_ns=1_000_000)["recording"]
                client.ask("stop", recording=recording)
                client.ask("release", recording=recording)
            if (now := file.read_text()) != text:
                text = now
                changes.append(time.monotonic())
    assert len(changes) >= 2
    assert all(later - earlier >= 1 for earlier, later in pairwise(changes))


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


def test_scrapes_while_a_register_wraps_see_it_go_on(tmp_path: Path) -> None:
    # It wraps every three seconds, three times while one looks.
    with (
        powercap_tree(tmp_path / "tree", "--package", f"constant:{WATTS:g}", "--range", "300000000") as tree,
        monitored(tmp_path / "daemon", tree) as address,
    ):
        until(lambda: energy_j(scrape(address)) > 0, "nothing is counted")
        began, seen = time.monotonic(), [energy_j(scrape(address))]
        while (passed_s := time.monotonic() - began) < 9:
            seen.append(energy_j(scrape(address)))
    assert all(later >= earlier for earlier, later in pairwise(seen))
    # At either end what is told is a second old.
    assert seen[-1] - seen[0] == pytest.approx(WATTS * passed_s, abs=WATTS * 1.1)


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
    options = ("--metrics-file", str(file), "--metrics-of-recordings", "--otlp", f"http://127.0.0.1:{free_port()}")
    with watched(tmp_path / "daemon", steady, *options) as told, Other(told.socket) as client:
        client.ask("start")
        until(lambda: file.exists() and "recording_energy" in file.read_text(), "no recording is in the file")
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=file.read_text(), capture_output=True, text=True, check=False
        )
    assert (checked.returncode, checked.stderr) == (0, "")


def recorded_j(text: str, recording: str) -> dict[str, float]:
    """By entry, of package 0."""
    labels = rf'{{recording="{recording}",domain="package-0",entry="(\w+)"}}'
    found = re.findall(rf"^smaragdine_recording_energy_joules_total{labels} (\S+)$", text, re.MULTILINE)
    return {entry: float(energy) for entry, energy in found}


def test_recordings_are_told_where_that_is_asked_for_and_nowhere_else(tmp_path: Path, steady: Tree) -> None:
    with watched(tmp_path / "unasked", steady) as told, Other(told.socket) as client:
        client.ask("start")
        time.sleep(2.5)
        assert "recording" not in scrape(told.address)
    with watched(tmp_path / "asked", steady, "--metrics-of-recordings") as told, Other(told.socket) as client:
        recording = client.ask("start")["recording"]
        seen = []
        until(
            lambda: seen.append(recorded_j(scrape(told.address), recording)) or sum(seen[-1].values()) > WATTS, "none"
        )
        client.ask("stop", recording=recording)
        # It is told of to the last, and for a while after it has been taken away.
        time.sleep(2.5)
        seen.append(recorded_j(scrape(told.address), recording))
        client.ask("release", recording=recording)
        time.sleep(1.5)
        assert recorded_j(scrape(told.address), recording) == seen[-1]
    seen = [one for one in seen if one]
    assert all(set(one) == {"application", "daemon", "other", "idle", "gap"} for one in seen)
    assert all(later[entry] >= one[entry] for one, later in pairwise(seen) for entry in one)


def test_prometheus_sees_the_watts_of_two_machines_directly_and_through_node_exporter(tmp_path: Path) -> None:
    prometheus, exporter = needs("prometheus"), needs("prometheus-node-exporter")
    watts = {"one": 80.0, "two": 160.0}
    files = tmp_path / "textfile"
    with ExitStack() as stack:
        targets = {}
        for name, power_w in watts.items():
            tree = stack.enter_context(powercap_tree(tmp_path / f"tree-{name}", "--package", f"constant:{power_w:g}"))
            options = ("--metrics-file", str(files / "smaragdine.prom")) if name == "two" else ()
            told = stack.enter_context(watched(tmp_path / name, tree, "--metrics-of-recordings", *options))
            targets[name] = told.address
            stack.enter_context(Other(told.socket)).ask("start")
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


@contextmanager
def running(*command: str) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
