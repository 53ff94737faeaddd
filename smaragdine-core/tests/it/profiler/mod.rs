mod jax;
mod tensorflow;
