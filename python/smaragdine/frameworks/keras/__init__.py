"""Keras, on whichever backend it runs."""
