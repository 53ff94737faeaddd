"""PyTorch: its profiler by the functions in C, modules marked while a window is open, steps told by optimizers."""
