"""Tests and experiments know nothing of each other; what both need to make a trace is in `testbed`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(file: Path) -> Iterator[str]:
    """Every module that a file names, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def own(folder: str) -> set[str]:
    """Names under which a folder's files could be imported as they are, those of its `support` among them."""
    return {folder, *(file.stem for file in (ROOT / folder / "support").glob("*.py"))}


@pytest.mark.parametrize(
    ("folder", "others"),
    [
        ("tests", {"experiments"}),
        ("experiments", own("tests")),
        ("testbed", {"experiments"} | own("tests")),
        ("python/smaragdine", {"experiments", "testbed"} | own("tests")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_folder_imports_nothing_of_the_others(folder: str, others: set[str]) -> None:
    found = {
        f"{file.relative_to(ROOT)} imports {module}"
        for file in files(folder)
        for module in imported(file)
        if module.split(".")[0] in others
    }
    assert found == set()


def test_no_directory_of_programs_is_taken_for_a_framework() -> None:
    # Where a folder `torch` is beside a file that runs, `import torch` finds it in an environment that has no PyTorch,
    # and others (SciPy, for one) take it for the library.
    frameworks = {"jax", "torch", "tensorflow", "keras", "flax", "haiku", "equinox", "transformers", "lightning"}
    folders = {file.parent for where in ("tests", "experiments", "testbed", "packaging") for file in files(where)}
    taken = [folder for folder in sorted(folders) if folder.name in frameworks and any(folder.parent.glob("*.py"))]
    assert [str(folder.relative_to(ROOT)) for folder in taken] == []
