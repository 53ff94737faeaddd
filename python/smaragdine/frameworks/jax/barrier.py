"""Waits for what JAX left to its devices: a call returns long before its work is done."""

from __future__ import annotations

import time


def wait() -> float:
    """Returns once every array that lives has been computed; the seconds that this took."""
    import jax

    began = time.monotonic()
    for array in jax.live_arrays():
        try:
            # Asking costs a microsecond, waiting for what is there already twenty.
            if not array.is_ready():
                array.block_until_ready()
        except Exception:  # noqa: BLE001, S112  one that was donated meanwhile, or whose program failed: the user's to see
            continue
    return time.monotonic() - began
