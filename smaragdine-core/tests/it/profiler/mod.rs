mod jax;
mod tensorflow;
mod torch;
