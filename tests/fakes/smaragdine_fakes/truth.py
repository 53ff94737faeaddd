"""The ground truth: what a register drew, whatever it showed."""

from __future__ import annotations

import bisect
import json
from pathlib import Path
from typing import Any


class Truth:
    """What the registers of a fake tree really drew, from the file that its command writes beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = 0
        self._due_ns: list[int] = []
        self._written_ns: list[int] = []
        self._rows: list[dict[str, Any]] = []
        self.read_on()

    def read_on(self) -> None:
        """Takes in what was written since: a thousand rows a second."""
        with self._path.open("rb") as file:
            file.seek(self._place)
            # The writer may be in the middle of its last line.
            whole, line_end, _ = file.read().rpartition(b"\n")
        self._place += len(whole) + len(line_end)
        rows = [json.loads(line) for line in whole.splitlines()]
        self._due_ns += [row["monotonic_ns"] for row in rows]
        self._written_ns += [row["written_ns"] for row in rows]
        self._rows += rows

    @property
    def registers(self) -> list[str]:
        """Their names: `intel-rapl:0`, `card0`, …"""
        return list(self._rows[0]["energy_uj"])

    @property
    def until_ns(self) -> int:
        """CLOCK_MONOTONIC up to which it is known; the writer is some way ahead of what it wrote down."""
        return int(self._written_ns[-1])

    def energy_j(self, zone: str, start_ns: int, end_ns: int) -> float:
        """Joules that the register gained between two instants of CLOCK_MONOTONIC; it moves once a millisecond."""
        return (self._held_uj(zone, self._written_ns, end_ns) - self._held_uj(zone, self._written_ns, start_ns)) * 1e-6

    def held_uj(self, zone: str, from_ns: int, to_ns: int) -> tuple[int, int]:
        """The least and the most that a read between two instants can have shown, without wraps and resets.

        A register moves at some instant between the two that its row tells; on a busy machine they lie apart.
        """
        return self._held_uj(zone, self._written_ns, from_ns), self._held_uj(zone, self._due_ns, to_ns)

    def bounds_j(self, zone: str, start_ns: tuple[int, int], end_ns: tuple[int, int]) -> tuple[float, float]:
        """The least and the most that the register can have gained from some instant of `start_ns` to one of `end_ns`.

        Between the moment when an update is due and the one after which it has surely been made, it may show either.
        """
        least = self._held_uj(zone, self._written_ns, end_ns[0]) - self._held_uj(zone, self._due_ns, start_ns[1])
        most = self._held_uj(zone, self._due_ns, end_ns[1]) - self._held_uj(zone, self._written_ns, start_ns[0])
        return least * 1e-6, most * 1e-6

    def _held_uj(self, zone: str, since_ns: list[int], at_ns: int) -> int:
        row = self._rows[max(0, bisect.bisect_right(since_ns, at_ns) - 1)]["energy_uj"]
        if zone not in row:
            raise KeyError(f"there is no register {zone}; there are {', '.join(row)}")
        held: int = row[zone]
        return held
