"""Draws the pictures of docs/appendix.md: a site and a leaderboard of made-up runs, as headless Chromium shows them.

python packaging/pictures/appendix.py            # writes docs/images/appendix-*.png; needs Chromium and playwright
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from smaragdine.cli import main  # noqa: E402
from testbed import search, synthetic_trace  # noqa: E402
from testbed.browser import Opened, chromium  # noqa: E402

IMAGES = ROOT / "docs" / "images"


def draw(directory: Path) -> None:
    """Runs, site and leaderboard in `directory`; pictures in docs/images."""
    runs = [str(path) for path in search.write(directory / "runs", synthetic_trace.Program.bert(2), gpu=True)]
    asked = ["--group", "lr", "--region", "US-CA"]
    main(["appendix", *runs, *asked, "--reach", "accuracy=0.9", "-o", str(directory / "site")])
    main(
        ["leaderboard", *runs, "--region", "US-CA", "--metric", "accuracy", "--format", "html", "-o",
         str(directory / "board.html")]
    )  # fmt: skip
    main(
        ["leaderboard", *runs, *asked, "--metric", "accuracy", "--format", "html", "-o", str(directory / "groups.html")]
    )
    with chromium() as browser:
        site = Opened(browser, directory / "site" / "index.html").page
        site.screenshot(path=IMAGES / "appendix-groups.png", clip={"x": 0, "y": 0, "width": 1280, "height": 800})
        for part in ("differences", "metrics", "study"):
            site.locator(f"#{part}").screenshot(path=IMAGES / f"appendix-{part}.png")
        page = sorted((directory / "site" / "runs").glob("*.html"))[0]
        run = Opened(browser, page).page
        run.screenshot(
            path=IMAGES / "appendix-run.png", clip={"x": 0, "y": 0, "width": 1280, "height": 1500}, full_page=True
        )
        for name in ("board", "groups"):
            board = Opened(browser, directory / f"{name}.html").page
            board.screenshot(path=IMAGES / f"leaderboard-{name}.png", full_page=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        draw(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            draw(Path(temporary))
