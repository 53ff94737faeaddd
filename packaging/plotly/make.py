"""Makes the plotly.js that pages load: the kinds of traces that this package draws, a third of the whole.

    python packaging/plotly/make.py

Needs npm, and the network. A page that loads all of plotly.js spends most of a second on what it never draws.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from plotly.offline import get_plotlyjs_version

HERE = Path(__file__).parent
OUT = HERE.parents[1] / "python" / "smaragdine" / "figures" / "plotlyjs"
ESBUILD = "0.28.2"
# As plotly.js builds its own.
BUILT = ["--bundle", "--minify", "--format=iife", "--global-name=Plotly", "--define:global=window", "--target=es2016",
         "--legal-comments=eof", "--metafile=made.json", "--outfile=plotly.min.js"]  # fmt: skip


def main() -> int:
    npm = shutil.which("npm")
    if npm is None:
        print("error: npm is not installed\nhint: apt-get install npm", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        shutil.copy(HERE / "library.js", folder)
        packages = [f"plotly.js@{get_plotlyjs_version()}", f"esbuild@{ESBUILD}"]
        subprocess.run(
            [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", *packages], cwd=folder, check=True
        )
        subprocess.run([folder / "node_modules/.bin/esbuild", "library.js", *BUILT], cwd=folder, check=True)
        OUT.mkdir(exist_ok=True)
        shutil.copy(folder / "plotly.min.js", OUT)
        (OUT / "LICENSES.txt").write_text("\n".join(_licences(folder)), encoding="utf-8")
    return 0


def _licences(folder: Path) -> Iterator[str]:
    """Of every package of which anything was taken."""
    taken = json.loads((folder / "made.json").read_text())["outputs"]["plotly.min.js"]["inputs"]
    paths = (path.rpartition("node_modules/")[2].split("/") for path, told in taken.items() if told["bytesInOutput"])
    names = {"/".join(path[: 2 if path[0].startswith("@") else 1]) for path in paths} - {"library.js"}
    yield "plotly.min.js holds parts of these packages, each under the licence below its name.\n"
    for name in sorted(names):
        package = folder / "node_modules" / name
        about = json.loads((package / "package.json").read_text())
        yield f"=== {name} {about['version']}: {about.get('license', 'see below')}\n"
        texts = [path for path in package.iterdir() if path.name.lower().startswith(("licen", "copying"))]
        yield from (path.read_text(encoding="utf-8") for path in sorted(texts))


if __name__ == "__main__":
    sys.exit(main())
