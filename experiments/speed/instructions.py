"""Counts the instructions of the core's hot loops and holds them to those that are committed, in instructions.json.

python -m experiments.speed.instructions [--renew]

Time on a shared machine differs from run to run; instructions do not, so a loop that became dearer by a few per cent is
seen. They are counted by valgrind's callgrind, on one core, in a release build for the baseline of the processor's
family. They belong to one compiler: with another one nothing is checked, and that is said. A loop that is meant to be
dearer, or has become cheaper, gets new counts by --renew, in the same commit.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COUNTS = HERE / "instructions.json"
MARGIN = 0.03
# Flags of the caller's own would make another program.
_FLAGS = ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET")
_RENEW = "python -m experiments.speed.instructions --renew"


class UnavailableError(Exception):
    """Nothing can be counted here; the message says why, and what to do."""


@dataclass(frozen=True)
class Counted:
    instructions: int
    of: int
    unit: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renew", action="store_true", help="write the counts of this tree instead of checking them")
    options = parser.parse_args()
    committed = json.loads(COUNTS.read_text(encoding="utf-8")) if COUNTS.is_file() else {}
    try:
        toolchain = {} if options.renew or not committed else chosen(committed["compiler"])
        found = counted(toolchain)
    except UnavailableError as problem:
        print(f"skipped: the instructions of hot loops are NOT checked: {problem}", file=sys.stderr)
        return 1 if options.renew else 0
    except RuntimeError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    for name, loop in found.items():
        each = f"{loop.instructions / loop.of:>10,.1f} for each of {loop.of:,} {loop.unit}"
        print(f"{name:<32} {loop.instructions:>14,} instructions, {each}")
    if options.renew:
        told = {"compiler": compiler({}), "valgrind": said("valgrind", "--version")}
        loops = {name: asdict(loop) for name, loop in found.items()}
        COUNTS.write_text(json.dumps({**told, "loops": loops}, indent=1) + "\n", encoding="utf-8")
        print(f"{COUNTS.relative_to(ROOT)} holds them")
        return 0
    problems = differences(committed.get("loops", {}), found)
    for difference in problems:
        print(f"error: {difference}", file=sys.stderr)
    if problems:
        print(f"hint: where that is meant, renew them: {_RENEW}", file=sys.stderr)
        return 1
    print(f"all within {MARGIN:.0%} of {COUNTS.relative_to(ROOT)}, by {committed['compiler']}")
    return 0


def differences(committed: Mapping[str, Mapping[str, Any]], found: Mapping[str, Counted]) -> list[str]:
    """What is beyond the margin, or of other input, or on one side alone; in words with both counts."""
    problems = []
    for name in sorted({*committed, *found}):
        if name not in found or name not in committed:
            problems.append(f"{name} is {'not committed' if name in found else 'committed and no loop any more'}")
            continue
        before, now = committed[name], found[name]
        if (before["of"], before["unit"]) != (now.of, now.unit):
            problems.append(f"{name} was counted of {before['of']:,} {before['unit']}, now of {now.of:,} {now.unit}")
            continue
        change = now.instructions / before["instructions"] - 1
        if abs(change) > MARGIN:
            told = f"{now.instructions:,} instructions, {before['instructions']:,} are committed"
            problems.append(f"{name} takes {told}: {change:+.1%}, beyond {MARGIN:.0%}")
    return problems


def chosen(pinned: str) -> dict[str, str]:
    """What to add to the environment for that compiler; raises `UnavailableError` where it is not here."""
    here = compiler({})
    if here == pinned:
        return {}
    match = re.match(r"rustc (\d+\.\d+\.\d+) ", pinned)
    by_rustup = {"RUSTUP_TOOLCHAIN": match[1], "RUSTUP_AUTO_INSTALL": "0"} if match else {}
    if by_rustup and compiler(by_rustup) == pinned:
        return by_rustup
    version = match[1] if match else pinned
    raise UnavailableError(
        f"they are counted by {pinned}, and here is {here or 'no compiler'}\n"
        f"hint: `rustup toolchain install {version}` brings it; for another one renew them: {_RENEW}"
    )


def compiler(environment: Mapping[str, str]) -> str:
    """Version, commit and host: `rustc 1.95.0 (59807616e 2026-04-14) x86_64-unknown-linux-gnu`; empty without any."""
    told = said("rustc", "--version", "--verbose", environment=environment)
    host = re.search(r"^host: (.+)$", told, re.MULTILINE)
    return f"{told.splitlines()[0]} {host[1]}" if host else ""


def counted(toolchain: Mapping[str, str]) -> dict[str, Counted]:
    """Every loop's instructions.

    Raises `UnavailableError` where there is no valgrind or cargo builds for another processor, and `RuntimeError` where
    something fails that should not.
    """
    if not said("valgrind", "--version"):
        raise UnavailableError("there is no valgrind\nhint: `sudo apt-get install valgrind`")
    environment = {name: value for name, value in os.environ.items() if name not in _FLAGS} | dict(toolchain)
    build = ["cargo", "build", "--release", "--quiet", "--locked", "--package", "speed"]
    build += ["--message-format", "json-render-diagnostics"]
    done = subprocess.run(build, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError("the loops were not built; what cargo said stands above")
    built = [json.loads(line).get("executable") for line in done.stdout.splitlines()]
    (program,) = filter(None, built)
    baseline, *loops = said(program).splitlines()
    if baseline != "baseline true":
        raise UnavailableError(
            "cargo is configured to compile for more than the processor's baseline\nhint: unset target-cpu"
        )
    return {name: count(program, name) for name in (loop.removeprefix("loop ") for loop in loops)}


def count(program: str, name: str) -> Counted:
    """Of one loop, in a process that has one core: nothing depends on how many there are."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"]
    done = subprocess.run(
        [*valgrind, "--toggle-collect=smaragdine_counted", program, name],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    collected = re.search(r"^==\d+== Collected : (\d+)$", done.stderr, re.MULTILINE)
    if done.returncode or collected is None or collected[1] == "0":
        raise RuntimeError(f"{name} was not counted:\n{done.stderr[-2000:]}")
    of, _, unit = done.stdout.strip().partition(" ")
    return Counted(int(collected[1]), int(of), unit)


def said(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """What a command prints; nothing where it fails, or is not there."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **(environment or {})}, check=False
        )
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
