"""What is said first where no sensor's energy is counted: the truth, the same in every view."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smaragdine import Runs, Trace, figures
from smaragdine.accounts.domain import Domain
from smaragdine.accounts.notice import notice
from smaragdine.cli import main
from smaragdine.daemon.client import Live
from smaragdine.figures import theme
from smaragdine.report.content import Content
from smaragdine.report.page import render
from smaragdine.text.methods import methods
from smaragdine.text.notebook import page_of_edd, page_of_footprint, page_of_ledger, page_of_trace
from smaragdine.view.live import Following
from testbed import synthetic_trace
from testbed.hardware import built
from testbed.sealed import seal_trace

CASES = json.loads((Path(__file__).parents[2] / "fixtures" / "notices.json").read_text())
BECAUSE = "the application does not see this GPU: CUDA_VISIBLE_DEVICES=-1"


@pytest.mark.parametrize("case", CASES)
def test_the_notice_is_what_the_daemon_says(case: dict[str, list[list[str]]]) -> None:
    domains = [
        Domain(name, "CPU:0", counted=bool(counted), basis=basis, not_counted_because=because)
        for name, counted, basis, because in case["domains"]
    ]
    assert notice(domains) == case["notice"]


@pytest.fixture
def uncounted(tmp_path: Path) -> Trace:
    """A modelled trace in which a GPU was read, too."""
    path = synthetic_trace.write(tmp_path / "uncounted", basis="modelled")
    metadata = json.loads((path / "trace.json").read_text())
    metadata["domains"] = [domain for domain in metadata["domains"] if domain["counted"]]
    metadata["domains"].append(
        metadata["domains"][0]
        | {"name": "gpu-7", "device": "GPU:7", "basis": "measured", "source": "nvml", "scope": "gpu:7"}
        | {"counted": False, "not_counted_because": BECAUSE}
    )
    metadata["sources"].append(metadata["sources"][0] | {"name": "nvml"})
    (path / "trace.json").write_text(json.dumps(metadata))
    seal_trace(path)
    return Trace.open(path)


def test_every_view_says_that_sensors_were_read(uncounted: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    said = uncounted.notice
    assert said is not None
    assert said.startswith(f"energy sensors were read, but none of them can be counted (gpu-7: {BECAUSE}); power is ")
    for command in ("footprint", "ledger"):
        for form in ("table", "csv", "json"):
            assert main([command, str(uncounted.path), "--format", form]) == 0
            shown = capsys.readouterr().out
            assert said in shown
            assert "no energy sensor" not in shown
    runs = Runs((uncounted,))
    shown = render(Content.of(runs))
    assert html.escape(said).split("`")[0] in shown
    assert "no energy sensor" not in shown
    footprint = uncounted.footprint()
    for cell in (
        page_of_trace(uncounted),
        page_of_footprint(footprint),
        page_of_footprint(runs.footprint()),
        page_of_ledger(uncounted.ledger()),
        page_of_edd(uncounted.edd()),
    ):
        assert html.escape(said) in cell


def test_every_figure_says_so_and_has_room_for_it(uncounted: Trace) -> None:
    said, footprint, edd = uncounted.notice, uncounted.footprint(), uncounted.edd()
    for figure in (
        figures.sunburst(edd),
        figures.sunburst(edd.entrance),
        figures.distribution(edd),
        figures.ranking(footprint),
        figures.phases(uncounted),
        figures.scatter(footprint),
        figures.similarity([uncounted, uncounted]),
        figures.ledger(uncounted),
        figures.ledger(uncounted.ledger()),
        figures.power(uncounted),
        figures.steps(uncounted),
        figures.cumulative(uncounted),
    ):
        (told,) = [one.text for one in figure.layout.annotations if one.name == theme.NOTICE]
        assert html.unescape(told).replace("<br>", " ") == said
        lines = told.count("<br>") + 1
        assert figure.layout.margin.t >= 15 * lines + 30
        bare = theme.undressed(figure)["layout"]
        assert bare["margin"]["t"] < figure.layout.margin.t - 15 * lines + 15


def test_a_page_that_follows_a_recording_says_so_and_tells_what_is_not_counted(uncounted: Trace) -> None:
    following = Following(uncounted.metadata)
    following.moments.append(Live(uncounted.metadata.start_ns + 10**9, {"gpu-7": 60.0, "package-0": 5.0}, {}))
    figure = following.figure()
    (told,) = [one.text for one in figure.layout.annotations if one.name == theme.NOTICE]
    assert html.unescape(told).replace("<br>", " ") == uncounted.notice
    assert [line.name for line in figure.data] == ["gpu-7, not counted", "package-0, modelled"]
    assert "(modelled)" not in figure.layout.title.text


def test_methods_tell_what_was_modelled_from_what_was_read_beside_it(uncounted: Trace) -> None:
    told = methods(uncounted, "equal")[0]
    assert told.startswith("Power was modelled from CPU use by model (package-0")
    assert "What was read from nvml every 4.00 ms is not counted." in told


@pytest.mark.daemon
@pytest.mark.parametrize(
    ("visible", "because"),
    [
        ("MIG-7c1d55aa-1f0e-5c3b", ["MIG instances", "does not see this GPU"]),
        ("-1", ["does not see this GPU"] * 2),
        ("", ["does not see this GPU"] * 2),
    ],
)
def test_gpus_that_are_read_and_not_counted_keep_their_readings_and_reasons(
    visible: str, because: list[str], tmp_path: Path
) -> None:
    spec = tmp_path / "gpus"
    spec.write_text("gpus = 2\ngpu.0.mig = yes\ngpu.0.watts = constant:200\ngpu.1.watts = constant:50\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMARAGDINE_")} | {
        "SMARAGDINE_POWERCAP_ROOT": str(tmp_path / "none"),
        "SMARAGDINE_HWMON_ROOT": str(tmp_path / "none"),
        "SMARAGDINE_NVML_LIBRARY": str(built("fake-nvml", "libfake_nvml.so")),
        "FAKE_NVML_SPEC": str(spec),
        "CUDA_VISIBLE_DEVICES": visible,
        "TMPDIR": str(tmp_path),
    }
    smaragdine = [sys.executable, "-m", "smaragdine"]
    command = [*smaragdine, "run", "-o", str(tmp_path / "out"), "--", "sleep", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    trace = Trace.open(tmp_path / "out")
    domains = {domain.name: domain for domain in trace.metadata.domains}
    assert [domain.basis for domain in trace.metadata.counted] == ["modelled"] * len(trace.metadata.counted)
    for name, power_w, reason in zip(("gpu-0", "gpu-1"), (200, 50), because, strict=True):
        assert reason in (domains[name].not_counted_because or "")
        readings = trace.readings[name]
        # A GPU's counter moves every 20 ms: of some hundred updates, one at each end may be on either side.
        assert readings.total_j / ((readings.end_ns[-1] - readings.start_ns[0]) * 1e-9) == pytest.approx(
            power_w, rel=0.03
        )
    assert trace.notice in done.stderr
    assert "no energy sensor" not in done.stdout + done.stderr

    required = [*command[:-3], "--require-measured", *command[-3:]]
    refused = subprocess.run(required, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 3
    assert "none of them can be counted" in refused.stderr

    told = subprocess.run([*smaragdine, "doctor"], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 3
    assert "none of them can be counted" in " ".join(told.stdout.split())
    assert told.stdout.endswith("Energy cannot be measured here.\n")
