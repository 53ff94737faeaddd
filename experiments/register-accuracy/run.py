"""Prints how far each tool's energy is from the truth, with and without faults, and what it cost.

Every tool measures the same registers at constant power: a powercap tree of 100 W and 10 W that moves a thousand times
a second, mounted over /sys in a mount namespace of its own, so that unmodified tools read it. The truth is that power
times the tool's own window: the time that it reports, or that between its calls, whichever makes its error smaller.

    .venv/bin/python experiments/register-accuracy/run.py

Needs root, for the namespace. Peers are those of requirements.txt in an environment of their own (`--peers`); one that
is not there is left out. About half an hour; `--tools smaragdine` takes four minutes, `--what faults` half of either.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tools import TRACE

from smaragdine import Trace

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TOOLS = ("nothing", "smaragdine", "smaragdine-1s", "pyjoules", "zeus", "codecarbon", "perun", "carbontracker")
OURS = ("nothing", "smaragdine", "smaragdine-1s")
# How old the tree is when a window begins: every tool has set up by then.
AGE_S = 12.0
# That of a Xeon's registers.
RANGE_UJ = 262_143_328_850
PACKAGE_UW = 100_000_000
ZONE = "intel-rapl:0"
# Far from 0 and from the range: what jumps shows neither.
FAR_UJ = 20_000_000_000
OUTAGE_S = 1.2
# As an AMD processor was seen to jump, and more than any.
JUMP_J = 702
IMPOSSIBLE_J = 100_000
STALL_S = 1.5

# The links of the class lead to the devices by relative paths, so both are mounted where the kernel has them.
MOUNTS = """
mount -t tmpfs none /sys/class && mkdir /sys/class/powercap && mount --bind "$1/class/powercap" /sys/class/powercap &&
mount -t tmpfs none /sys/devices/virtual && mkdir /sys/devices/virtual/powercap &&
mount --bind "$1/devices/virtual/powercap" /sys/devices/virtual/powercap && shift && exec "$@"
"""


@dataclass(frozen=True)
class Scenario:
    name: str
    options: tuple[str, ...] = ()
    # When the tool and all that it started stand still, by the tree's age.
    stalled_from_s: float | None = None


def scenarios(seconds: float) -> dict[str, list[Scenario]]:
    """What happens to registers, and what they show that cannot be."""
    middle_s = AGE_S + seconds / 2
    wrap = ("--initial", str(round(RANGE_UJ - PACKAGE_UW * middle_s)))
    far = ("--initial", str(FAR_UJ))

    def fault(kind: str, *more: float) -> tuple[str, ...]:
        return ("--fault", ":".join(map(str, (kind, ZONE, middle_s, OUTAGE_S, *more))))

    reload = (*fault("vanish"), "--fault", f"reset:{ZONE}:{middle_s + OUTAGE_S}")
    return {
        "faults": [
            Scenario("no fault"),
            Scenario("wrap", wrap),
            Scenario("wrap in a stall", wrap, stalled_from_s=middle_s - STALL_S / 2),
            Scenario("reads fail", fault("fail")),
            Scenario("driver reload", reload),
        ],
        "lies": [
            Scenario("jump up and back", (*far, *fault("jump", JUMP_J))),
            Scenario("jump down and back", (*far, *fault("jump", -JUMP_J))),
            Scenario("impossible value", (*far, *fault("jump", IMPOSSIBLE_J))),
            Scenario("shows 0", (*far, *fault("zero"))),
            Scenario("stands from the middle", (*far, "--fault", f"freeze:{ZONE}:{middle_s}:1000")),
            Scenario("stands throughout", (*far, "--fault", f"freeze:{ZONE}:0:1000")),
        ],
    }


def main() -> None:
    options = parse()
    if problem := forbidden():
        print(f"skipped: a private mount namespace needs root: {problem}")
        return
    peers = options.peers if options.peers.is_file() else None
    if peers is None:
        print(f"skipped: no peers, for there is no {options.peers}; `make register-accuracy` brings them", flush=True)
    tools = [tool for tool in options.tools.split(",") if peers is not None or tool in OURS]
    for name in options.what.split(","):
        rows = []
        for tool in tools:
            python = sys.executable if tool in OURS else str(peers)
            cells = [measure(tool, python, scenario, options.seconds) for scenario in scenarios(options.seconds)[name]]
            rows.append((tool, cells))
            print(f"{tool}: " + "; ".join(describe(cell) for cell in cells), file=sys.stderr, flush=True)
        print(table(rows, costs=name == "faults"), end="\n\n", flush=True)


def forbidden() -> str:
    """Why nothing can be mounted here; empty where it can."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/sys/class"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else ""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How far recorded energy is from the truth, with and without faults.")
    parser.add_argument("--tools", default=",".join(TOOLS), help="apart by commas; all by default")
    parser.add_argument("--what", default="faults,lies", help="of faults and lies, apart by commas; both by default")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a window (8)")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers" / "bin" / "python", help="their interpreter")
    return parser.parse_args()


@dataclass(frozen=True)
class Cell:
    scenario: str
    # Relative to the truth; None where the tool failed, or told that it knows nothing.
    error: float | None
    gap_s: float
    problem: str
    cpu_s: float
    # Setting up before the window and finishing after it.
    around_s: float


def measure(tool: str, python: str, scenario: Scenario, seconds: float) -> Cell:
    with moving_tree(scenario.options) as (tree, start_ns):
        command = ["unshare", "--mount", "sh", "-c", MOUNTS, "sh", str(tree), python]
        command += [str(HERE / "cell.py"), tool, str(start_ns + round(AGE_S * 1e9)), str(seconds)]
        environment = {**os.environ, "HOME": str(tree), "SMARAGDINE_HWMON_ROOT": str(tree / "none")}
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=tree)
            if scenario.stalled_from_s is not None:
                at_ns = start_ns + round(scenario.stalled_from_s * 1e9)
                threading.Thread(target=stall, args=(process.pid, at_ns), daemon=True).start()
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
            output.seek(0)
            text = output.read().decode(errors="replace")
        traced = known(tree / TRACE) if (tree / TRACE).is_dir() else None
    cpu_s = usage.ru_utime + usage.ru_stime
    try:
        found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    except (IndexError, ValueError):
        found = {"failed": text.strip()[-200:] or "it said nothing"}
    told = found.get("told")
    if told is None or found["late_s"] > 0:
        problem = found.get("failed") or f"it took {found['late_s']:.1f} s too long to set up"
        return Cell(scenario.name, None, 0.0, problem, cpu_s, found.get("around_s", 0.0))
    energy_j, *windows_s, gap_s = traced or (told["energy_j"], told["seconds"], found["inside_s"], 0.0)
    # A tool may report another time than it measured; it is held to the window that suits it best.
    if traced and not windows_s[0]:
        return Cell(scenario.name, None, gap_s, "", cpu_s, found["around_s"])
    errors = [energy_j / (told["watts"] * seconds) - 1 for seconds in windows_s if seconds]
    return Cell(scenario.name, min(errors, key=abs, default=None), gap_s, "", cpu_s, found["around_s"])


def known(trace: Path) -> tuple[float, float, float]:
    """Joules of the package that a trace knows, the seconds over which it does, and those of its gaps."""
    readings = Trace.open(trace).readings["package-0"]
    seconds = (readings.end_ns - readings.start_ns) * 1e-9
    certain = ~readings.gap
    return readings.energy_j[certain].sum(), seconds[certain].sum(), seconds[~certain].sum()


@contextmanager
def moving_tree(options: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    """A tree in memory that moves until the block ends, and when its waveforms began."""
    root = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="register-accuracy-"))
    command = [str(fake()), "--root", str(root), "--until-stdin-closes", "--range", str(RANGE_UJ), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        truth = Path(json.loads(process.stdout.readline())["truth"])
        try:
            with truth.open() as rows:
                start_ns = int(json.loads(rows.readline())["monotonic_ns"])
            yield root, start_ns
        finally:
            process.stdin.close()
            process.wait()
            shutil.rmtree(root)


@cache
def fake() -> Path:
    """The fake powercap tree's program, built if need be."""
    command = ["cargo", "build", "--quiet", "--message-format=json", "--package", "fake-powercap"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    files = [Path(name) for line in done.stdout.splitlines() for name in json.loads(line).get("filenames", [])]
    return next(path for path in files if path.name == "fake-powercap")


def stall(pid: int, at_ns: int) -> None:
    """Stops a process and all its descendants for a while."""
    time.sleep(max(0.0, (at_ns - time.monotonic_ns()) * 1e-9))
    stopped = descendants(pid)
    for one in stopped:
        os.kill(one, signal.SIGSTOP)
    time.sleep(STALL_S)
    for one in stopped:
        os.kill(one, signal.SIGCONT)


def descendants(pid: int) -> list[int]:
    parents = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(directory.name)] = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def describe(cell: Cell) -> str:
    return f"{cell.scenario}: {cell.problem or shown_of(cell)}"


def percent(error: float) -> str:
    return f"{100 * error:+.2f} %" if abs(error) >= 5e-4 else f"{100 * error:+.3f} %"


def table(rows: list[tuple[str, list[Cell]]], costs: bool) -> str:
    names = [cell.scenario for cell in rows[0][1]] + ["worst"] + (["CPU-s", "wall s"] if costs else [])
    lines = [f"| tool | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
    for tool, cells in rows:
        errors = [cell.error for cell in cells]
        known = [abs(error) for error in errors if error is not None]
        worst = "fails" if any(cell.problem for cell in cells) else f"{100 * max(known, default=0.0):.3g} %"
        shown = [shown_of(cell) for cell in cells]
        if tool == "nothing":
            worst, shown = "–", ["–"] * len(cells)
        spent = [f"{min(cell.cpu_s for cell in cells):.2f}", f"{min(cell.around_s for cell in cells):.1f}"]
        lines.append(f"| {' | '.join([tool, *shown, worst, *(spent if costs else [])])} |")
    return "\n".join(lines)


def shown_of(cell: Cell) -> str:
    if cell.problem:
        return "fails"
    if cell.error is None:
        return f"all a gap ({cell.gap_s:.2g} s)"
    return percent(cell.error) + (f" ({cell.gap_s:.2g} s gap)" if cell.gap_s else "")


if __name__ == "__main__":
    main()
