"""The whole site as files in memory: the same runs give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from smaragdine.accounts.alike import Alike
from smaragdine.accounts.chance import require_scipy
from smaragdine.appendix.content import Content
from smaragdine.appendix.entry import Entry
from smaragdine.appendix.render import Renderer
from smaragdine.appendix.run_page import RunPage
from smaragdine.carbon.cost import Cost
from smaragdine.carbon.logged import Metric
from smaragdine.trace.trace import Trace

TITLE = "Compute appendix"
INDEX = "index.html"


def site(
    runs: Sequence[tuple[Trace, Cost]],
    alike: Alike | None = None,
    *,
    title: str = TITLE,
    anonymous: bool = False,
    reach: tuple[Metric, float] | None = None,
) -> dict[str, bytes]:
    """Content by name, relative to the site's root. `anonymous`: without host, user, folders and names of runs.

    Raises SmaragdineError where Jinja2 or SciPy is not installed, and NotMeasuredError where no energy of any run is
    known.
    """
    require_scipy()
    renderer = Renderer()
    alike = alike or Alike.by()
    entries = Entry.all_of(runs, alike, anonymous=anonymous)
    content = Content.of(entries, alike, title=title, reach=reach)
    pages = [RunPage.of(entry) for entry in entries]
    found = {
        # GitHub Pages leaves out what Jekyll would take for its own.
        ".nojekyll": b"",
        "assets/plotly.min.js": _plotly(),
        "assets/site.js": _packaged("appendix", "site.js"),
        "assets/style.css": _packaged("report", "report.css") + _packaged("appendix", "site.css"),
        "data/methods.txt": ("\n\n".join(content.methods) + "\n").encode("utf-8"),
        "data/bibliography.bib": content.bibliography.encode("utf-8"),
    }
    sheets = [content.groups, content.runs, *(one.sheet for one in content.differences)]
    sheets += [content.metrics] if content.metrics else []
    for page in pages:
        sheets += [sheet for _, sheet in page.sheets]
        found |= page.files
        found[page.entry.page] = renderer.run(content, page).encode("utf-8")
    found |= {sheet.file: sheet.csv for sheet in sheets}
    found[INDEX] = renderer.index(content, pages).encode("utf-8")
    return dict(sorted(found.items()))


def _packaged(*path: str) -> bytes:
    return files("smaragdine").joinpath(*path).read_bytes()


def _plotly() -> bytes:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script.encode("utf-8")
