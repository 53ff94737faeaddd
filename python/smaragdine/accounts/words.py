"""The closed vocabularies of footprints, each once."""

from __future__ import annotations

PHASES = ("forward", "backward", "optimizer", "other")
"""The passes."""

POLICIES = ("equal", "recency", "deconvolved")
"""How energy is split among operations."""

SCOPES = ("traced", "run")
"""Steps that a footprint tells of: those that were traced, or all, to which it is extrapolated."""

PER = ("run", "step", "sample", "token")
"""What a footprint is an amount of."""

NO_LAYER = "unknown"

LAYER_WORDS = ("optimizer", "loss", "metrics", "data", "runtime", NO_LAYER)
"""What stands for a layer where operations are in none of the user's."""
