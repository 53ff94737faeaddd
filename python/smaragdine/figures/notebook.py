"""What notebooks that draw plotly's figures show of a diagram."""

from __future__ import annotations

import json
from typing import Any

from smaragdine.accounts.display import PLOTLY, shows
from smaragdine.accounts.edd import EDD
from smaragdine.figures.sunburst import sunburst


@shows(PLOTLY, EDD)
def figure_of_edd(edd: EDD) -> Any:
    return json.loads(sunburst(edd).to_json())
