"""The tables of carbon intensities that come with the package, and a user's own."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from called import called
from smaragdine.carbon import Place
from smaragdine.carbon.intensity import METHODS, SCOPES
from smaragdine.carbon.lookup import Lookup, default
from smaragdine.carbon.table import intensities, own, packaged
from smaragdine.errors import SmaragdineError, UsageError
from testbed import synthetic_trace

STATES = re.findall(
    r"\w+",
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR "
    "PA RI SC SD TN TX UT VT VA WA WV WI WY",
)
HEADER = "place,g_per_kwh,year,scope,source\n"


def table(path: Path, text: str) -> Path:
    file = path / "own.csv"
    file.write_text(text)
    return file


def test_every_state_of_the_usa_and_dc_has_a_value() -> None:
    assert len(STATES) == 51
    for state in STATES:
        row = default().find(f"US-{state}").choose("direct")
        assert (row.country, row.year, row.scope) == ("USA", 2023, "direct")
        assert default().find(f"{row.name}, USA").place == f"US-{state}"


def test_no_row_is_there_twice() -> None:
    keys = Counter((row.place, row.year, row.method, row.scope, row.source) for row in intensities())
    assert not [key for key, count in keys.items() if count > 1]


def test_every_row_has_what_a_gram_needs_and_lies_where_electricity_can() -> None:
    assert len(intensities()) > 800
    for row in intensities():
        assert row.source and row.licence and row.name
        assert row.scope in SCOPES and row.method in METHODS
        assert 2000 < row.year < 2030
        least, most = (1, 1600) if row.kind == "generation" else (2, 1400)
        assert least <= row.g_per_kwh <= most, row
        assert (row.low or row.g_per_kwh) <= row.g_per_kwh <= (row.high or row.g_per_kwh)


def test_the_page_tells_how_many_rows_each_table_has() -> None:
    page = (Path(__file__).parents[3] / "docs" / "carbon.md").read_text()
    told = {name: int(count) for name, count in re.findall(r"^\| `([\w-]+)\.csv` \| (\d+) ", page, re.MULTILINE)}
    assert told.keys() >= {"countries", "zones", "provinces", "google", "clouds", "earlier"}
    assert told == {name: len(packaged(name)) for name in told} | {"states": 50}


def test_what_is_share_alike_lies_in_files_of_its_own() -> None:
    held = {name: {row["licence"] for row in packaged(name)} for name in ("zones", "states", "countries", "water")}
    assert held["zones"] == {"ODbL-1.0"} and held["water"] == {"MPL-2.0"}
    for name in ("states", "countries"):
        assert not any("ODbL" in licence or "-SA" in licence for licence in held[name])


def test_every_cloud_region_draws_from_a_place_that_has_a_value() -> None:
    lookup = default()
    for row in packaged("clouds"):
        assert lookup.found(row["zone"]).rows, row
    for region in ("aws:us-east-1", "azure:westeurope", "gcp:us-central1"):
        assert lookup.find(region).choose().scope == "lifecycle"
    assert lookup.find("gcp:us-west2").choose().scope == "direct"


def test_direct_and_lifecycle_are_never_taken_for_one_another() -> None:
    usa = default().find("USA")
    assert {row.scope for row in usa.rows} == {"direct", "lifecycle"}
    for scope in SCOPES:
        chosen = usa.choose(scope)
        assert {row.scope for row in (chosen, *usa.others(chosen))} == {scope}
    with pytest.raises(SmaragdineError, match="no table has a lifecycle intensity of Vermont"):
        default().find("Vermont").choose("lifecycle")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("Québec", "CA-QC"), ("quebec", "CA-QC"), ("DEU", "DEU"), ("de", "DEU"), ("germany", "DEU"),
        ("us-ca", "US-CA"), ("California", "US-CA"), ("Washington, USA", "US-WA"), ("us-east-1", "aws:us-east-1"),
        ("us-east1", "gcp:us-east1"), ("GB", "GB"), ("UK", "GBR"), ("Quebec, Canada", "CA-QC"),
        ("Washington DC", "US-DC"),
        ("United Kingdom", "GBR"), ("eastus", "azure:eastus"),
    ],
)  # fmt: skip
def test_a_place_is_found_by_what_people_call_it(name: str, place: str) -> None:
    assert default().find(name).place == place


def test_an_unknown_region_offers_the_nearest_names() -> None:
    with pytest.raises(SmaragdineError, match="no table knows a region 'Califrnia'") as raised:
        Place("Califrnia")
    assert "US-CA (California)" in str(raised.value.hint)
    with pytest.raises(SmaragdineError) as raised:
        Place("qqqqqqq")
    assert "`smaragdine regions --all` lists" in str(raised.value.hint)


def test_a_name_that_several_places_bear_is_no_guess() -> None:
    with pytest.raises(SmaragdineError, match="several places are called 'Georgia'") as raised:
        default().find("Georgia")
    assert "GEO" in raised.value.message and "US-GA" in raised.value.message


def test_a_users_row_stands_in_for_ours(tmp_path: Path) -> None:
    file = table(tmp_path, HEADER + "US-CA,50,2026,direct,my contract\nlab,120.0,2026,lifecycle,the lab's meter\n")
    place = Place("US-CA", rows=own(file))
    assert (place.intensity.g_per_kwh, place.intensity.source, place.intensity.digits) == (50.0, "my contract", 2)
    assert Place("lab", rows=own(file)).intensity.g_per_kwh == 120.0
    assert Place("DEU", rows=own(file)).intensity.source != "my contract"
    assert Lookup(own(file)).find("US-CA").rows == own(file)[:1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER + "lab,0,2026,direct,x", "line 2: '0' is no carbon intensity"),
        (HEADER + "lab,-3,2026,direct,x", "line 2: '-3' is no carbon intensity"),
        (HEADER + "lab,nan,2026,direct,x", "line 2: 'nan' is no carbon intensity"),
        (HEADER + "lab,inf,2026,direct,x", "line 2: 'inf' is no carbon intensity"),
        (HEADER + "lab,,2026,direct,x", "line 2: '' is no carbon intensity"),
        (HEADER + "a,5,2026,direct,x\nlab,90000,2026,direct,x", "line 3: '90000' is no carbon intensity"),
        (HEADER + "lab,5,20x6,direct,x", "line 2: '20x6' is no year"),
        (HEADER + "lab,5,2026,scope 2,x", "neither lifecycle nor direct"),
        (HEADER + "lab,5,2026,direct, ", "names no source"),
        (HEADER + ",5,2026,direct,x", "the place has no name"),
        (HEADER + "lab,5,2026,direct,x\nLAB,6,2026,direct,x", "LAB has two rows of 2026"),
        (HEADER, "has no rows"),
        ("place,g_per_kwh\nlab,5\n", "has no column year, scope, source"),
        ("", "has no column place"),
        (HEADER.strip() + ",low\nlab,5,2026,direct,x,6\n", "does not lie between its low and high"),
    ],
)  # fmt: skip
def test_a_users_table_with_a_fault_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        own(table(tmp_path, text))
    assert says in str(raised.value)


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SmaragdineError, match="no text in UTF-8"):
        own(file)
    with pytest.raises(SmaragdineError, match="cannot read the table"):
        own(tmp_path / "missing.csv")


def test_no_lookup_leaves_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", denied)
    monkeypatch.setattr(socket, "getaddrinfo", denied)
    for name in ("US-CA", "DEU", "aws:eu-west-1", "Québec"):
        assert Place(name).intensity.g_per_kwh > 0
    with pytest.raises(SmaragdineError):
        Place("nowhere at all")
    trace = synthetic_trace.write(tmp_path / "bert")
    for line in (
        ("statement", trace, "--region", "gcp:us-central1"),
        ("statement", trace),
        ("regions", trace, "--kind", "cloud"),
        ("estimate", "--hardware", "H200", "--hours", "1", "--region", "FRA"),
    ):
        assert called(*line)[0] == 0


def test_importing_the_package_reads_no_table() -> None:
    code = "import sys, smaragdine, smaragdine.carbon as c; from smaragdine.carbon.table import packaged; " \
           "assert packaged.cache_info().currsize == 0; assert 'duckdb' not in sys.modules"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True)
