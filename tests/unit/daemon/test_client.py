"""The client gives plain values, and turns every refusal into words with a hint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Told

from smaragdine.cli.ending import exit_code
from smaragdine.daemon.client import Client, StartOptions
from smaragdine.daemon.messages import (
    ClockPair,
    Event,
    Events,
    Format,
    Message,
    Model,
    Note,
    Profile,
    ProfilingSpan,
    Stamped,
    Step,
    StepBatch,
)
from smaragdine.daemon.private import PrivateDaemon
from smaragdine.errors import SmaragdineError

pytestmark = pytest.mark.daemon


@pytest.fixture
def client(told: Told) -> Iterator[Client]:
    private = PrivateDaemon.start()
    client = Client(private.socket)
    yield client
    client.close()
    private.close()


def test_a_description_tells_what_can_be_measured_and_what_not(client: Client) -> None:
    described = client.describe()
    assert [domain.name for domain in described.measured] == ["package-0"]
    domain = described.sources[0].domains[0]
    assert (domain.device, domain.parent, domain.counted, domain.range_uj) == ("CPU:0", None, True, None)
    missing = described.sources[1]
    assert not missing.available
    assert missing.problem == "libnvidia-ml.so.1 is not installed"
    assert missing.hint == "install NVIDIA's driver"


def test_every_kind_of_message_arrives_and_is_acknowledged(client: Client, told: Told) -> None:
    started = client.start(StartOptions(name="x"))
    messages: list[Message] = [
        Events([Event("a/b", 5, 9, device="GPU:0", lane=3, kind="copy", flops=2.0)], clock="monotonic"),
        StepBatch([Step(4, 10, 20, epoch=1, traced=True, samples=8, metrics={"loss": 0.25}), Step(5, 20, 30)]),
        Profile(Format.RUN_METADATA, b"abc", last=True),
        ProfilingSpan(1, 2),
        Model("bert", ["encoder"], ["kernel"]),
        Note("hello"),
    ]
    stamped = [Stamped(number, ClockPair.now(), message) for number, message in enumerate(messages, 1)]
    acknowledgements = list(client.record(started.recording, stamped))
    assert [one.acknowledged for one in acknowledgements] == [1, 2, 3, 4, 5, 6]
    assert {one.advice for one in acknowledgements} == {"continue"}
    events = told.all("events")[0]
    assert events["clock"] == "CLOCK_MONOTONIC"
    expected = {"op": 0, "qtn": "a/b", "raw_name": "a/b", "flops": 2.0}
    assert {"op": 0, **events["ops"][0]} == expected
    assert events["events"][0] == {
        "device": "GPU:0",
        "lane": 3,
        "kind": "KIND_COPY",
        "start_ns": "5",
        "end_ns": "9",
    }
    assert told.all("step")[0]["metrics"] == {"loss": 0.25}
    assert told.all("profile") == [{"kind": "profile", "format": 2, "size": 3}]
    assert told.all("profiling")[0]["end_ns"] == "2"
    assert told.all("model")[0]["layer_paths"] == ["encoder"]
    assert told.all("note")[0]["text"] == "hello"
    assert [piece.path for piece in client.fetch(started.recording)][-1] == "trace.json"


def test_a_daemon_of_another_protocol_is_refused_with_both_versions(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "version")
    private = PrivateDaemon.start()
    with pytest.raises(SmaragdineError, match="protocol 99; this package speaks protocol 1") as raised:
        Client(private.socket).describe()
    assert "same version" in str(raised.value.hint)
    private.close()


def test_a_socket_without_daemon_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(SmaragdineError, match=str(tmp_path / "none")) as raised:
        Client(tmp_path / "none").describe(timeout_s=5)
    assert raised.value.hint


def test_a_missing_sensor_that_was_required_has_its_own_exit_code(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FAULT", "modelled")
    private = PrivateDaemon.start()
    with pytest.raises(SmaragdineError) as raised:
        Client(private.socket).start(StartOptions(require_measured=True))
    assert (exit_code(raised.value), raised.value.hint) == (3, "ask for one")
    assert raised.value.message == "no energy sensor is readable here"
    private.close()


def test_a_clock_pair_names_one_instant() -> None:
    first, second = ClockPair.now(), ClockPair.now()
    assert first.realtime_ns > 1_600_000_000 * 10**9
    assert second.monotonic_ns > first.monotonic_ns
