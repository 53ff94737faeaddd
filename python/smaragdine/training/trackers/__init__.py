"""Experiment trackers that a program uses anyway: what a recording came to goes there, too.

Nothing here imports a tracker's package: one that the program has not imported has no run of it. A further tracker is a
file with a class as `tracker.Tracker` describes it, and a line in `following._KINDS`.
"""
