"""The models of the table, as their libraries' own guides write them: a forward pass, its parameters, its layers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

# Arrays, parameters and modules come without usable types.
Array = Any
BATCH, TOKENS, WIDTH, CLASSES, VOCABULARY, PIXELS = 8, 64, 128, 10, 1000, 32


@dataclass(frozen=True)
class Subject:
    """`forward(parameters, examples)` gives logits; `model` is what `record` is told, None where names need no help."""

    forward: Callable[[Any, Array], Array]
    parameters: Any
    examples: Array
    layers: frozenset[str]
    model: Any = None


def tokens() -> Array:
    return jax.random.randint(jax.random.key(0), (BATCH, TOKENS), 0, VOCABULARY)


def images() -> Array:
    return jax.random.normal(jax.random.key(0), (BATCH, PIXELS, PIXELS, 3))


def sequences() -> Array:
    return jax.random.normal(jax.random.key(0), (BATCH, TOKENS, WIDTH))


def outward(paths: set[str]) -> frozenset[str]:
    """Every path with those around it."""
    return frozenset("/".join(path.split("/")[: depth + 1]) for path in paths for depth in range(path.count("/") + 1))


def of_linen(module: Any, examples: Array) -> Subject:
    from flax import linen as nn

    paths: set[str] = set()

    def note(next_function: Any, arguments: Any, keywords: Any, context: Any) -> Any:
        paths.add("/".join((type(module).__name__, *context.module.path)))
        return next_function(*arguments, **keywords)

    with nn.intercept_methods(note):
        parameters = module.init(jax.random.key(0), examples)
    return Subject(module.apply, parameters, examples, outward(paths))


def linen_transformer() -> Subject:
    from flax import linen as nn

    class Block(nn.Module):  # type: ignore[misc]
        @nn.compact
        def __call__(self, x: Array) -> Array:
            x = x + nn.MultiHeadDotProductAttention(4, name="attention")(nn.LayerNorm()(x))
            wide = nn.gelu(nn.Dense(4 * WIDTH, name="up")(nn.LayerNorm()(x)))
            return x + nn.Dense(WIDTH, name="down")(wide)

    class Transformer(nn.Module):  # type: ignore[misc]
        @nn.compact
        def __call__(self, x: Array) -> Array:
            x = nn.Embed(VOCABULARY, WIDTH, name="embed")(x)
            for number in range(2):
                x = Block(name=f"block_{number}")(x)
            return nn.Dense(CLASSES, name="head")(x.mean(1))

    return of_linen(Transformer(), tokens())


def linen_cnn() -> Subject:
    from flax import linen as nn

    class Stage(nn.Module):  # type: ignore[misc]
        features: int

        @nn.compact
        def __call__(self, x: Array) -> Array:
            x = nn.relu(nn.GroupNorm(8)(nn.Conv(self.features, (3, 3))(x)))
            return nn.max_pool(x, (2, 2), (2, 2))

    class Cnn(nn.Module):  # type: ignore[misc]
        @nn.compact
        def __call__(self, x: Array) -> Array:
            for number, features in enumerate((32, 64)):
                x = Stage(features, name=f"stage_{number}")(x)
            return nn.Dense(CLASSES, name="head")(x.reshape(x.shape[0], -1))

    return of_linen(Cnn(), images())


def linen_lstm() -> Subject:
    from flax import linen as nn

    class Recurrent(nn.Module):  # type: ignore[misc]
        @nn.compact
        def __call__(self, x: Array) -> Array:
            for number in range(2):
                x = nn.RNN(nn.OptimizedLSTMCell(WIDTH), name=f"lstm_{number}")(x)
            return nn.Dense(CLASSES, name="head")(x[:, -1])

    return of_linen(Recurrent(), sequences())


def nnx_transformer() -> Subject:
    from flax import nnx

    class Block(nnx.Module):  # type: ignore[misc]
        def __init__(self, rngs: Any) -> None:
            self.first, self.second = nnx.LayerNorm(WIDTH, rngs=rngs), nnx.LayerNorm(WIDTH, rngs=rngs)
            self.attention = nnx.MultiHeadAttention(4, WIDTH, decode=False, rngs=rngs)
            self.up = nnx.Linear(WIDTH, 4 * WIDTH, rngs=rngs)
            self.down = nnx.Linear(4 * WIDTH, WIDTH, rngs=rngs)

        def __call__(self, x: Array) -> Array:
            x = x + self.attention(self.first(x))
            return x + self.down(nnx.gelu(self.up(self.second(x))))

    class Transformer(nnx.Module):  # type: ignore[misc]
        def __init__(self, rngs: Any) -> None:
            self.embed = nnx.Embed(VOCABULARY, WIDTH, rngs=rngs)
            self.blocks = nnx.List([Block(rngs) for _ in range(2)])
            self.head = nnx.Linear(WIDTH, CLASSES, rngs=rngs)

        def __call__(self, x: Array) -> Array:
            x = self.embed(x)
            for block in self.blocks:
                x = block(x)
            return self.head(x.mean(1))

    model = Transformer(nnx.Rngs(0))
    definition, parameters = nnx.split(model)
    parts = ("first", "second", "attention", "up", "down", *(f"attention/{name}" for name in ("query", "key", "value")))
    below = {f"blocks/{number}/{part}" for number in range(2) for part in (*parts, "attention/out")}
    paths = {f"Transformer/{path}" for path in below | {"embed", "head"}}

    def forward(state: Any, x: Array) -> Array:
        return nnx.merge(definition, state)(x)

    return Subject(forward, parameters, tokens(), outward(paths), model)


def equinox_mixer() -> Subject:
    import equinox as eqx

    class Block(eqx.Module):  # type: ignore[misc]
        tokens: Any
        channels: Any
        norm: Any

        def __init__(self, key: Array) -> None:
            one, two = jax.random.split(key)
            self.tokens = eqx.nn.MLP(TOKENS, TOKENS, 2 * TOKENS, 1, key=one)
            self.channels = eqx.nn.MLP(WIDTH, WIDTH, 4 * WIDTH, 1, key=two)
            self.norm = eqx.nn.LayerNorm(WIDTH)

        def __call__(self, x: Array) -> Array:
            x = x + jax.vmap(self.tokens, 1, 1)(jax.vmap(self.norm)(x))
            return x + jax.vmap(self.channels)(x)

    class Mixer(eqx.Module):  # type: ignore[misc]
        blocks: list[Block]
        head: Any

        def __init__(self, key: Array) -> None:
            *keys, last = jax.random.split(key, 3)
            self.blocks = [Block(key) for key in keys]
            self.head = eqx.nn.Linear(WIDTH, CLASSES, key=last)

        def __call__(self, x: Array) -> Array:
            for block in self.blocks:
                x = block(x)
            return self.head(x.mean(0))

    model = Mixer(jax.random.key(0))
    parameters, static = eqx.partition(model, eqx.is_inexact_array)
    mlp = {f"{name}/layers/{number}" for name in ("tokens", "channels") for number in range(2)}
    below = {f"blocks/{number}/{part}" for number in range(2) for part in mlp | {"norm"}}
    paths = {f"Mixer/{path}" for path in below | {"head"}}

    def forward(tree: Any, x: Array) -> Array:
        return jax.vmap(eqx.combine(tree, static))(x)

    return Subject(forward, parameters, sequences(), outward(paths), model)


def haiku_mlp() -> Subject:
    import haiku as hk

    def net(x: Array) -> Array:
        return hk.nets.MLP([4 * WIDTH, 4 * WIDTH, CLASSES], name="mlp")(x.reshape(x.shape[0], -1))

    transformed = hk.without_apply_rng(hk.transform(net))
    parameters = transformed.init(jax.random.key(0), sequences())
    paths = {path.replace("/~/", "/") for path in parameters}
    return Subject(transformed.apply, parameters, sequences(), outward(paths))


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "linen-transformer": linen_transformer,
    "linen-cnn": linen_cnn,
    "linen-lstm": linen_lstm,
    "nnx-transformer": nnx_transformer,
    "equinox-mixer": equinox_mixer,
    "haiku-mlp": haiku_mlp,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or SUBJECTS:
        subject = SUBJECTS[name]()
        print(name, subject.forward(subject.parameters, subject.examples).shape, sorted(subject.layers))
