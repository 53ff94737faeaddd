"""The page of what was measured: README.md, of nothing but results.json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from experiments.speed.number import Number

Results = dict[str, Any]

# In the order of the page, with what each is about.
BENCHES = {
    "sampling": "What sampling four registers costs, and how well it keeps time. The floor wakes at the same deadlines "
    "and has the kernel read the same open registers, and does nothing else; waking alone reads nothing. The naive "
    "loop sleeps, opens, reads and parses.",
    "station": "What many recordings at once cost beside one, four registers at 4 ms.",
    "monitor": "What telling a site's monitoring costs: scrapes and OTLP once a second, four registers.",
    "alignment": "Events of 10 µs to 1 ms of a thousand operations, aligned with readings every 4 ms, on one core. "
    "Overlap is the number of lanes, each of them busy.",
    "accounting": "`smaragdined account` from files to files on all cores, four lanes on two devices with three "
    "domains; its parts in one process. DuckDB's answer is held to the same joules of each operation, and writes no "
    "table.",
    "xplane": "TensorFlow's profiles: bytes → leaf events, and their names, by all events that a profile holds.",
    "kineto": "PyTorch's profiles: text → leaf events under their names, by all events that a profile holds.",
    "end_to_end": "XSpace bytes → footprint rows on the disk, by stage, on one core: recorded profiles of a small "
    "Keras model, and those that TensorFlow wrote for the occasion of the demo's BERT and of MobileNetV2.",
}
# Of a core: what else runs beside a bench without being worth a word.
QUIET_CORES = 0.1
NOT_MEASURED = "not measured"

_HEAD = """\
# How fast it is

Every number here comes from one call, on the machine that is named; [results.json](results.json) holds them, and this
page is made of nothing else. None is asserted by a test: they belong to their machine, and a virtual one's differ from
minute to minute by a tenth and more.

```sh
make bench
.venv/bin/python -m experiments.speed.run --only alignment,accounting
.venv/bin/python -m experiments.speed.run --render
```

[run.py](run.py) runs the benches of `smaragdine-core/benches`, and what they are compared to: the published
implementation's algorithm ([published.py](published.py): its sweep alone), a sort of the same boundaries, Python
parsing the same profile ([parsed.py](parsed.py)), DuckDB doing the same join ([joined.py](joined.py)). What is measured
anew replaces what was there; the rest is kept where machine and compiler are the same. Goals stand in the benches.
"""


def rendered(results: Results) -> str:
    """The whole page, in Markdown."""
    benches = {name: results["benches"].get(name) for name in BENCHES}
    parts = [_HEAD, "\n".join(_measured_on(results)), "\n".join(_goals(benches))]
    parts += ["\n".join(_section(name, bench)) for name, bench in benches.items()]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def shown(value: float | None, unit: str) -> str:
    if value is None:
        return NOT_MEASURED
    return f"{figures(value)} {unit}"


def figures(value: float) -> str:
    """Three of them, one behind the point of hundreds, and all of thousands."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    # Without an exponent, which nobody reads in a table.
    return f"{float(f'{value:.{4 if abs(value) >= 100 else 3}g}'):.10f}".rstrip("0").rstrip(".")


def _measured_on(results: Results) -> Iterator[str]:
    machine, software = results["machine"], results["software"]
    what = "a virtual machine, " if machine["virtual"] else ""
    yield (
        f"Measured on {what}{machine['cores']} × {machine['cpu']}, {machine['memory_gib']} GiB, {machine['kernel']}; "
        + ", ".join(f"{name} {version}" for name, version in software.items())
        + "."
    )


def _goals(benches: dict[str, Any]) -> Iterator[str]:
    numbers = [(name, number) for name, bench in benches.items() for number in _numbers(bench)]
    told = [(name, number) for name, number in numbers if number.met is not None]
    met = sum(1 for _, number in told if number.met)
    missed = [
        f"{name}, {number.name} ({shown(number.value, number.unit)}, goal {goal(number)})"
        for name, number in told
        if not number.met
    ]
    yield f"**{met} of {len(told)} goals are met.**" + (" Missed:" if missed else "")
    yield from (f"{'' if place else chr(10)}- {line}" for place, line in enumerate(missed))
    if absent := [name for name, bench in benches.items() if not _numbers(bench)]:
        yield f"\n{NOT_MEASURED.capitalize()}: {', '.join(absent)}."


def goal(number: Number) -> str:
    if number.at_least is not None:
        return f"≥ {figures(number.at_least)}"
    return "" if number.at_most is None else f"≤ {figures(number.at_most)}"


def _section(name: str, bench: Any) -> Iterator[str]:
    yield f"## {name}"
    yield f"\n{BENCHES[name]}\n"
    if bench is None:
        yield f"{NOT_MEASURED.capitalize()}."
        return
    yield _when(bench) + "\n"
    yield from (f"{NOT_MEASURED.capitalize()}: {problem}\n" for problem in bench.get("problems", ()))
    numbers = _numbers(bench)
    if not numbers:
        return
    values = {number.name: number for number in numbers}
    yield "| what | here | goal | compared to |"
    yield "|---|---|---|---|"
    for number in numbers:
        verdict = {None: "", True: ", met", False: ", **missed**"}[number.met]
        compared = "; ".join(_compared(number, other, values.get(other)) for other in number.compared_to)
        cells = (number.name, shown(number.value, number.unit), goal(number) + verdict, compared)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _when(bench: Any) -> str:
    others, stolen = bench["others_cores"], bench["stolen_cores"]
    load = f"others took {figures(others)} of a core meanwhile"
    if others > QUIET_CORES or bench["load_average_before"] > 1:
        load = (
            f"**the load was not controlled**: {load}, load average before it {figures(bench['load_average_before'])}"
        )
    if stolen > QUIET_CORES:
        load += f", and other guests of the host {figures(stolen)}"
    return f"{bench['date']}, commit {bench['commit']}; {load}."


def _compared(number: Number, name: str, other: Number | None) -> str:
    short = shortened(name, number.name)
    if other is None or not other.value:
        return f"{short}: {NOT_MEASURED}"
    told = f"{short}: {shown(other.value, other.unit)}"
    return told if number.value is None else f"{told} (× {figures(number.value / other.value)})"


def shortened(name: str, beside: str) -> str:
    """Without what it shares with the name that it stands beside: a file at the front, what is alike at the end."""
    file = name.partition(": ")[0] + ": "
    if beside.startswith(file):
        name, beside = name.removeprefix(file), beside.removeprefix(file)
    ends = [name[place:] for place in range(len(name)) if name.startswith((", ", " at ", ": "), place)]
    return name.removesuffix(next((end for end in ends if beside.endswith(end)), ""))


def _numbers(bench: Any) -> list[Number]:
    return [Number.parse(row) for row in bench["numbers"]] if bench else []
