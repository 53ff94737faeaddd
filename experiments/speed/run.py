"""Runs the benches and what they are compared to, writes results.json, and makes README.md of it.

python -m experiments.speed.run [--only BENCH,…] [--render]

About fifteen minutes, and nothing else should run meanwhile: what others took is told beside each bench. What cannot be
measured here says so on the page.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from experiments.speed import joined, machine, page, parsed, published, recorded
from experiments.speed.number import Number, handed_over

HERE = Path(__file__).resolve().parent
README, RESULTS = HERE / "README.md", HERE / "results.json"
_FIXTURES = machine.ROOT / "tests" / "fixtures" / "tensorflow" / "2.21"
_SMALL = tuple(_FIXTURES / name for name in ("keras.xplane.pb", "xla.xplane.pb"))

# What is measured beside a bench in Python, of what the bench handed over and left in its folder.
Comparison = Callable[[list[Number], Path], Iterator[Number]]


def by_publication(_numbers: list[Number], _folder: Path) -> Iterator[Number]:
    for lanes in published.OVERLAPS:
        yield Number(f"{published.NAME}, overlap {lanes}", published.rate(lanes), "M events/s")


def by_duckdb(_numbers: list[Number], folder: Path) -> Iterator[Number]:
    (trace,) = (file.parent for file in folder.glob("*/events.parquet"))
    yield Number(joined.NAME, joined.events(trace) / joined.timed(trace) * 1e-6, "M events/s")


def by_python(_numbers: list[Number], _folder: Path) -> Iterator[Number]:
    (told,) = parsed_by_python(_SMALL[0])
    yield Number(parsed.NAME, told["events"] / told["seconds"] * 1e-6, "M events/s")


def by_python_each(numbers: list[Number], folder: Path) -> Iterator[Number]:
    """Of the events that a profile's footprint is of: parsing alone, which keeps all and names none."""
    kept = {number.name.removesuffix(": events kept"): number.value for number in numbers if number.unit == "events"}
    for told in parsed_by_python(*_SMALL, *sorted(folder.glob("*.xplane.pb"))):
        rate = (kept[told["file"]] or 0) / told["seconds"] * 1e-6
        yield Number(f"{told['file']}: {parsed.NAME}", rate, "M kept events/s")


def parsed_by_python(*files: Path) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(_called("experiments.speed.parsed", *map(str, files)).splitlines()[-1])
    return told


def no_comparison(_numbers: list[Number], _folder: Path) -> Iterator[Number]:
    return iter(())


COMPARISONS: dict[str, Comparison] = {
    "alignment": by_publication,
    "accounting": by_duckdb,
    "xplane": by_python,
    "end_to_end": by_python_each,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(page.BENCHES), help="of: %(default)s")
    parser.add_argument("--render", action="store_true", help="measure nothing: make README.md of results.json")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := [name for name in chosen if name not in page.BENCHES]:
        parser.error(f"there is no {', '.join(unknown)}; choose of {', '.join(page.BENCHES)}")
    results = known() if options.render else begun(known())
    if not options.render:
        # A machine that compiles is not one to measure on.
        built = subprocess.run(
            ["cargo", "bench", "--package", "smaragdine-core", "--bench", "*", "--no-run"],
            cwd=machine.ROOT,
            check=False,
        )
        if built.returncode:
            print("error: the benches were not built; what cargo said stands above", file=sys.stderr)
            return 1
        for name in chosen:
            print(f"== {name}", flush=True)
            results["benches"][name] = measured(name)
            written(results)
    README.write_text(page.rendered(results), encoding="utf-8")
    problems = [f"{name}: {problem}" for name in chosen for problem in _problems(results, name)]
    print("\n".join([f"{README.relative_to(machine.ROOT)} is made of {RESULTS.name}", *problems]))
    return 0


def known() -> dict[str, Any]:
    results: dict[str, Any] = {"benches": {}}
    if RESULTS.is_file():
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    return results


def begun(before: dict[str, Any]) -> dict[str, Any]:
    """Results of this machine: what was measured by another one, or by another compiler, is not kept beside them."""
    here, software = machine.machine(), machine.software()
    same = before.get("machine") == here and before.get("software", {}).get("rustc") == software["rustc"]
    return {"machine": here, "software": software, "benches": before["benches"] if same else {}}


def written(results: dict[str, Any]) -> None:
    order = {name: results["benches"][name] for name in page.BENCHES if name in results["benches"]}
    text = json.dumps({**results, "benches": order}, indent=1, ensure_ascii=False)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def measured(name: str) -> dict[str, Any]:
    """What a bench and its comparison came to; whatever failed is among `problems`, and loses nothing else."""
    told: dict[str, Any] = {"commit": machine.commit()}
    numbers: list[Number] = []
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="smaragdine-speed-") as directory:
        folder, handed = Path(directory), Path(directory) / "numbers.jsonl"
        arguments = _arguments(name, folder, problems)
        with machine.watched(told):
            command = ["cargo", "bench", "--package", "smaragdine-core", "--bench", name, "--", *arguments]
            environment = {**os.environ, "SMARAGDINE_NUMBERS": str(handed)}
            done = subprocess.run(command, cwd=machine.ROOT, env=environment, check=False)
            if done.returncode:
                problems.append(f"what was to come when the bench ended with {done.returncode}")
            try:
                numbers += handed_over(handed, name)
                for number in COMPARISONS.get(name, no_comparison)(list(numbers), folder):
                    numbers.append(number)
            except Exception as error:  # noqa: BLE001  what fails here loses no other bench's numbers
                problems.append(f"what it is compared to: {_first_line(error)}")
    return {**told, "problems": problems, "numbers": [number.json() for number in numbers]}


def _arguments(name: str, folder: Path, problems: list[str]) -> list[str]:
    """What a bench is given; profiles of larger trainings are recorded before it is watched."""
    if name == "accounting":
        return ["--dir", str(folder), "--keep"]
    if name == "end_to_end":
        try:
            _called("experiments.speed.recorded", str(folder), *recorded.MODELS)
        except RuntimeError as error:
            problems.append(f"profiles of larger trainings: {_first_line(error)}")
        return [str(file) for file in sorted(folder.glob("*.xplane.pb"))]
    return []


def _called(module: str, *arguments: str) -> str:
    """What a program of this folder prints; this process loads no TensorFlow. Raises `RuntimeError` where it fails."""
    command = [sys.executable, "-m", module, *arguments]
    path = os.pathsep.join([str(machine.ROOT), str(machine.ROOT / "python")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=machine.ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(said[-1])
    return done.stdout


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _problems(results: dict[str, Any], name: str) -> list[str]:
    problems: list[str] = results["benches"].get(name, {}).get("problems", [])
    return problems


if __name__ == "__main__":
    sys.exit(main())
