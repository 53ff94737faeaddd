"""Logs of other tools as traces: what they measured, and, marked as theirs, what they assumed."""
