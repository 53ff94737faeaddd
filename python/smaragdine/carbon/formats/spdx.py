"""An SPDX 3.0.1 document whose AI package states its energy (`ai_EnergyConsumption`)."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from smaragdine.carbon.digits import rounded
from smaragdine.carbon.facts import sentence
from smaragdine.errors import UsageError
from smaragdine.shown import json_text

if TYPE_CHECKING:
    from smaragdine.carbon.statement import Statement

_CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_CREATION = "_:creation"


def write(statement: Statement, anonymous: bool) -> str:
    """Raises SmaragdineError where no energy is known."""
    if statement.energy_kwh is None:
        raise UsageError("SPDX states energy, and of emissions alone none is known", "give it with --energy-kwh")
    name = statement.work.names[0] if statement.work.names and not anonymous else "model"
    quantity = rounded(statement.energy_kwh, statement.energy_digits).replace(",", "")
    # The same statement has the same names.
    told = f"{name} {sentence(statement)} {statement.work.end_ns}"
    base = f"urn:spdx:smaragdine-{hashlib.sha256(told.encode()).hexdigest()[:32]}"
    description = {
        "type": "ai_EnergyConsumptionDescription",
        "ai_energyQuantity": quantity,
        "ai_energyUnit": "kilowattHour",
    }
    kind = "ai_finetuningEnergyConsumption" if statement.training == "fine-tuning" else "ai_trainingEnergyConsumption"
    notice = f"{statement.notice} " if statement.notice else ""
    graph: list[dict[str, Any]] = [
        {
            "type": "CreationInfo",
            "@id": _CREATION,
            "specVersion": "3.0.1",
            "created": _created(statement.work.end_ns),
            "createdBy": [f"{base}#agent"],
        },
        _element("SoftwareAgent", f"{base}#agent", f"smaragdine {version('smaragdine')}"),
        _element("ai_AIPackage", f"{base}#package", name)
        | {
            "comment": f"{notice}{sentence(statement)} Energy {statement.basis}, PUE {statement.pue.factor:g}.",
            "ai_energyConsumption": {"type": "ai_EnergyConsumption", kind: [description]},
        },
        _element("SpdxDocument", f"{base}#document", f"energy of {name}")
        | {"profileConformance": ["core", "ai"], "rootElement": [f"{base}#package"]},
    ]
    return json_text({"@context": _CONTEXT, "@graph": graph}) + "\n"


def _element(kind: str, identity: str, name: str) -> dict[str, Any]:
    return {"type": kind, "spdxId": identity, "creationInfo": _CREATION, "name": name}


def _created(end_ns: int | None) -> str:
    """When the last run ended; now for what was told."""
    instant = datetime.now(timezone.utc) if end_ns is None else datetime.fromtimestamp(end_ns / 1e9, timezone.utc)
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
