"""Trains on four devices of this host in the way that is asked for: python on_devices.py OUTPUT WAY WAIT."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

# JAX reads it when it starts its devices up.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Axes

import smaragdine

STEPS, BATCH, WIDTH, DEVICES = 12, 256, 64, 4


class Mlp(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(WIDTH, name="down")(nn.relu(nn.Dense(4 * WIDTH, name="up")(x)))


def main(output: str, way: str, wait: bool) -> None:
    assert jax.device_count() == DEVICES
    model, optimizer, x = Mlp(), optax.adam(1e-3), jax.random.normal(jax.random.key(0), (BATCH, WIDTH))
    parameters = model.init(jax.random.key(1), x)
    state = optimizer.init(parameters)

    def train_step(parameters: Any, state: Any, x: Any, averaged: Callable[[Any], Any] = lambda value: value) -> Any:
        loss, slopes = averaged(
            jax.value_and_grad(lambda parameters: jnp.mean(jnp.square(model.apply(parameters, x) - x)))(parameters)
        )
        updates, state = optimizer.update(slopes, state, parameters)
        return optax.apply_updates(parameters, updates), state, loss

    over_devices = partial(train_step, averaged=lambda value: jax.lax.pmean(value, "batch"))
    mesh = Mesh(jax.devices(), ("batch",))
    if way == "sharded":
        step: Any = jax.jit(train_step, donate_argnums=(0, 1))
        x = jax.device_put(x, NamedSharding(mesh, Axes("batch")))
        parameters, state = jax.device_put((parameters, state), NamedSharding(mesh, Axes()))
    elif way == "shard_map":
        mapped = jax.shard_map if hasattr(jax, "shard_map") else _old_shard_map()
        rules = {"in_specs": (Axes(), Axes(), Axes("batch")), "out_specs": (Axes(), Axes(), Axes())}
        step = jax.jit(mapped(over_devices, mesh=mesh, **rules), donate_argnums=(0, 1))
    else:
        step = jax.pmap(over_devices, "batch", donate_argnums=(0, 1))
        parameters, state = jax.tree.map(lambda array: jnp.stack([array] * DEVICES), (parameters, state))
        x = x.reshape(DEVICES, -1, WIDTH)

    with smaragdine.record(output, window=2, every=4) as recording:
        for _ in range(STEPS):
            with recording.step(samples=BATCH):
                parameters, state, loss = step(parameters, state, x)
                if wait:
                    loss.block_until_ready()
    assert bool(jnp.isfinite(loss).all())


def _old_shard_map() -> Any:
    from jax.experimental.shard_map import shard_map

    return shard_map


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] == "wait")
