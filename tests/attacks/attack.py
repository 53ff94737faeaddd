"""How hard the attacks are tried."""

from __future__ import annotations

import os

WHOLE = os.environ.get("SMARAGDINE_ATTACK") == "whole"
# Bounded within `make test`: seconds. `make attack` takes minutes.
REPEATED = 20 if WHOLE else 1
