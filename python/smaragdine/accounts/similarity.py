"""How alike footprints are: the accounting similarity of Smaragdine's paper and what it builds on it.

Babakol and Liu, "Tensor-Aware Energy Accounting", ICSE 2024, doi:10.1145/3597503.3639156, sections 5.4 and 6.1. Here a
footprint is a `Footprint`, the `RunsFootprint` of several runs, or a STEF written down: joules (watts) by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from smaragdine.accounts.correlation import pearson
from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.accounts.footprint import Footprints, summary_of
from smaragdine.errors import UsageError

Accounted: TypeAlias = Footprints | Mapping[str, float]


def stefs(accounted: Sequence[Accounted], *, power: bool = False) -> list[dict[str, float]]:
    """The STEF (`power`: STPF) of each: joules (watts) by summarized name; of several runs, means.

    All fold alike, so that names can be compared. Of joules of two bases those are taken that all may have: modelled
    where one footprint is modelled. Raises SmaragdineError for modelled powers, and where written and recorded
    footprints meet, whose names need not fold alike.
    """
    written = [one for one in accounted if isinstance(one, Mapping)]
    recorded = [one for one in accounted if not isinstance(one, Mapping)]
    if written and recorded:
        raise UsageError("a STEF that is written down and a recorded one do not compare")
    if written:
        return [dict(one) for one in written]
    modelled = any(one.modelled for one in recorded)
    if power and modelled:
        raise UsageError("power was modelled, so watts per operation mean nothing", "compare energy")
    summary = summary_of([footprint for one in recorded for footprint in one.footprints])
    return [_values(one.folded(summary), MODELLED if modelled else MEASURED, power) for one in recorded]


def _values(footprint: Footprints, basis: str, power: bool) -> dict[str, float]:
    groups = [group for group in footprint.by("op") if group.basis == basis]
    return {group.name: (group.power_w or 0.0) if power else group.energy_j for group in groups}


def correlation(one: Accounted, other: Accounted, *, power: bool = False) -> float | None:
    """Accounting similarity: Pearson's correlation coefficient of two STEFs, indexed by name (section 5.4.1, Figure 6).

    In −1…1; None where one has fewer than two names, or does not vary. A name that one of them lacks has 0 J there; of
    powers (`power`: STPFs, Figure 9a) only names that both have are compared.
    """
    a, b = stefs((one, other), power=power)
    names = sorted(a.keys() & b.keys() if power else a.keys() | b.keys())
    return pearson([a.get(name, 0.0) for name in names], [b.get(name, 0.0) for name in names])


def mean_error_difference(one: Accounted, other: Accounted, *, power: bool = False) -> float | None:
    """MED: the mean of one − other over the names that both have, in joules (`power`: watts); None where none is.

    Section 6.1, Figures 9c and 9d, which subtract the variant of the column from that of the row.
    """
    a, b = stefs((one, other), power=power)
    names = a.keys() & b.keys()
    return float(np.mean([a[name] - b[name] for name in sorted(names)])) if names else None


def asss(default: Accounted, sparse: Mapping[int, Accounted]) -> dict[int, float | None]:
    """Accounting similarity with sample sparsing: of each sparser footprint with that of the default period.

    Section 5.4.1, Figure 7a. `sparse` has them by sampling period, in milliseconds.
    """
    return {period_ms: correlation(default, footprint) for period_ms, footprint in sparse.items()}


def assw(default: Accounted, experiments: Sequence[Footprints]) -> dict[int, float | None]:
    """Accounting similarity with sample widening: of the first k = 2, 3, … experiments pooled with the default one.

    Section 5.4.1, Figure 7b, where an experiment is five runs. Pooling adds up, which Pearson's coefficient does not
    distinguish from the mean of all runs. Whether the default is among the experiments is the caller's choice: one that
    is correlates with its own noise.
    """
    own, *tables = stefs([default, *(footprint for one in experiments for footprint in one.footprints)])
    pooled: Counter[str] = Counter()
    alike: dict[int, float | None] = {}
    for k, experiment in enumerate(experiments, 1):
        for _ in experiment.footprints:
            pooled.update(tables.pop(0))
        if k > 1:
            alike[k] = correlation(own, pooled)
    return alike
