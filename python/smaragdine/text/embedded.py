"""Values inside a page's script element."""

from __future__ import annotations

import json

from plotly.utils import PlotlyJSONEncoder


def script_json(value: object) -> str:
    """JSON in which no tag, comment or line separator can be read."""
    text = json.dumps(value, cls=PlotlyJSONEncoder, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
