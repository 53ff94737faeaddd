"""What was found on a GPU, as text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Results = dict[str, Any]
TRAININGS = ("torch", "torch, every step", "jax")


def report(results: Results) -> str:
    """All parts that were done, and why the others were not."""
    machine = results.get("machine", {})
    lines = [
        f"{machine.get('gpu') or 'no GPU'}, driver {machine.get('driver')}, PyTorch {machine.get('torch')}, "
        f"JAX {machine.get('jax')}, {results.get('when')}"
    ]
    for title, make in (
        ("registers", _registers),
        *((name, _training) for name in TRAININGS),
        ("replay", _replay),
        ("cost", _cost),
    ):
        part = results.get(title)
        if part is None:
            continue
        lines += ["", f"## {title}"]
        if "failed" in part:
            lines.append(f"failed: {part['failed']}: {(part.get('said') or '').strip()[-300:]}")
            continue
        lines += make(part)
    return "\n".join(lines)


def error(row: dict[str, Any], policy: str) -> float | None:
    """How far what the trace says of a call is from what it took when it was replayed, as a part of the latter."""
    told, truth = row.get("in_situ", {}).get(policy), row.get("replayed", {}).get("j")
    return told["j"] / truth - 1 if told and truth else None


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns in Markdown, the first to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])]
        return f"| {' | '.join(padded)} |"

    rule = f"|{'|'.join(['---', *['---:'] * (len(widths) - 1)])}|"
    return [line(rows[0]), rule, *map(line, rows[1:])]


def _registers(part: Results) -> list[str]:
    rows = [["register", "moves every", "5 … 95 %", "longest", "a call", "late by", "mean of", "unexplained"]]
    for when in ("at rest", "at work"):
        for name, found in (part.get(when) or {}).items():
            if not found:
                continue
            moved, late = found.get("updates") or {}, found.get("lateness") or {}
            lag, off = _number(_times(late.get("lag_s")), "{:.0f}"), _number(_times(late.get("error_s")), "{:.0f} ms")
            rows.append(
                [
                    f"{name}, {when}",
                    _number(moved.get("p50_ms"), "{:.1f} ms"),
                    f"{_number(moved.get('p5_ms'), '{:.1f}')} … {_number(moved.get('p95_ms'), '{:.1f}')}",
                    _number(moved.get("longest_ms"), "{:.0f} ms"),
                    _number(found.get("call_us"), "{:.0f} µs"),
                    f"{lag} ± {off}",
                    _number(_times(late.get("width_s")), "{:.0f} ms"),
                    _number(late.get("unexplained"), "{:.1%}"),
                ]
            )
    lines = aligned(rows)
    if buffer := part.get("samples of the driver's buffer"):
        lines.append(f"driver's buffer: {buffer}")
    return lines


def _training(part: Results) -> list[str]:
    untraced, traced = _number(part["step_ms"], "{:.2f} ms"), _number(part["traced_step_ms"], "{:.2f} ms")
    lines = [
        f"{part['steps']} steps of {untraced}, {part['traced_steps']} traced, of {traced}",
        f"the ledger closes to {_number(part['ledger_closes_to'], '{:.1e}')}",
    ]
    for domain, entries in part["ledger_j"].items():
        lines.append(f"{domain}: " + ", ".join(f"{name} {joules:.2f} J" for name, joules in entries.items() if joules))
    if part["passes"]:
        rows = [["device, pass", "time", "energy"]]
        rows += [
            [
                f"{row['device']} {row['phase']}",
                _number(row["time_s"], "{:.3f} s"),
                _number(row["energy_j"], "{:.2f} J"),
            ]
            for row in part["passes"]
        ]
        lines += aligned(rows)
    lines += [f"{row['device']} {row['layer']}: {row['time_s']:.4f} s" for row in part["without_layer"]]
    return lines + [f"warning: {text}" for text in part["warnings"] or ()]


def _replay(part: Results) -> list[str]:
    rows = [["operation", "calls a step", "time", "replayed", "equal", "error", "deconvolved", "interval", "error"]]
    for row in part["rows"]:
        equal, solved = (row["in_situ"].get(policy) or {} for policy in ("equal", "deconvolved"))
        again = row.get("replayed") or {}
        low, high = _number(_milli(solved.get("low_j")), "{:.2f}"), _number(_milli(solved.get("high_j")), "{:.2f}")
        rows.append(
            [
                row["operation"],
                str(row["calls_a_step"]),
                f"{_number(_times(equal.get('s')), '{:.3f}')} / {_number(_times(again.get('s')), '{:.3f} ms')}",
                _number(_milli(again.get("j")), "{:.2f} mJ") if "failed" not in row else "failed",
                _number(_milli(equal.get("j")), "{:.2f} mJ"),
                _number(error(row, "equal"), "{:+.0%}"),
                _number(_milli(solved.get("j")), "{:.2f} mJ"),
                f"{low} … {high}",
                _number(error(row, "deconvolved"), "{:+.0%}"),
            ]
        )
    lines = aligned(rows)
    lines.append(f"at rest {_number(part['idle_w'], '{:.0f} W')}; deconvolution: {part['deconvolution']}")
    return lines


def _cost(part: Results) -> list[str]:
    return [
        f"with ÷ without: {part['ratio']:.4f}, 95 % interval {part['low']:.4f} … {part['high']:.4f}, over "
        f"{part['pairs']} pairs of blocks of {part['steps_a_block']} steps of {part['step_ms']:.2f} ms; "
        f"the recording itself tells {part['told_cost']:.2%}"
    ]


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _times(value: float | None) -> float | None:
    return None if value is None else 1e3 * value


_milli = _times
