"""The profile of a job that still runs: what its application took until now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from smaragdine.accounts.domain import Domain
from smaragdine.accounts.notice import notice
from smaragdine.carbon.credit import J_PER_KWH, component
from smaragdine.daemon.client import Live
from smaragdine.errors import SmaragdineError
from smaragdine.what_if.point import Point
from smaragdine.what_if.profile import Profile

# Of all energy, before it is worth a word.
_WORTH_TELLING = 0.01


def so_far(name: str, start_ns: int, domains: Sequence[Domain], last: Live | None) -> Profile:
    """Of the application alone, up to the last instant at which it is known whose the energy was; of all registers
    where that is not known of any. Raises SmaragdineError while nothing is known."""
    if last is None:
        raise SmaragdineError("nothing was told of the job yet", "wait for its first readings")
    counted = [domain for domain in domains if domain.counted]
    own_j, unknown_j = (_sum(counted, told) for told in (last.application_j, last.unknown_j))
    if last.settled_ns and own_j > 0:
        energy_j, end_ns, source = last.application_j, last.settled_ns, "a running recording: its application alone"
        if unknown_j > _WORTH_TELLING * _sum(counted, last.settled_j):
            source += f"; whose {unknown_j:.3g} J more were nobody can tell"
    elif last.settled_ns and unknown_j <= 0:
        raise SmaragdineError("the job's application has drawn nothing yet", "wait for its first readings")
    elif last.settled_ns:
        energy_j, end_ns = last.energy_j, last.end_ns
        source = "a running recording, of which nobody can tell whose the energy was: all of its machine, other "
        source += "programs and idle energy too"
    else:
        raise SmaragdineError("it is not known yet whose the job's energy is", "ask again in a second")
    kwh: dict[str, float] = {}
    for domain in counted:
        if domain.name in energy_j:
            part = component(domain.device, domain.name)
            kwh[part] = kwh.get(part, 0.0) + energy_j[domain.name] / J_PER_KWH
    if not kwh:
        raise SmaragdineError("nothing of the job is counted yet")
    bases = {domain.basis for domain in counted}
    return Profile(
        name=f"{name}, so far",
        by="run",
        points=(Point(0, kwh, (end_ns - start_ns) / 1e9),),
        basis=bases.pop() if len(bases) == 1 else "measured and modelled",
        notice=notice(domains) or "",
        source=source,
    )


def _sum(counted: Sequence[Domain], told: Mapping[str, float]) -> float:
    return sum(told.get(domain.name, 0.0) for domain in counted)
