"""How many examples a batch holds, as far as Keras' data adapter tells."""

from __future__ import annotations

from smaragdine.training.vigil import Call


class Batches:
    """Of the `fit`, `evaluate` or `predict` whose call is given."""

    def __init__(self, call: Call | None) -> None:
        iterator = call.local("epoch_iterator") if call else None
        adapter = getattr(iterator, "data_adapter", None)
        self._size = _count(adapter, "batch_size")
        self._batches = _count(adapter, "num_batches")
        self._last = _count(adapter, "partial_batch_size")
        self._at_once = max(_count(iterator, "steps_per_execution"), 1)

    def smallest(self, samples: int) -> int:
        """Examples of the smallest batch in a step of so many; 0 where unknown."""
        return samples % self._size or self._size if self._size else 0

    def samples(self, batch: int) -> int:
        """Examples of the step that begins with this batch of its epoch; 0 where unknown."""
        if not self._size:
            return 0
        batches = self._at_once
        if self._batches and batch + batches >= self._batches:
            batches = self._batches - batch
            if self._last and batches > 0:
                return (batches - 1) * self._size + self._last
        return max(batches, 0) * self._size


def _count(adapter: object, name: str) -> int:
    """A positive count that an adapter tells, or 0."""
    try:
        value = getattr(adapter, name, None)
    except NotImplementedError:  # what a generator's adapter does not know
        return 0
    return int(value) if isinstance(value, int) and value > 0 else 0
