"""Arguments that make no sense are refused in words, with exit code 2, before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from smaragdine.cli import main
from testbed import synthetic_trace

PERIODS = ["-4ms", "0ms", "0s", "4", "", "ms", "1h", "11s", "499us", "nan", "infs", "9" * 400 + "s", "4ms; rm", "٤ms"]
NUMBERS = ["0", "-1", "1.5", "nan", "", "one", "9" * 5000]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(synthetic_trace.write(tmp_path_factory.mktemp("traces") / "one", speed=1.0))


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said; argparse ends by itself."""
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(str(ended.code))
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("period", PERIODS)
def test_a_period_that_makes_no_sense_starts_nothing(
    tmp_path: Path, period: str, capsys: pytest.CaptureFixture[str]
) -> None:
    touched = tmp_path / "touched"
    assert "period" in refused(
        "run", "-o", str(tmp_path / "out"), f"--period={period}", "--", "touch", str(touched), capsys=capsys
    )
    assert not touched.exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", ["-1", "65536", "99999999999999999999", "http", "", "1.5", "٨٠٨٠", "0x50"])
def test_a_port_that_is_none_is_refused(trace: str, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--port" in refused("view", trace, f"--port={number}", capsys=capsys)


@pytest.mark.parametrize("number", NUMBERS)
def test_counts_that_count_nothing_are_refused(trace: str, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--top" in refused("footprint", trace, f"--top={number}", capsys=capsys)
    assert "--top" in refused("compare", trace, trace, f"--top={number}", capsys=capsys)
    figure = ("figure", trace, "--kind", "tef", "-o", "/nonexistent/f.html")
    assert "--top" in refused(*figure, f"--top={number}", capsys=capsys)
    assert "--depth" in refused("footprint", trace, f"--depth={number}", capsys=capsys)


@pytest.mark.parametrize("amount", ["-1", "nan", "inf", "-inf", "1e999", "many", ""])
def test_an_intensity_that_is_no_amount_is_refused(trace: str, amount: str, capsys: pytest.CaptureFixture[str]) -> None:
    figure = ("figure", trace, "--kind", "sunburst", "--scale", "carbon", "-o", "/nonexistent/f.html")
    assert "--g-per-kwh" in refused(*figure, f"--g-per-kwh={amount}", capsys=capsys)
