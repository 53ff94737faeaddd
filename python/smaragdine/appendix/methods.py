"""A paragraph for a methods section, and what it cites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smaragdine.accounts.alike import Alike
from smaragdine.accounts.chance import RESAMPLES
from smaragdine.appendix.entry import Entry
from smaragdine.appendix.grouped import Grouped
from smaragdine.carbon.formats.latex import bibliography as cited
from smaragdine.text.methods import methods


def paragraphs(entries: Sequence[Entry], groups: Sequence[Grouped], alike: Alike) -> Iterator[str]:
    """Plain text, to paste."""
    known = [entry for entry in entries if entry.cost.statement]
    own = [entry for entry in known if entry.cost.statement and not entry.cost.statement.imported]
    counts = sorted({len(group.kept) for group in groups})
    each = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    yield (
        f"We recorded {len(entries)} runs in {len(groups)} groups, grouped by {alike.words}, of which each has {each} "
        "that finished. We report means and standard errors of the mean (n − 1) over them; a single run has none. "
        "Failed runs, and those of which no energy is known, are in no mean."
    )
    if own:
        # The same sensors wherever runs were alike; each way is told once.
        yield from dict.fromkeys(entry.told(text) for entry in own for text in methods(entry.trace, "equal"))
    tools = dict.fromkeys(s.imported.tool for entry in known if (s := entry.cost.statement) and s.imported)
    if tools:
        yield f"Logs of {', '.join(tools)} keep their own power, PUE and carbon intensity."
    pues = dict.fromkeys(f"{s.pue.factor:g} ({s.pue.source})" for entry in known if (s := entry.cost.statement))
    yield f"Energy is that of the computers times a power usage effectiveness of {', '.join(pues)}."
    sources = dict.fromkeys(entry.cost.source for entry in known if entry.cost.source)
    if sources:
        yield f"Carbon is location-based: {'; '.join(sources)}."
    if len(groups) > 1:
        yield (
            "Groups were compared in pairs by Welch’s t test, Mann–Whitney’s U test and a permutation test of the "
            "means, each corrected by Holm within a quantity, with 95 % intervals of the difference by Welch and by a "
            f"percentile bootstrap ({RESAMPLES:,} draws, fixed seed), computed with SciPy. Groups whose corrected p by "
            "Welch is 0.05 or more cannot be told apart from chance, and we say so."
        )


def bibliography(entries: Sequence[Entry]) -> str:
    """BibTeX, each entry once; carbon intensities have keys of their own."""
    keys: dict[str, str] = {}
    found: dict[str, None] = {}
    for entry in entries:
        if statement := entry.cost.statement:
            source = entry.cost.source or ""
            key = keys.setdefault(source, f"carbonintensity{len(keys) or ''}")
            found |= dict.fromkeys(cited(statement, key))
    return "\n\n".join(found) + "\n"
