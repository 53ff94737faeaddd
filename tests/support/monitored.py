"""A daemon that tells a site's monitoring, and a receiver of what it sends by OpenTelemetry's protocol."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from smaragdine.daemon.binary import find_binary
from testbed.hardware import Tree

HEADERS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_EXPORT = "opentelemetry.proto.collector.metrics.v1.MetricsService"


class Told:
    """A daemon that runs: where it tells, and what it says of itself."""

    def __init__(self, process: subprocess.Popen[str], address: str, directory: Path) -> None:
        self.process = process
        self.address = address
        self.socket = directory / "s"
        self._log = directory / "log"

    @property
    def log(self) -> list[str]:
        return self._log.read_text().splitlines()


@contextmanager
def watched(directory: Path, tree: Tree, *options: str, environment: dict[str, str] | None = None) -> Iterator[Told]:
    """A daemon that tells at a port of its own; no variable of OpenTelemetry's reaches it but `environment`."""
    directory.mkdir(exist_ok=True)
    command = [str(find_binary()), "serve", "--socket", str(directory / "s"), "--state-dir", str(directory / "state")]
    command += ["--powercap-root", str(tree.root), "--nvml-library", "/nowhere", "--metrics", "127.0.0.1:0", *options]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | (environment or {})
    log = directory / "log"
    # Into a file: a pipe would be held by whatever the daemon started, and have readers wait for that.
    with log.open("w") as errors, subprocess.Popen(command, stderr=errors, text=True, env=kept) as process:
        try:
            address = until(lambda: re.search(r"metrics at http://([^/]+)/", log.read_text()), "it does not serve")
            yield Told(process, address[1], directory)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def scrape(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        assert answer.headers["content-type"] == HEADERS
        return str(answer.read().decode())


def energy_j(text: str, domain: str = "package-0") -> float:
    return value(text, rf'smaragdine_energy_joules_total{{domain="{domain}",.*}}')


def value(text: str, pattern: str) -> float:
    """That of the one sample whose name and labels are `pattern`."""
    found = re.search(rf"^{pattern} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True)
class Point:
    """One point of a metric, as it arrived."""

    metric: str
    attributes: dict[str, str]
    start_ns: int
    end_ns: int
    value: float


class Receiver:
    """Takes what is sent by OTLP over gRPC."""

    def __init__(self) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        self.arrived_s: list[float] = []
        # For how long it does not answer, and what it says then instead of taking it.
        self.silent_s = 0.0
        self.refusal: grpc.StatusCode | None = None

    def take(self, request: ExportMetricsServiceRequest, context: Any) -> ExportMetricsServiceResponse:
        if self.silent_s:
            time.sleep(self.silent_s)
        if self.refusal is not None:
            context.abort(self.refusal, "not now")
        self.requests.append(request)
        self.arrived_s.append(time.monotonic())
        return ExportMetricsServiceResponse()

    def points(self, metric: str) -> list[Point]:
        """Those of one metric, in the order in which they arrived."""
        found = []
        for request in list(self.requests):
            for one in request.resource_metrics[0].scope_metrics[0].metrics:
                if one.name == metric:
                    data = one.sum if one.HasField("sum") else one.gauge
                    found += [_point(one.name, point) for point in data.data_points]
        return found

    def resource(self) -> dict[str, str]:
        return _texts(self.requests[-1].resource_metrics[0].resource.attributes)


def _point(metric: str, point: Any) -> Point:
    number = point.as_int if point.HasField("as_int") else point.as_double
    return Point(metric, _texts(point.attributes), point.start_time_unix_nano, point.time_unix_nano, number)


def _texts(attributes: Any) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in attributes}


@contextmanager
def receiving(receiver: Receiver, port: int) -> Iterator[Receiver]:
    """`receiver` at a port of this machine until the block ends."""
    handler = grpc.unary_unary_rpc_method_handler(
        receiver.take,
        request_deserializer=ExportMetricsServiceRequest.FromString,
        response_serializer=ExportMetricsServiceResponse.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_EXPORT, {"Export": handler}),))
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    server.start()
    try:
        yield receiver
    finally:
        with suppress(Exception):
            server.stop(0).wait(10)
