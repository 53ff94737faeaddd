"""One kind of processor of a machine, and how many of it."""

from __future__ import annotations

from dataclasses import dataclass

from smaragdine.errors import UsageError

KINDS = ("cpu", "gpu")


@dataclass(frozen=True, slots=True)
class Part:
    """So many of one processor. Power and speed are those of one; None where nobody told them."""

    name: str
    kind: str
    quantity: float = 1.0
    power_w: float | None = None
    flops: float | None = None
    """FP32 operations per second."""
    source: str = ""

    @property
    def counted(self) -> tuple[float, float, float]:
        """Quantity, watts, FP32 operations per second; raises UsageError where one is not known."""
        if self.power_w is None or self.flops is None:
            lacks = " and ".join(
                word for word, value in (("power", self.power_w), ("speed", self.flops)) if value is None
            )
            raise UsageError(f"the {lacks} of {self.name} is not known", "tell watts and FP32 operations per second")
        return self.quantity, self.power_w, self.flops
