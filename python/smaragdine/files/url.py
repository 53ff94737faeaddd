"""What is an address elsewhere, and no path of this machine's."""

from __future__ import annotations

import re
from pathlib import Path

_URL = r"(?:[a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]*://"


def is_url(path: str | Path) -> bool:
    """One that fsspec may know: `s3://bucket/job`, `simplecache::s3://bucket/job`."""
    return isinstance(path, str) and re.match(_URL, path, re.IGNORECASE) is not None
