"""How much of a JAX training's time leads to the user's own layers: models × ways to train them."""
