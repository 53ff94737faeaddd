"""JAX: what it compiles is traced by its own profiler. Nothing here imports it before a program that runs it has."""
