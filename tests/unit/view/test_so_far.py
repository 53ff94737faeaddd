"""What a job that still runs took: its application's energy, as far as it is known whose it was."""

from __future__ import annotations

import pytest

from smaragdine import SmaragdineError
from smaragdine.accounts.domain import Domain
from smaragdine.daemon.client import Live
from smaragdine.view.so_far import so_far

DOMAINS = (
    Domain("package-0", "CPU:0", counted=True, basis="measured"),
    Domain("dram-0", "CPU:0", counted=True, basis="measured"),
    Domain("core-0", "CPU:0", counted=False, basis="measured"),
)
ENERGY_J = {"package-0": 900.0, "dram-0": 90.0, "core-0": 500.0}


def live(application_j: dict[str, float], unknown_j: dict[str, float], settled_ns: int = 5_000_000_000) -> Live:
    settled_j = {"package-0": 800.0, "dram-0": 80.0} if settled_ns else {}
    return Live(6_000_000_000, {}, ENERGY_J, settled_ns, settled_j, application_j, unknown_j)


def test_it_is_the_application_s_alone_up_to_where_that_is_known() -> None:
    profile = so_far("bert", 1_000_000_000, DOMAINS, live({"package-0": 360.0, "dram-0": 36.0, "core-0": 99.0}, {}))
    assert profile.kwh * 3.6e6 == pytest.approx(396.0)
    assert profile.points[0].duration_s == 4.0
    assert profile.source.endswith("its application alone")


def test_what_nobody_can_tell_whose_it_is_is_told_and_not_in_it() -> None:
    profile = so_far("bert", 0, DOMAINS, live({"package-0": 360.0}, {"package-0": 100.0, "dram-0": 80.0}))
    assert profile.kwh * 3.6e6 == pytest.approx(360.0)
    assert "180 J" in profile.source


def test_where_no_share_is_known_it_is_the_whole_machine_and_says_so() -> None:
    profile = so_far("bert", 0, DOMAINS, live({"package-0": 0.0}, {"package-0": 800.0, "dram-0": 80.0}))
    assert profile.kwh * 3.6e6 == pytest.approx(990.0)
    assert "idle energy too" in profile.source


@pytest.mark.parametrize(
    ("last", "told"),
    [(None, "nothing was told"), (live({}, {}, settled_ns=0), "not known yet"), (live({}, {}), "drawn nothing yet")],
)
def test_before_anything_is_known_that_is_said(last: Live | None, told: str) -> None:
    with pytest.raises(SmaragdineError, match=told):
        so_far("bert", 0, DOMAINS, last)
