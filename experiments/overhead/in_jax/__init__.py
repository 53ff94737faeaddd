"""What `smaragdine.record` costs a training in JAX."""
