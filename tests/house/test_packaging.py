"""What is shipped: one wheel for every Python, with both commands, under one version."""

import re
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
VERSION = r"\d+\.\d+\.\d+"


def found(pattern: str, path: str) -> str:
    match = re.search(pattern, (ROOT / path).read_text(), re.MULTILINE)
    assert match, f"{path} has no {pattern}"
    return match[1]


def extras() -> set[str]:
    section = PYPROJECT.split("[project.optional-dependencies]\n")[1].split("\n[")[0]
    return set(re.findall(r"^(\w+) = \[", section, re.MULTILINE))


def test_one_version_is_told_everywhere() -> None:
    version = found(rf'^version = "({VERSION})"', "Cargo.toml")
    assert found(r"^version\.workspace = (true)", "smaragdine-core/Cargo.toml")
    assert 'dynamic = ["version"]' in PYPROJECT
    assert found(rf"^version: ({VERSION})", "CITATION.cff") == version
    assert found(rf"^## \[(?:Unreleased\] – )?({VERSION})", "CHANGELOG.md") == version


def test_both_sides_speak_the_same_protocol() -> None:
    rust = found(r"PROTOCOL_VERSION: u32 = (\d+)", "smaragdine-core/src/wire.rs")
    python = [
        match[1]
        for path in (ROOT / "python" / "smaragdine").rglob("*.py")
        for match in re.finditer(r"^PROTOCOL_VERSION(?:: \w+)? = (\d+)", path.read_text(), re.MULTILINE)
    ]
    assert python == [rust]


def test_every_extra_that_a_hint_names_exists() -> None:
    texts = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *(ROOT / "python" / "smaragdine").rglob("*.py")]
    named = {extra for path in texts for extra in re.findall(r"(?:smaragdine|\.)\[(\w+)\]'", path.read_text())}
    assert named
    assert named <= extras()


def test_the_command_is_a_script_whose_interpreter_the_installer_fills_in() -> None:
    script = ROOT / "packaging" / "wheel" / "scripts" / "smaragdine"
    assert script.read_text().startswith("#!python\n")
    assert script.stat().st_mode & 0o111


def wheel() -> Path:
    wheels = sorted((ROOT / "dist").glob("smaragdine-*.whl"))
    if not wheels:
        pytest.skip("no wheel was built here; `make wheel` builds one")
    return wheels[-1]


def test_the_wheel_serves_every_python() -> None:
    assert "-py3-none-" in wheel().name


def test_the_wheel_holds_both_commands_the_stubs_and_the_licence() -> None:
    version = found(rf'^version = "({VERSION})"', "Cargo.toml")
    names = set(zipfile.ZipFile(wheel()).namelist())
    assert {
        f"smaragdine-{version}.data/scripts/smaragdine",
        f"smaragdine-{version}.data/scripts/smaragdined",
        f"smaragdine-{version}.dist-info/licenses/LICENSE",
        f"smaragdine-{version}.dist-info/licenses/NOTICE",
        "smaragdine/carbon/tables/zones.csv",
        "smaragdine/figures/maps/usa_110m.json",
        "smaragdine/figures/plotlyjs/LICENSES.txt",
        "smaragdine/figures/plotlyjs/plotly.min.js",
        "smaragdine/view/what_if/page.css",
        "smaragdine/what_if/examples/cnn.json",
        "smaragdine/__init__.py",
        "smaragdine/py.typed",
        "smaragdine/v1/accountant_pb2.py",
        "smaragdine/v1/accountant_pb2_grpc.py",
    } <= names


def test_the_wheel_holds_nothing_else() -> None:
    names = zipfile.ZipFile(wheel()).namelist()
    assert {re.split(r"[/-]", name)[0] for name in names} == {"smaragdine"}
