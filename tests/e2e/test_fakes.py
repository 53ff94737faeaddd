"""The kit of fakes as others use it: what goes wrong is told, and machines do not meet each other."""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import testbed.hardware  # noqa: F401 - makes the kit known
from smaragdine_fakes import FakeMissingError, command, fake_gpus, nvml_library, powercap_tree
from testbed.hardware import ROOT, built

pytestmark = pytest.mark.daemon
LIBRARY = ("fake-nvml", "libfake_nvml.so")


def count(library: Path) -> int:
    told = ctypes.c_uint()
    assert ctypes.CDLL(str(library)).nvmlDeviceGetCount_v2(ctypes.byref(told)) == 0
    return told.value


def test_two_folders_of_gpus_are_two_machines_in_one_process(tmp_path: Path) -> None:
    one = fake_gpus(tmp_path / "one", "gpus = 1\n", built(*LIBRARY))
    other = fake_gpus(tmp_path / "other", "gpus = 4\n", built(*LIBRARY))
    assert (count(one.library), count(other.library)) == (1, 4)
    one.show("gpus = 2\n")
    assert (count(one.library), count(other.library)) == (2, 4)


def test_a_program_started_with_the_environment_loads_the_fake_by_the_drivers_name(tmp_path: Path) -> None:
    gpus = fake_gpus(tmp_path, "driver = 1.2.3\n", built(*LIBRARY))
    code = "import ctypes; t = ctypes.create_string_buffer(80); l = ctypes.CDLL('libnvidia-ml.so.1')\n"
    code += "print(l.nvmlSystemGetDriverVersion(t, 80), t.value.decode())"
    environment = {**os.environ, **gpus.environment}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1.2.3"]


def test_an_option_that_is_none_is_an_error_and_nothing_is_left_running(tmp_path: Path) -> None:
    program = built("fake-powercap", "fake-powercap")
    with pytest.raises(ValueError, match="--sokets"), powercap_tree(tmp_path, "--sokets", "2", program=program):
        pass


def test_sensors_that_are_none_are_an_error_that_names_those_that_there_are(tmp_path: Path) -> None:
    line = [str(built("fake-sensors", "fake-sensors")), "--root", str(tmp_path / "none")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing to lay out" in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_folder_without_the_commands_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARAGDINE_FAKES_DIR", str(tmp_path))
    for missing, ask in (("fake-proc", lambda: command("fake-proc")), ("libfake_nvml.so", nvml_library)):
        with pytest.raises(FakeMissingError, match=f"there is no {tmp_path}/{missing}\nhint: .*pip install"):
            ask()


def test_a_register_that_is_none_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    program = built("fake-powercap", "fake-powercap")
    with powercap_tree(tmp_path, "--dram", "none", program=program) as tree:
        assert tree.truth.registers == ["intel-rapl:0"]
        with pytest.raises(KeyError, match="no register intel-rapl:7; there are intel-rapl:0"):
            tree.truth.energy_j("intel-rapl:7", 0, 1)


def test_the_commands_go_on_without_standard_input_unless_told_otherwise(tmp_path: Path) -> None:
    for fake, options in (("fake-powercap", []), ("fake-sensors", ["--amd", "constant:9"]), ("fake-proc", [])):
        line = [str(built(fake, fake)), "--root", str(tmp_path / fake), *options]
        with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as alone:
            try:
                assert alone.stdout is not None
                assert alone.stdout.readline()
                with pytest.raises(subprocess.TimeoutExpired):
                    alone.wait(timeout=0.3)
            finally:
                alone.kill()
        done = subprocess.run([*line, "--until-stdin-closes"], stdin=subprocess.DEVNULL, check=False, timeout=30)
        assert done.returncode == 0


def test_the_readme_has_every_key_of_the_specification_and_no_other() -> None:
    source = "".join(path.read_text() for path in (ROOT / "tests/fakes/nvml/src").glob("*.rs"))
    asked = re.compile(r'\.(?:find|text|number|is|list|waveform)(?:::<[\w<>]+>)?\(\s*"(\w+)"')
    keys = set(asked.findall(source)) | set(re.findall(r'infos\(spec, "(\w+)"\)', source))
    table = (ROOT / "tests/fakes/README.md").read_text().split("Keys of the machine")[1].split("## sensors")[0]
    rows = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    assert keys <= {key for row in rows for key in re.findall(r"`(\w+)`", row)}
