"""`smaragdine.require`: whole words of models' names, and what is there is told."""

from __future__ import annotations

from typing import Any

import pytest

import smaragdine
from smaragdine.daemon.client import Description
from smaragdine.errors import UsageError, WrongHardware

EPYC = "AMD EPYC 7763 64-Core Processor"
A100 = "NVIDIA A100-SXM4-80GB"
T4 = "Tesla T4"


def here(monkeypatch: pytest.MonkeyPatch, cpu: str | None = EPYC, *gpus: str) -> None:
    described = Description("0.1.0", (), 0, "", cpu, gpus)
    monkeypatch.setattr("smaragdine.doctor.required._described", lambda: described)


@pytest.mark.parametrize(
    ("gpus", "required"),
    [
        ((), {"cpu": "EPYC"}),
        ((), {"cpu": "epyc 7763"}),
        ((), {"cpu": "EPYC 7..3"}),
        ((), {"gpus": 0}),
        ((A100,), {"gpu": "A100"}),
        ((A100, A100), {"gpu": "a100-sxm4", "gpus": 2, "cpu": "AMD"}),
        ((A100, T4), {"gpu": "A100", "gpus": 1}),
        ((A100, T4), {"gpus": 2}),
        ((A100, T4), {"gpu": "A100|T4"}),
        (("NVIDIA GeForce RTX 3090",), {"gpu": r"RTX 30\d\d"}),
    ],
)
def test_what_is_there_is_enough(monkeypatch: pytest.MonkeyPatch, gpus: tuple[str, ...], required: Any) -> None:
    here(monkeypatch, EPYC, *gpus)
    smaragdine.require(**required)


@pytest.mark.parametrize(
    ("gpus", "required", "told"),
    [
        ((), {"cpu": "Xeon"}, f"the CPU is required to be 'Xeon', and is {EPYC}"),
        ((), {"cpu": "776"}, f"the CPU is required to be '776', and is {EPYC}"),
        ((), {"gpu": "A100"}, "every GPU is required to be 'A100'; here: no GPU that NVML tells"),
        ((A100,), {"gpu": "A10"}, f"every GPU is required to be 'A10'; here: 1 × {A100}"),
        ((A100, T4), {"gpu": "A100"}, f"every GPU is required to be 'A100'; here: 1 × {A100}, 1 × {T4}"),
        ((A100, A100), {"gpu": "A100", "gpus": 4}, f"4 × 'A100' are required, and 2 are there; here: 2 × {A100}"),
        ((), {"gpus": 1}, "1 × a GPU are required, and 0 are there; here: no GPU that NVML tells"),
    ],
)
def test_the_wrong_hardware_is_refused_and_what_is_there_told(
    monkeypatch: pytest.MonkeyPatch, gpus: tuple[str, ...], required: Any, told: str
) -> None:
    here(monkeypatch, EPYC, *gpus)
    with pytest.raises(smaragdine.WrongHardware) as wrong:
        smaragdine.require(**required)
    assert (wrong.value.message, bool(wrong.value.hint)) == (told, True)


def test_a_cpu_that_nobody_names_is_not_the_one_required(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, None)
    with pytest.raises(WrongHardware, match="one that the kernel does not name"):
        smaragdine.require(cpu="EPYC")


@pytest.mark.parametrize("required", [{}, {"cpu": " "}, {"gpu": "A100("}, {"gpus": -1}, {"gpus": True}, {"gpus": 1.5}])
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, required: Any
) -> None:
    monkeypatch.setattr("smaragdine.doctor.required._described", lambda: pytest.fail("asked"))
    with pytest.raises(UsageError):
        smaragdine.require(**required)
