"""Emissions: energy times intensity, with intervals, sources, and the time at which it was drawn."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smaragdine import SmaragdineError, Trace
from smaragdine.carbon import Place
from smaragdine.carbon.credit import J_PER_KWH, Credit
from smaragdine.carbon.digits import dollars, grams, rounded, significant
from smaragdine.carbon.emissions import Emissions
from smaragdine.carbon.place import region_told
from smaragdine.carbon.series import Series, instant_ns
from smaragdine.errors import NotMeasuredError
from testbed import synthetic_trace
from testbed.sealed import seal_trace
from testbed.synthetic_trace import MS, START_NS

CREDITED = ("operations", "application", "untraced", "profiling")


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def trace(traces: Path) -> Trace:
    return Trace.open(synthetic_trace.write(traces / "bert", gpu=True))


def with_gap(traces: Path, name: str, **gap: Any) -> Trace:
    told = {"domain": "package-0", "start_ns": START_NS, "end_ns": START_NS + MS, "because": ["reset"], **gap}
    return Trace.open(synthetic_trace.write(traces / name, overrides={"gaps": [told]}))


def test_a_run_is_charged_with_what_its_application_caused(trace: Trace) -> None:
    credit = Credit.of(trace)
    for component, domain in (("cpu", "package-0"), ("dram", "dram-0"), ("gpu", "gpu-0")):
        entries = trace.ledger().domain(domain)
        expected = sum(entries[entry] for entry in CREDITED)
        assert credit.component_kwh(component) == pytest.approx(expected / J_PER_KWH, rel=1e-12)
        assert expected < sum(entries.values())
    assert credit.component_kwh("module") is None
    assert credit.kwh == credit.high_kwh
    assert credit.apart["daemon"].measured_j == pytest.approx(trace.ledger().entry("daemon").measured_j)


def test_a_domain_that_was_not_measured_is_not_0(traces: Path) -> None:
    modelled = Trace.open(synthetic_trace.write(traces / "modelled", basis="modelled"))
    credit = Credit.of(modelled)
    assert credit.component_kwh("dram") is None and credit.component_kwh("gpu") is None
    assert credit.modelled_only and credit.unmeasured == ("GPU:0",)
    emissions = modelled.emissions(Place("DEU"))
    assert emissions.basis == "modelled" and "modelled" in str(emissions)
    assert emissions.modelled_g == pytest.approx(emissions.grams)


def test_a_gap_widens_the_interval_and_adds_nothing(traces: Path, trace: Trace) -> None:
    gappy = with_gap(traces, "gap", energy_low_j=0.0, energy_high_j=36.0)
    credit = Credit.of(gappy)
    assert credit.high_kwh == pytest.approx(credit.kwh + 36 / J_PER_KWH)
    emissions = Emissions.of(gappy, Place("US-VT"))
    assert emissions.low_g == pytest.approx(emissions.grams)
    assert emissions.high_g == pytest.approx(credit.high_kwh * 23.7)
    endless = with_gap(traces, "endless", energy_low_j=0.0, energy_high_j=None)
    assert Credit.of(endless).high_kwh is None
    assert Emissions.of(endless, Place("US-VT")).high_g is None
    assert "unknown" in str(Emissions.of(endless, Place("US-VT")))


def test_a_trace_of_which_nothing_is_counted_has_no_emissions_of_0(traces: Path) -> None:
    domains = [{"name": "psys", "device": "CPU:0", "parent": None, "counted": False, "basis": "measured"}]
    bare = Trace.open(synthetic_trace.write(traces / "bare", overrides={"domains": domains}))
    with pytest.raises(NotMeasuredError, match=r"nothing of the trace .* is counted"):
        bare.emissions(Place("DEU"))
    with pytest.raises(SmaragdineError, match=r"nothing of the trace .* is counted"):
        bare.statement(allow_modelled=True)


def test_readings_of_unknown_energy_that_no_gap_tells_of_have_no_upper_bound(traces: Path) -> None:
    write = synthetic_trace.write(traces / "untold")
    with duckdb.connect() as connection:
        file = write / "readings.parquet"
        connection.execute(f"create table r as select * replace (case when domain = 'package-0' and start_ns = "
                           f"{START_NS} then ['lost'] else flags end as flags) from '{file}'")  # fmt: skip
        connection.table("r").write_parquet(str(file))
    assert Credit.of(Trace.open(seal_trace(write))).high_kwh is None
    told = {"domain": "package-0", "start_ns": START_NS, "end_ns": START_NS + 4 * MS, "because": ["lost"],
            "energy_low_j": 0.0, "energy_high_j": 36.0}  # fmt: skip
    fields = json.loads((write / "trace.json").read_text()) | {"gaps": [told]}
    (write / "trace.json").write_text(json.dumps(fields))
    credit = Credit.of(Trace.open(seal_trace(write)))
    assert credit.high_kwh == pytest.approx(credit.kwh + 36 / J_PER_KWH)


def test_a_recording_that_was_cut_has_no_upper_bound(traces: Path) -> None:
    told = {"state": "cut", "program_end_ns": START_NS + 10**12}
    cut = Trace.open(synthetic_trace.write(traces / "cut", overrides=told))
    assert Credit.of(cut).high_kwh is None


def test_pue_is_a_factor_and_is_never_hidden(trace: Trace) -> None:
    plain, site = trace.emissions(Place("US-VT")), trace.emissions(Place("US-VT", pue=1.5))
    assert site.grams == pytest.approx(1.5 * plain.grams)
    assert plain.place.pue.assumed and not site.place.pue.assumed
    assert Place("US-VT", pue="uptime-2020").pue.factor == 1.59
    for wrong in (0.9, -1, float("nan"), "158", "best"):
        with pytest.raises(SmaragdineError, match="is no PUE"):
            Place("US-VT", pue=wrong)


def test_the_range_of_what_is_published_reaches_the_emissions() -> None:
    place = Place("DEU")
    low, high = place.range_g_per_kwh or (0, 0)
    assert low <= place.intensity.g_per_kwh <= high and low < high
    emissions = Emissions(2.0, 0.0, 3.0, place)
    assert (emissions.low_g, emissions.high_g) == (pytest.approx(2 * low), pytest.approx(3 * high))
    alone = Emissions(2.0, 0.0, 2.0, Place("US-VT"))
    assert alone.place.range_g_per_kwh is None and alone.low_g is None and alone.high_g is None


def test_the_row_of_the_runs_year_is_taken() -> None:
    assert Place("EST").intensity.year == 2025
    assert Place("EST", year=2019).intensity.g_per_kwh == 1043.7
    assert Place("EST", year=2023).intensity.year == 2023


def test_a_series_meets_the_energy_of_its_time(trace: Trace) -> None:
    middle = START_NS + 1000 * MS
    first, last = START_NS - 1000 * MS, START_NS + 10_000 * MS
    series = Series.of([(first, middle, 100.0), (middle, last, 300.0)], "a meter", "lifecycle")
    emissions = trace.emissions(Place("DEU", series=series))
    early = late = 0.0
    for domain in trace.metadata.counted:
        readings = trace.readings[domain.name]
        for start, energy in zip(readings.start_ns, readings.energy_j * readings.app_share, strict=True):
            early, late = (early + energy, late) if start < middle else (early, late + energy)
    assert emissions.timed and emissions.range_g_per_kwh is None
    assert emissions.intensity_g_per_kwh == pytest.approx((100 * early + 300 * late) / (early + late), rel=1e-9)
    assert "100 % of the energy by a meter" in emissions.origin


@given(data=st.data())
def test_a_series_weighs_as_one_does_by_hand(data: st.DataObject) -> None:
    """Intervals of any length and place, holes and touching ones among them, against a sum over each pair."""
    base = 1_790_000_000 * 10**9
    edges = sorted(data.draw(st.sets(st.integers(0, 10**12), min_size=2, max_size=12)))
    pairs = [pair for pair in itertools.pairwise(edges) if data.draw(st.booleans())] or [(edges[0], edges[-1])]
    rows = [(base + a, base + b, data.draw(st.floats(1, 1000))) for a, b in pairs]
    starts = data.draw(
        st.lists(st.tuples(st.integers(-(10**11), 10**12), st.integers(0, 10**12)), min_size=1, max_size=6)
    )
    spans = np.array([(base + a, base + a + length) for a, length in starts], dtype=np.int64)
    energy = np.array([data.draw(st.floats(0, 100)) for _ in starts])
    weighed = Series.of(rows, "x", "direct").weigh(spans, energy)
    covered = grams = 0.0
    for (start, end), joules in zip(spans.tolist(), energy, strict=True):
        for a, b, value in rows:
            common = max(0, min(end, b) - max(start, a))
            if end > start:
                covered += joules * common / (end - start)
                grams += joules * common / (end - start) * value
    assert weighed.covered == pytest.approx(covered, rel=1e-9, abs=1e-9)
    if covered > 1e-6:
        assert weighed.g_per_kwh == pytest.approx(grams / covered, rel=1e-6)


def test_what_a_series_does_not_cover_has_the_yearly_figure(trace: Trace) -> None:
    series = Series.of([(START_NS, START_NS + 1000 * MS, 10.0)], "half a meter", "lifecycle")
    emissions = trace.emissions(Place("DEU", series=series))
    assert emissions.weighed is not None and 0.3 < emissions.weighed.share < 0.6
    assert not emissions.timed
    assert 10 < emissions.intensity_g_per_kwh < Place("DEU").intensity.g_per_kwh
    low, high = emissions.low_g, emissions.high_g
    assert low is not None and high is not None and low <= emissions.grams < high
    outside = Series.of([(0, 1000, 10.0)], "of 1970", "lifecycle")
    assert trace.emissions(Place("DEU", series=outside)).grams == pytest.approx(trace.emissions(Place("DEU")).grams)


def test_a_series_of_points_lasts_from_one_to_the_next(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("start,g_per_kwh\n2026-11-28T13:00:00+01:00,200\n2026-11-28T11:30:00Z,100\n")
    series = Series.read(file, "direct")
    hour = 3600 * 10**9
    first = instant_ns("2026-11-28T11:30:00Z", "")
    assert series.times_ns.tolist() == [[first, first + hour // 2], [first + hour // 2, first + hour]]
    assert series.g_per_kwh.tolist() == [100.0, 200.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("start,g_per_kwh\n2026-11-28T13:00:00,200\n", "names no time zone"),
        ("start,g_per_kwh\nnoon,200\n", "is no time"),
        ("start,g_per_kwh\n2026-11-28T13:00:00Z,0\n", "is no carbon intensity"),
        ("start,g_per_kwh\n2026-11-28T13:00:00Z,10\n", "one instant tells nothing"),
        ("start,end,g_per_kwh\n2026-11-28T13:00:00Z,2026-11-28T12:00:00Z,10\n", "ends before it starts"),
        ("start,end,g_per_kwh\n2026-11-28T12:00:00Z,2026-11-28T14:00:00Z,1\n2026-11-28T13:00:00Z,2026-11-28T15:00:00Z,"
         "1\n", "overlap"),
        ("time,value\n", "has no column start, g_per_kwh"),
        ("start,g_per_kwh\n", "has no intensities"),
    ],
)  # fmt: skip
def test_a_series_with_a_fault_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "series.csv"
    file.write_text(text)
    with pytest.raises(SmaragdineError) as raised:
        Series.read(file)
    assert says in str(raised.value)


def test_the_region_is_told_by_option_label_or_environment_and_never_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARAGDINE_REGION", raising=False)
    assert region_told(None, [{}]) is None
    monkeypatch.setenv("SMARAGDINE_REGION", "FRA")
    assert region_told(None, [{}]) == ("FRA", "by SMARAGDINE_REGION")
    assert region_told(None, [{"region": "DEU"}]) == ("DEU", "by the trace's label")
    assert region_told("POL", [{"region": "DEU"}]) == ("POL", "told by option")
    with pytest.raises(SmaragdineError, match="different regions: DEU, FRA"):
        region_told(None, [{"region": "DEU"}, {"region": "FRA"}])


def test_numbers_have_no_more_digits_than_their_data() -> None:
    assert [significant(text) for text in ("208", "0.050", "2e3", "416.7", "24.344")] == [3, 2, 1, 4, 5]
    assert [rounded(0.012345, 2), rounded(12345, 2), rounded(999.9, 3), rounded(0, 3)] == [
        "0.012",
        "12,000",
        "1,000",
        "0",
    ]
    assert [grams(8021, 4), grams(999.96, 4), grams(0.0123, 2)] == ["8.021 kg", "1.000 kg", "12 mg"]
    assert [dollars(0.3836), dollars(-0.001), dollars(-8.2)] == ["$0.38", "$0.00", "-$8.20"]
    assert Emissions(1.23456, 0.0, 1.23456, Place("gcp:northamerica-northeast1", scope="direct")).digits == 1
