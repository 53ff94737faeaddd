"""One recording, from the moment that OUTPUT is taken to the trace in it."""
