"""TensorFlow and Keras: what runs, under which names, and what its profiler saw."""
