"""What attacks start from: a directory that every user may enter, and users that nobody else is."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def open_to_all(tmp_path: Path) -> Path:
    """A directory that other users may enter; those of pytest are closed to them."""
    for directory in [tmp_path, *tmp_path.parents]:
        if directory.owner() == "root" and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o011)
    return tmp_path
