"""`Entry`: one run of the appendix, under the name and group that its pages tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from smaragdine.accounts.alike import Alike, in_order
from smaragdine.carbon.cost import NOT_MEASURED, Cost, titles
from smaragdine.carbon.logged import names
from smaragdine.trace.trace import Trace

_PATH = re.compile(r"(?<![\w/])~?(?:/[^\s/'\"`:;,()]+)+/?")


@dataclass(frozen=True, slots=True)
class Entry:
    trace: Trace
    cost: Cost
    title: str
    slug: str
    group: str
    """With its basis where that is not measured: energies of two bases are in no group together."""
    anonymous: bool = False

    @classmethod
    def all_of(cls, costs: Sequence[tuple[Trace, Cost]], alike: Alike, *, anonymous: bool = False) -> list[Entry]:
        """In the order of groups, then as given."""
        told = [f"run {place}" for place in range(1, len(costs) + 1)] if anonymous else titles([c for _, c in costs])
        found = []
        for (trace, cost), title in zip(costs, told, strict=True):
            by_name = not alike.labels and alike.pattern is None
            name = alike.name(trace.metadata.labels, trace.name, str(trace.path))
            group = "all runs" if anonymous and by_name else name
            found.append((group + _basis(cost), title, trace, cost))
        found.sort(key=lambda one: in_order(one[0]))
        digits = len(str(len(found)))
        return [
            cls(trace, cost, title, f"{place:0{digits}d}-{slug(title)}", group, anonymous)
            for place, (group, title, trace, cost) in enumerate(found, 1)
        ]

    @property
    def page(self) -> str:
        """Relative to the site's root."""
        return f"runs/{self.slug}.html"

    @property
    def data(self) -> str:
        return f"data/{self.slug}"

    @property
    def left_out(self) -> str | None:
        """Why it is in no mean; None where it is."""
        return self.cost.failed or (NOT_MEASURED if self.cost.statement is None else None)

    @property
    def metrics(self) -> tuple[str, ...]:
        return names([self.trace])

    def told(self, text: str) -> str:
        """A sentence of the trace's, without host and paths where the site is anonymous."""
        if not self.anonymous:
            return text
        host = self.trace.metadata.host.name or ""
        return _PATH.sub("…", text.replace(host, "…") if host else text)


def slug(title: str) -> str:
    """What may stand in a file's name and an address, whatever a run is called."""
    return re.sub(r"[^a-z0-9.]+", "-", title.lower().replace("..", "."))[:48].strip("-.") or "run"


def _basis(cost: Cost) -> str:
    if cost.basis is None:
        return " (not measured)"
    return "" if cost.basis == "measured" else f" ({cost.basis})"
