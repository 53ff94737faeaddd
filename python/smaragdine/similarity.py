"""How alike the rankings of several runs are: `smaragdine.accounts.similarity` under its public name."""

from smaragdine.accounts.similarity import Accounted, asss, assw, correlation, mean_error_difference, stefs

__all__ = ["Accounted", "asss", "assw", "correlation", "mean_error_difference", "stefs"]
