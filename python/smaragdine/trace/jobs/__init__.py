"""Traces of processes that worked together, as one: every register once, every application's energy added."""
