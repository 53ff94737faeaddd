"""Energy sensors that are not there, with a truth that is known: for tests on machines without them.

Programs are started from here as their commands are; what each makes and takes is in its `--help`.
"""

from smaragdine_fakes.gpus import Gpus, fake_gpus
from smaragdine_fakes.trees import Proc, Tree, powercap_tree, proc_tree, sensor_tree
from smaragdine_fakes.truth import Truth
from smaragdine_fakes.where import FakeMissingError, command, nvml_library

__all__ = [
    "powercap_tree", "sensor_tree", "proc_tree", "fake_gpus",
    "Tree", "Truth", "Proc", "Gpus",
    "command", "nvml_library", "FakeMissingError",
]  # fmt: skip
