"""What README and docs show exists: commands with their options, make targets, links, Python names."""

import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
    + [*ROOT.glob("docs/*.md"), *ROOT.glob("experiments/**/*.md")]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shown(page: Path) -> list[str]:
    """The commands of a page: lines of its shell blocks, and code within its sentences."""
    text = page.read_text()
    blocks = [line for language, block in FENCE.findall(text) if language == "sh" for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    return [re.sub(r"\s+#.*", "", command).strip() for command in [*blocks, *spans]]


def named(program: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"(?:\S*/)?{program}(?:\s|$)")
    return [(page.name, command) for page in PAGES for command in shown(page) if pattern.match(command)]


def options(words: list[str]) -> set[str]:
    """Options of the command itself: what follows `--` is another's."""
    own = words[: words.index("--")] if "--" in words else words
    return {word.split("=")[0] for word in own if re.match(r"--?[a-z]", word)}


@functools.cache
def help_of(*command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run(
        [*command, "--help"], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert done.returncode == 0, f"{' '.join(command)} --help failed: {done.stderr}"
    return done.stdout


def knows(text: str, option: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text) is not None


SMARAGDINE = (sys.executable, "-c", "import sys; from smaragdine.cli import main; sys.exit(main())")


def names_of_tests() -> set[str]:
    """Names of all tests, of both languages."""
    python = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    rust = "".join(
        file.read_text() for part in ("src", "tests") for file in ROOT.glob(f"smaragdine-core/{part}/**/*.rs")
    )
    # Between the attribute and the function there may be further attributes.
    marked = re.findall(r"#\[(?:tokio::)?test[^\n]*\n(?:\s*#\[[^\n]*\n)*\s*(?:async )?fn (\w+)", rust)
    return {*re.findall(r"^def (test_\w+)", python, re.MULTILINE), *marked}


@pytest.mark.parametrize("page", ["reliability", "security"])
def test_every_fault_and_promise_that_is_told_has_its_test(page: str) -> None:
    rows = re.findall(r"^\|.*\| (`.*`) \|$", (ROOT / "docs" / f"{page}.md").read_text(), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert told
    assert told <= names_of_tests()


def test_every_promise_of_security_names_its_test() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    for table in re.findall(r"^\| promise \| test \|\n\|---\|---\|\n((?:\|.*\n)+)", text, re.MULTILINE):
        for row in table.splitlines():
            assert re.search(r"\| `\w+`(?:, `\w+`)* \|$", row), row


@pytest.mark.parametrize(("page", "command"), named("smaragdine"))
def test_every_command_shown_exists_with_its_options(page: str, command: str) -> None:
    words = command.split()[1:]
    if not words or words[0] in ("…", "/"):
        return
    overview = help_of(*SMARAGDINE)
    if words[0].startswith("-"):
        assert knows(overview, words[0]), f"{page}: {command}"
        return
    assert knows(overview, words[0]), f"{page}: {command}"
    text = help_of(*SMARAGDINE, words[0])
    unknown = {option for option in options(words[1:]) if not knows(text, option)}
    assert not unknown, f"{page}: {command}"


@pytest.mark.parametrize(("page", "command"), named("smaragdined"))
def test_every_daemon_command_shown_exists_with_its_options(page: str, command: str) -> None:
    words = command.split()[1:]
    if not words:
        return
    # The daemon's options are declared in one place, which needs no build to be read.
    declared = (ROOT / "smaragdine-core" / "src" / "config.rs").read_text()
    assert re.search(rf"^    {words[0].title()}\(", declared, re.MULTILINE), f"{page}: {command}"
    for option in options(words[1:]):
        assert f"{option.lstrip('-').replace('-', '_')}:" in declared, f"{page}: {command}"


@pytest.mark.parametrize(("page", "command"), named("make"))
def test_every_make_target_shown_exists(page: str, command: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {word for word in command.split()[1:] if "=" not in word and word != "…"}
    assert asked <= targets, f"{page}: {command}"


@pytest.mark.parametrize(("page", "command"), named(r"python3?"))
def test_every_script_shown_exists(page: str, command: str) -> None:
    scripts = [word for word in command.split() if word.endswith(".py") and "/" in word]
    assert all((ROOT / script).is_file() for script in scripts), f"{page}: {command}"
    for script in scripts if "-m" not in command.split() else []:
        text = (ROOT / script).read_text()
        assert all(f'"{option}"' in text for option in options(command.split())), f"{page}: {command}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(there), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_shown_is_python(page: Path) -> None:
    for language, block in FENCE.findall(page.read_text()):
        if language == "python":
            compile(block, str(page), "exec")
