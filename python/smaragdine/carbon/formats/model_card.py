"""The `co2_eq_emissions` block of a Hugging Face model card: YAML between lines of `---`; emissions in grams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from smaragdine.carbon.digits import rounded
from smaragdine.carbon.facts import NO_PLACE, kwh
from smaragdine.errors import UsageError
from smaragdine.shown import shown

if TYPE_CHECKING:
    from smaragdine.carbon.statement import Statement


def write(statement: Statement, anonymous: bool) -> str:
    """Raises SmaragdineError where no emissions are known: the block is about nothing else."""
    if statement.kg is None:
        raise UsageError("a model card states emissions, and without a region none are known", NO_PLACE)
    source = "told by the user"
    if statement.energy_kwh is not None:
        how = {"told": "energy told by the user"}.get(statement.basis, f"energy {statement.basis} by Smaragdine")
        source = f"{how}: {kwh(statement.energy_kwh, statement)} at a PUE of {statement.pue.factor:g}"
    if statement.emissions:
        source += f"; carbon intensity: {statement.emissions.origin}"
    if imported := statement.imported:
        source = f"{imported.tool}'s log, with its own PUE of {statement.pue.factor:g} and carbon intensity"
    place = statement.emissions.place.name if statement.emissions else imported.region if imported else None
    fields = {
        "source": source,
        "training_type": statement.training,
        "geographical_location": place,
        "hardware_used": "; ".join(statement.work.hardware) or None,
    }
    emissions = rounded(1000 * statement.kg, statement.kg_digits).replace(",", "")
    lines = ["---", "co2_eq_emissions:", f"  emissions: {emissions}"]
    # JSON's strings are YAML's.
    lines += [f"  {name}: {json.dumps(shown(value), ensure_ascii=False)}" for name, value in fields.items() if value]
    if statement.notice:
        lines.insert(1, f"# {shown(statement.notice)}")
    return "\n".join([*lines, "---"]) + "\n"
