"""Providers of carbon intensity over time, held to a local server that answers as their documentation says."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from smaragdine import SmaragdineError, Trace
from smaragdine.carbon import Place
from smaragdine.carbon.live import PROVIDERS, SilentError, answer, fetch
from smaragdine.carbon.lookup import default
from smaragdine.cli import statement
from testbed import synthetic_trace

S = 10**9
HOUR = 3600 * S
Answer = Callable[[str, dict[str, list[str]]], tuple[int, str]]


class Server:
    """A provider: what it answers, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Answer = lambda path, query: (404, "")
        self.location = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                parts = urlsplit(self.path)
                code, body = outer.answer(parts.path, parse_qs(parts.query))
                self.send_response(code)
                if outer.location:
                    self.send_header("Location", outer.location)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    for name in ("ELECTRICITY_MAPS", "UK_CARBON", "CAISO"):
        monkeypatch.setenv(f"SMARAGDINE_{name}_URL", server.url)
    monkeypatch.setenv("ELECTRICITY_MAPS_TOKEN", "secret")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    yield server
    server.close()


def ns(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()) * S


def maps(path: str, query: dict[str, list[str]]) -> tuple[int, str]:
    """As the reference shows `past-range`: hours from start to before end; 100 g/kWh and the hour of the day."""
    assert path == "/v3/carbon-intensity/past-range"
    assert query["shouldUseFallbackCallerLookup"] == ["false"]
    (zone,), (scope,) = query["zone"], query["emissionFactorType"]
    first, last = (ns(query[name][0].rstrip("Z")) for name in ("start", "end"))
    data = [
        {
            "zone": zone,
            "carbonIntensity": 100 + at // HOUR % 24,
            "datetime": f"{datetime.fromtimestamp(at // S, timezone.utc):%Y-%m-%dT%H:%M:%S}.000Z",
            "updatedAt": "2026-04-07T15:32:21.002Z",
            "emissionFactorType": scope,
            "isEstimated": at // HOUR % 24 < 6,
            "estimationMethod": None,
        }
        for at in range(first, last, HOUR)
    ]
    return 200, json.dumps({"zone": zone, "data": data})


def test_electricity_maps_gives_hours_and_tells_which_are_estimated(server: Server) -> None:
    server.answer = maps
    start, end = ns("2026-03-01T22:30:00"), ns("2026-03-02T07:10:00")
    series = fetch("electricity-maps", default().find("Germany"), start, end)
    assert series.times_ns[0].tolist() == [ns("2026-03-01T22:00:00"), ns("2026-03-01T23:00:00")]
    assert series.times_ns[-1].tolist() == [ns("2026-03-02T07:00:00"), ns("2026-03-02T08:00:00")]
    assert series.g_per_kwh.tolist() == [122, 123, *range(100, 108)]
    assert series.source == "Electricity Maps, zone DE; 60 % of its hours estimated" and series.scope == "lifecycle"
    assert server.headers[0]["auth-token"] == "secret" and "secret" not in server.asked[0]


def test_long_times_are_asked_in_pieces_of_ten_days(server: Server) -> None:
    server.answer = maps
    start = ns("2026-03-01T00:00:00")
    series = fetch("electricity-maps", default().find("CA-QC"), start, start + 25 * 24 * HOUR, "direct")
    assert len(server.asked) == 3 and len(series.g_per_kwh) == 25 * 24 and series.scope == "direct"


@pytest.mark.parametrize(
    ("place", "zone"), [("DEU", "DE"), ("CA-QC", "CA-QC"), ("gcp:us-central1", "US-MIDW-MISO"), ("aws:eu-west-3", "FR")]
)
def test_electricity_maps_is_asked_by_its_own_keys(server: Server, place: str, zone: str) -> None:
    server.answer = maps
    start = ns("2026-03-01T00:00:00")
    assert fetch("electricity-maps", default().find(place), start, start + HOUR).source.startswith(
        f"Electricity Maps, zone {zone}"
    )


def test_an_answer_is_kept_without_its_token_and_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    server.answer = maps
    start = ns("2026-03-01T00:00:00")
    first = fetch("electricity-maps", default().find("FRA"), start, start + HOUR)
    server.answer = lambda path, query: (500, "")
    again = fetch("electricity-maps", default().find("FRA"), start, start + HOUR)
    assert again.g_per_kwh.tolist() == first.g_per_kwh.tolist() and len(server.asked) == 1
    (kept,) = (tmp_path / "cache" / "smaragdine" / "carbon").iterdir()
    assert "secret" not in kept.name and b"secret" not in kept.read_bytes()


def test_what_was_asked_while_it_was_fresh_is_asked_for_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = maps
    now = datetime.now(timezone.utc).timestamp()
    start = (int(now) - 7200) * S
    fetch("electricity-maps", default().find("FRA"), start, start + HOUR)
    monkeypatch.setattr(answer.time, "time", lambda: now + 301)
    fetch("electricity-maps", default().find("FRA"), start, start + HOUR)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("code", "body", "says"),
    [
        (503, "", "answered 503"),
        (401, "{}", "answered 401"),
        (200, "<html>", "no list of intensities"),
        (200, "[]", "no list of intensities"),
        (200, '{"data": [7]}', "no list of intensities"),
        (200, '{"data": []}', "has no figures"),
        (200, '{"zone": "FR", "data": []}', "answered for zone 'FR' instead of DE"),
        (200, '{"data": [{"datetime": "noon", "carbonIntensity": 5}]}', "'noon' for a time"),
        (200, '{"data": [{"datetime": "2026-03-01T00:00:00", "carbonIntensity": 5}]}', "a time without its zone"),
        (200, '{"data": [{"datetime": "2026-03-01T00:00:00Z", "carbonIntensity": "low"}]}', "'low' for a carbon"),
        (200, '{"data": [{"datetime": "2026-03-01T00:00:00Z", "carbonIntensity": 1e9}]}', "for a carbon"),
        (200, '{"data": [{"datetime": "2026-03-01T00:00:00Z", "carbonIntensity": NaN}]}', "for a carbon"),
        (200, '{"data": [{"datetime": "2026-03-01T00:00:00Z", "carbonIntensity": 0}]}', "has no figures"),
        (200, '{"data": [{"datetime": "2026-03-01T00:00:00Z", "carbonIntensity": null}]}', "has no figures"),
        (200, '{"data": [{"carbonIntensity": 5, "emissionFactorType": "direct"}]}', "'direct' figures instead"),
    ],
)
def test_nonsense_is_silence_and_is_not_kept(server: Server, tmp_path: Path, code: int, body: str, says: str) -> None:
    server.answer = lambda path, query: (code, body)
    start = ns("2026-03-01T00:00:00")
    with pytest.raises(SilentError, match=says):
        fetch("electricity-maps", default().find("DEU"), start, start + HOUR)
    if code != 200 or "has no figures" not in says:
        assert not (tmp_path / "cache").exists()


def test_a_token_follows_no_redirect(server: Server) -> None:
    server.location = f"{server.url}/elsewhere"
    server.answer = lambda path, query: (302, "")
    start = ns("2026-03-01T00:00:00")
    with pytest.raises(SilentError, match="answered 302"):
        fetch("electricity-maps", default().find("DEU"), start, start + HOUR)
    assert len(server.asked) == 1


def test_a_server_that_says_nothing_is_left_in_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.Event()
    server.answer = lambda path, query: (200, str(waiting.wait(5)))
    monkeypatch.setattr(answer, "TIMEOUT_S", 0.2)
    start = ns("2026-03-01T00:00:00")
    with pytest.raises(SilentError, match="does not answer"):
        fetch("electricity-maps", default().find("DEU"), start, start + HOUR)
    waiting.set()


def test_what_cannot_be_asked_is_an_error_and_no_silence(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    start = ns("2026-03-01T00:00:00")
    for provider, place, scope, says in (
        ("electricity-maps", "US-CA", None, "does not know California"),
        ("uk", "FRA", None, "does not know France"),
        ("caiso", "US-TX", None, "does not know Texas"),
        ("uk", "GB", "lifecycle", "has no lifecycle figures"),
    ):
        with pytest.raises(SmaragdineError, match=says) as raised:
            fetch(provider, default().find(place), start, start + HOUR, scope)
        assert not isinstance(raised.value, SilentError)
    with pytest.raises(SmaragdineError, match="too long"):
        fetch("uk", default().find("GB"), start, start + 500 * 24 * HOUR)
    monkeypatch.delenv("ELECTRICITY_MAPS_TOKEN")
    with pytest.raises(SmaragdineError, match="who have a token"):
        fetch("electricity-maps", default().find("DEU"), start, start + HOUR)
    assert not server.asked


def test_great_britain_gives_half_hours_and_forecasts_are_left_out(server: Server) -> None:
    def halves(path: str, query: dict[str, list[str]]) -> tuple[int, str]:
        assert path == "/intensity/2026-03-01T00:00Z/2026-03-01T01:30Z"
        data = [
            {"from": "2026-02-28T23:30Z", "to": "2026-03-01T00:00Z", "intensity": {"forecast": 1, "actual": 90}},
            {"from": "2026-03-01T00:00Z", "to": "2026-03-01T00:30Z", "intensity": {"forecast": 1, "actual": 100}},
            {"from": "2026-03-01T00:30Z", "to": "2026-03-01T01:00Z", "intensity": {"forecast": 1, "actual": 110}},
            {"from": "2026-03-01T01:00Z", "to": "2026-03-01T01:30Z", "intensity": {"forecast": 120, "actual": None}},
        ]
        return 200, json.dumps({"data": data})

    server.answer = halves
    series = fetch("uk", default().find("United Kingdom"), ns("2026-03-01T00:10:00"), ns("2026-03-01T01:20:00"))
    assert series.g_per_kwh.tolist() == [90, 100, 110] and series.scope == "direct"
    place = Place("GB", series=series)
    assert place.intensity.scope == "direct" and "the mean of" in place.intensity.source


CO2 = "Time,Biogas CO2,Biomass CO2,Natural Gas CO2,Coal CO2,Imports CO2,Geothermal CO2\n"
FUEL = "Time,Solar,Wind,Natural gas,Batteries,Imports\n"


def test_california_gives_five_minutes_of_pacific_time(server: Server) -> None:
    def tables(path: str, query: dict[str, list[str]]) -> tuple[int, str]:
        if path == "/outlook/history/20260301/co2.csv":
            return 200, CO2 + "00:00,100,100,3000,0,1800,0\n00:05,0,0,2000,0,0,0\n00:10,,,,,,\n00:00,9,9,9,9,9,9\n"
        assert path == "/outlook/history/20260301/fuelsource.csv"
        return 200, FUEL + "00:00,0,5000,10000,-1000,6000\n00:05,1000,1000,9000,-1000,0\n00:10,,,,,\n"

    server.answer = tables
    start = ns("2026-03-01T08:00:00")  # midnight in California
    series = fetch("caiso", default().find("California"), start, start + 1200 * S)
    assert series.times_ns.tolist() == [[start, start + 300 * S], [start + 300 * S, start + 600 * S]]
    assert series.g_per_kwh.tolist() == [pytest.approx(250.0), pytest.approx(200.0)]


def test_a_day_on_which_clocks_change_is_left_out(server: Server) -> None:
    start = ns("2026-03-08T12:00:00")
    with pytest.raises(SilentError, match="has no figures"):
        fetch("caiso", default().find("aws:us-west-1"), start, start + HOUR)
    assert not server.asked


@pytest.mark.parametrize("body", ["<html></html>", "", "Time\n", "Time,a CO2\nlater,5\n"])
def test_a_page_in_place_of_a_table_is_silence(server: Server, body: str) -> None:
    server.answer = lambda path, query: (200, body)
    start = ns("2026-03-01T12:00:00")
    with pytest.raises(SilentError):
        fetch("caiso", default().find("US-CA"), start, start + HOUR)


def stated(trace: Path, *arguments: str) -> tuple[dict[str, object], str]:
    line = [sys.executable, "-m", "smaragdine", "statement", str(trace), "--format", "json", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


def test_a_statement_asks_only_when_it_is_told_to_and_falls_back_when_nobody_answers(
    server: Server, tmp_path: Path
) -> None:
    trace = synthetic_trace.write(tmp_path / "bert")
    yearly, _ = stated(trace, "--region", "DEU")
    assert not server.asked and yearly["intensity_by_time_share"] is None
    silent, told = stated(trace, "--region", "DEU", "--live", "electricity-maps")
    assert "answered 404" in told and "the yearly figure stands in" in told
    assert silent["emissions_kg"] == yearly["emissions_kg"]
    server.answer = maps
    live, told = stated(trace, "--region", "DEU", "--live", "electricity-maps")
    assert live["intensity_by_time_share"] == pytest.approx(1.0) and told == ""
    start = datetime.fromtimestamp(Trace.open(trace).metadata.start_ns / 1e9, timezone.utc)
    assert live["intensity_g_per_kwh"] == pytest.approx(100 + start.hour, abs=1)
    assert "Electricity Maps, zone DE" in str(live["intensity_source"])


def test_the_command_offers_the_providers_that_there_are() -> None:
    assert list(statement.PROVIDERS) == list(PROVIDERS)
