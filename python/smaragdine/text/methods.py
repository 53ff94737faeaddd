"""How the numbers came about, and how to cite them: the words for a methods section."""

from __future__ import annotations

from smaragdine.accounts.quantity import seconds
from smaragdine.trace.trace import Trace

CITATION = (
    "Timur Babakol and Yu David Liu. 2024. Tensor-Aware Energy Accounting. In 2024 IEEE/ACM 46th International "
    "Conference on Software Engineering (ICSE ’24), April 14–20, 2024, Lisbon, Portugal. ACM, New York, NY, USA, "
    "12 pages. https://doi.org/10.1145/3597503.3639156"
)

_POLICIES = {
    "equal": "Operations that ran at the same time on a device share its energy equally at each instant.",
    "recency": "Each operation takes the power of the most recent reading, divided by the operations running then; "
    "this policy exists for comparison.",
    "deconvolved": "Powers of operations shorter than a reading were solved for by non-negative least squares over the "
    "readings of traced steps, and each reading was split by them; intervals are 90 % and of the power that operations "
    "of one class have in common.",
}


def methods(trace: Trace, policy: str) -> tuple[str, ...]:
    """Paragraphs of plain text."""
    metadata = trace.metadata
    counted, beside = [], []
    for source in metadata.sources:
        domains = ", ".join(d.name for d in metadata.domains if d.source == source.name and d.counted)
        measured = source.measured_period_ns
        period = seconds((measured if measured is not None else source.period_ns) / 1e9)
        if domains:
            counted.append(f"{source.name} ({domains}) every {period}")
        else:
            beside.append(f"{source.name} every {period}")
    read = "Power was modelled from CPU use by" if trace.modelled else "Energy was read from"
    kept = f"What was read from {'; '.join(beside)} is not counted. " if beside else ""
    energy = (
        f"{read} {'; '.join(counted) or 'the sources named in trace.json'}. {kept}"
        "Energy belongs to the interval over which it was read, never to the next. Domains that another counted domain "
        "contains keep their readings and enter no sum."
    )
    tick = f", which advances by {seconds(metadata.share_tick_ns / 1e9)}" if metadata.share_tick_ns else ""
    origin = f" ({metadata.share_source}{tick})" if metadata.share_source else ""
    shares = (
        "On each socket, the application’s share is its CPU time divided by all active CPU time there"
        f"{origin}; DRAM follows its socket. Energy while nothing was active is idle, not the application’s."
    )
    split = (
        f"{_POLICIES.get(policy, f'Energy was split by policy {policy}.')} Copies carry energy only while nothing "
        "computes, waiting carries none. Names are qualified tensor names; a layer’s energy is the sum over the "
        "operations inside, and shares are normalised within their level. The ledger enters every joule of a counted "
        "domain exactly once."
    )
    return (energy, shares, split)
