"""GPUs of NVIDIA's, as the library shows them that stands in for the driver's."""

from __future__ import annotations

import os
from pathlib import Path

from smaragdine_fakes.where import nvml_library

# What programs load, by nvidia-ml-py and by themselves.
DRIVERS = "libnvidia-ml.so.1"


class Gpus:
    """A copy of the library beside a specification, which it reads anew at every call."""

    def __init__(self, library: Path) -> None:
        #: For programs that can be told a library: its path. `libnvidia-ml.so.1` is its name.
        self.library = library

    @property
    def environment(self) -> dict[str, str]:
        """What a program has to be started with so that it loads this library where it asks for the driver's."""
        rest = os.environ.get("LD_LIBRARY_PATH")
        folder = str(self.library.parent)
        return {"LD_LIBRARY_PATH": f"{folder}{os.pathsep}{rest}" if rest else folder}

    def show(self, specification: str) -> None:
        """Changes the hardware, at once: lines `key = value`, of which the kit's README has the table."""
        new = self.library.with_name(f"{self.library.name}.new")
        new.write_text(specification)
        new.replace(self.library.with_name(f"{self.library.name}.spec"))


def fake_gpus(directory: Path, specification: str = "", library: Path | None = None) -> Gpus:
    """GPUs that follow a specification, shown by a library of their own in `directory`, which is made if need be.

    Each call makes other GPUs: two libraries in two folders are two machines, in one process as well.

    Args:
        specification: lines `key = value`; without any there is a single idle GPU.
        library: the one to copy, where it is not the installed one.

    Raises:
        FakeMissingError: the library is not installed.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    gpus = Gpus(directory / DRIVERS)
    gpus.library.write_bytes((library or nvml_library()).read_bytes())
    gpus.show(specification)
    return gpus
