"""The appendix: a static site over many runs, that works from disk and from any web server.

from smaragdine import appendix
appendix.write(appendix.site(runs, Alike.by(["lr"])), "site")
"""

from smaragdine.appendix.folder import write
from smaragdine.appendix.site import TITLE, site

__all__ = ["TITLE", "site", "write"]
