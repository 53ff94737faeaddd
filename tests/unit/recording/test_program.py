"""What ran is told without secrets, by git where that answers, and never at the cost of the training."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from smaragdine.daemon.messages import Git
from smaragdine.recording import program


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With one commit of one file."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / "train.py").write_text("print(1)\n")
    git(root, "init", "-q", ".")
    git(root, "add", ".")
    git(root, "-c", "user.name=me", "-c", "user.email=me@example.org", "commit", "-q", "-m", "one")
    return root


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True).stdout.strip()


def test_a_commit_is_told_with_whether_tracked_files_differ_from_it(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert program.git_of(repository) == Git(commit, dirty=False)
    (repository / "notes.txt").write_text("not tracked\n")
    assert program.git_of(repository) == Git(commit, dirty=False)
    (repository / "train.py").write_text("print(2)\n")
    assert program.git_of(repository) == Git(commit, dirty=True)


def test_where_there_is_no_repository_or_no_commit_nothing_is_told(tmp_path: Path) -> None:
    assert program.git_of(tmp_path) is None
    git(tmp_path, "init", "-q", ".")
    assert program.git_of(tmp_path) is None
    assert program.git_of(tmp_path / "nowhere") is None
    assert program.git_of(None) is None


def test_nothing_that_a_repository_brings_is_run(repository: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    hostile = tmp_path / "hostile"
    hostile.write_text(f'#!/bin/sh\necho "$0 $*" >> {ran}\ncat\n')
    hostile.chmod(0o755)
    (repository / ".git" / "hooks").mkdir(exist_ok=True)
    for hook in ("post-index-change", "pre-commit", "fsmonitor-watchman"):
        (repository / ".git" / "hooks" / hook).symlink_to(hostile)
    for name in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.external",
                 "core.pager", "core.sshCommand", "gpg.program"):  # fmt: skip
        git(repository, "config", name, str(hostile))
    (repository / ".gitattributes").write_text("* filter=evil\n")
    # Touched, so that git has to look into it.
    os.utime(repository / "train.py", (1, 1))
    found = program.git_of(repository)
    assert found is not None and len(found.commit) == 40
    assert not ran.exists(), ran.read_text()


def test_a_git_that_hangs_or_lies_costs_its_patience_and_no_more(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    for script in ("exec sleep 60", "echo not a commit", "exit 128", "head -c 100 /dev/urandom"):
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        began = time.monotonic()
        assert program.git_of(repository, patience_s=0.5) is None
        assert time.monotonic() - began < 30


def test_the_environment_s_own_git_variables_lead_nowhere_else(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert program.git_of(repository) is not None


def test_packages_are_told_by_name_and_version() -> None:
    packages = program.packages_here()
    assert packages["numpy"] == metadata.version("numpy")
    assert packages["pytest"] == metadata.version("pytest")


def test_thousands_of_packages_and_damaged_ones_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3000):
        (tmp_path / f"package_{number}-1.{number}.dist-info").mkdir()
    (tmp_path / "broken.dist-info").mkdir()
    (tmp_path / "broken.egg-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    packages = program.packages_here()
    assert len(packages) == 2000
    name = next(iter(packages))
    assert packages[name] == f"1.{name.removeprefix('package_')}"


def test_a_command_that_will_run_is_told_and_not_the_one_that_runs_it(repository: Path) -> None:
    told = program.program_of(["/nonexistent/python", str(repository / "train.py"), "--token", "S3CRET"])
    assert told.command == ("/nonexistent/python", str(repository / "train.py"), "--token", "[redacted]")
    assert told.git is not None and told.git.dirty is False
    # Which packages another interpreter has is not known here.
    assert told.packages == {}


def test_this_process_is_told_where_nothing_else_is() -> None:
    told = program.program_of(None)
    assert told.command and "numpy" in told.packages
