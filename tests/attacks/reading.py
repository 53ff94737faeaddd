"""Every command that reads a trace, in this process, and a trace that is small enough for thousands of them."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

from smaragdine import SmaragdineError
from smaragdine.cli import main
from smaragdine.cli.ending import exit_code
from smaragdine.cli.figure import KINDS
from smaragdine.cli.terminal import tell_error
from smaragdine.figures import distribution, sunburst
from smaragdine.view import Session, build
from smaragdine.view.drawing import KINDS as PICTURES
from smaragdine.view.drawing import as_shown, draw
from testbed import synthetic_trace

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Outcome = tuple[int, str, str]


def in_process(words: list[str]) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        return main(words), out.getvalue(), err.getvalue()


def installed(words: list[str]) -> Outcome:
    """By the command itself. Raises `subprocess.TimeoutExpired` where it does not end."""
    command = [str(Path(sysconfig.get_path("scripts"), "smaragdine")), *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def command(*words: str, by: Callable[[list[str]], Outcome] = in_process) -> Callable[[Path, Path], Outcome]:
    """What a command ends with, prints or writes, and says on standard error."""

    def run(trace: Path, to: Path) -> Outcome:
        code, out, err = by([word.format(trace=trace, to=to) for word in words])
        written = sorted(to.rglob("*")) if to.is_dir() else [to]
        told = out + "".join(file.read_text() for file in written if file.is_file())
        if to.is_dir():
            shutil.rmtree(to)
        to.unlink(missing_ok=True)
        # Plotly gives each figure a name of its own.
        return code, _UUID.sub("", told) if code == 0 else "", err

    return run


# Of two traces at least.
ALIKE = "similarity"


def viewed(trace: Path, to: Path) -> Outcome:
    """What the page of a trace shows as it opens, and each of its pictures: what `view` serves until it is ended."""
    err = io.StringIO()
    try:
        session = Session.open([trace])
        edd = session.edd(session.first)
        pictures = [
            sunburst(edd),
            distribution(edd),
            *(draw(kind, session, session.first, "") for kind in PICTURES if kind != ALIKE),
        ]
        told = json.dumps([as_shown(picture) for picture in pictures]) + str(build(session).layout())
    except SmaragdineError as error:
        with contextlib.redirect_stderr(err):
            tell_error(error)
        return exit_code(error), "", err.getvalue()
    return 0, _UUID.sub("", told), ""


# The quick ones have their turn more often.
QUICK = {
    "footprint": ["footprint", "{trace}"],
    "footprint by layer": ["footprint", "{trace}", "--by", "layer", "--scope", "run", "--format", "json"],
    "ledger": ["ledger", "{trace}", "--format", "csv"],
    "perfetto": ["export", "{trace}", "--format", "perfetto", "-o", "{to}"],
    "csv": ["export", "{trace}", "--format", "csv", "-o", "{to}"],
    "power": ["figure", "{trace}", "--kind", "power", "--format", "html", "-o", "{to}"],
    "compare": ["compare", "{trace}", "{trace}"],
}
SLOW = {
    "sunburst": ["figure", "{trace}", "--kind", "sunburst", "--format", "html", "-o", "{to}"],
    "report": ["report", "{trace}", "-o", "{to}"],
    "footprint per sample": ["footprint", "{trace}", "--by", "stef", "--per", "sample", "--format", "csv"],
    "footprint as a tree": ["footprint", "{trace}", "--policy", "recency", "--format", "tree"],
    "recover": ["recover", "{trace}"],
} | {
    f"figure of {kind}": ["figure", "{trace}", "{trace}", "--kind", kind, "--format", "html", "-o", "{to}"]
    for kind in KINDS
    if kind != "ranks"  # those of a job
}
COMMANDS = {name: command(*words) for name, words in QUICK.items()}
RARELY = {name: command(*words) for name, words in SLOW.items()} | {"view": viewed}
BY_THEMSELVES = {name: command(*words, by=installed) for name, words in (QUICK | SLOW).items()}


def small(directory: Path) -> Path:
    """A trace that the daemon accounted and sealed, small enough for thousands of readers."""
    program = synthetic_trace.Program()
    x = program.op("net/embed", "GatherV2", 1.0)
    for layer in ("net/dense", "net/head"):
        x = program.dense(layer, x, 2.0)
    path = synthetic_trace.write(directory, program, steps=4, traced=(1, 2))
    for policy in ("equal", "recency"):
        assert main(["account", str(path), "--policy", policy]) == 0
    return path
