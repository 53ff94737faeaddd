"""Windows leave nothing behind in the training's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import smaragdine
from smaragdine.trace.trace import Trace

WINDOWS, WARM_UP = 60, 15
# A window's profile is some 100 kB: one in ten that stayed would be seen.
MOST_GROWTH_KIB = 8 << 10


def anonymous_kib() -> int:
    """Memory that belongs to this process and to no file."""
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0])


def test_memory_is_flat_over_sixty_windows(tmp_path: Path) -> None:
    @jax.jit
    def train_step(weights: Any, x: Any) -> Any:
        def loss(weights: Any) -> Any:
            with jax.named_scope("net"):
                hidden = x
                for weight in weights:
                    hidden = jnp.tanh(hidden @ weight)
                return jnp.mean(jnp.square(hidden))

        return jax.tree.map(lambda weight, slope: weight - 1e-3 * slope, weights, jax.grad(loss)(weights))

    weights = [jax.random.normal(jax.random.key(number), (256, 256)) for number in range(4)]
    x, held = jax.random.normal(jax.random.key(9), (256, 256)), []
    with smaragdine.record(tmp_path / "out", window=1, every=2) as recording:
        for number in range(2 * WINDOWS + 2):
            with recording.step():
                weights = jax.block_until_ready(train_step(weights, x))
            if number % 2:
                held.append(anonymous_kib())
    traced = sum(step.traced for step in Trace.open(tmp_path / "out").steps)
    assert traced >= WINDOWS - 5
    assert max(held[-5:]) - min(held[WARM_UP : WARM_UP + 5]) < MOST_GROWTH_KIB
