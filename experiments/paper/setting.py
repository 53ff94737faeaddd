"""One recording's setting: which model, which stage, how large, how often power is read, and from what."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from experiments.models.size import Size

OWN, WAVEFORM = "own", "waveform"


@dataclass(frozen=True)
class Setting:
    """What a recording is of; two runs of one setting are runs of the same thing."""

    size: Size
    model: str = "bert"
    stage: str = "pretrain"
    steps: int = 20
    period_ms: int = 4
    registers: str = OWN
    """`own`: this machine's, or modelled; `waveform`: a powercap tree whose power follows a known waveform."""

    @property
    def name(self) -> str:
        """Names the recording's folder; settings that differ in what an experiment varies have different names."""
        parts = [self.model, self.stage, f"l{self.size.layers}", f"h{self.size.hidden}"]
        parts += [f"{self.period_ms}ms"] if self.period_ms != 4 else []
        parts += [self.registers] if self.registers != OWN else []
        return "-".join(parts)

    def of(self, **sizes: int) -> Setting:
        """The same with other sizes of the model."""
        return replace(self, size=replace(self.size, **sizes))

    def json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Setting:
        read: dict[str, Any] = json.loads(text)
        return cls(**{**read, "size": Size(**read["size"])})
