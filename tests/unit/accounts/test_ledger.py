"""The ledger: entries of a domain add up to its readings."""

from __future__ import annotations

import pytest

from smaragdine import Trace
from smaragdine.accounts.ledger import ENTRIES, MEANINGS
from testbed import synthetic_trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace.open(synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert", gpu=True))


def test_entries_of_each_domain_add_up_to_its_readings(trace: Trace) -> None:
    ledger = trace.ledger()
    assert ledger.domains == ("package-0", "dram-0", "gpu-0")
    for domain in ledger.domains:
        assert sum(ledger.domain(domain).values()) == pytest.approx(trace.readings[domain].total_j, rel=1e-9)


def test_entries_come_in_one_order_and_each_has_a_meaning(trace: Trace) -> None:
    assert tuple(trace.ledger().domain("dram-0")) == ENTRIES
    assert set(MEANINGS) == set(ENTRIES)


def test_operations_are_the_footprint(trace: Trace) -> None:
    operations = trace.ledger().entry("operations").measured_j
    assert operations == pytest.approx(trace.footprint().total.measured_j, rel=1e-9)


def test_devices_add_up_to_the_total(trace: Trace) -> None:
    ledger = trace.ledger()
    parts = ledger.device("CPU:0") + ledger.device("GPU:0")
    assert parts.measured_j == pytest.approx(ledger.total.measured_j, rel=1e-12)


def test_a_domain_that_is_not_counted_has_no_entries(trace: Trace) -> None:
    assert trace.ledger().domain("psys") == {}


def test_a_data_frame_has_a_row_per_domain_and_entry(trace: Trace) -> None:
    pytest.importorskip("pandas")
    assert len(trace.ledger().to_pandas()) == 3 * len(ENTRIES)
