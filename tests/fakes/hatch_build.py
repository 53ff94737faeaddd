"""Has cargo build what the wheel holds: three commands, and a library that Python does not link with."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMMANDS = ("fake-powercap", "fake-sensors", "fake-proc")
LIBRARY = "libfake_nvml.so"
# Tests of the wheel take what is built anyway: SMARAGDINE_FAKES_PROFILE=dev.
PROFILE = os.environ.get("SMARAGDINE_FAKES_PROFILE", "release")


class Build(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            raise RuntimeError(
                "an editable wheel would hold no commands: set SMARAGDINE_FAKES_DIR to where cargo built them"
            )
        built = self._built()
        build_data["pure_python"] = False
        # No Python is linked with, so one wheel serves all of them.
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["shared_scripts"] = {str(built[name]): name for name in COMMANDS}
        build_data["force_include"][str(built[LIBRARY])] = f"smaragdine_fakes/{LIBRARY}"

    def _built(self) -> dict[str, Path]:
        command = ["cargo", "build", "--locked", "--quiet", "--message-format=json", "--profile", PROFILE]
        for package in (*COMMANDS, "fake-nvml"):
            command += ["--package", package]
        done = subprocess.run(command, cwd=self.root, check=True, stdout=subprocess.PIPE, text=True)
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        files = [Path(name) for message in messages for name in message.get("filenames", [])]
        return {path.name: path for path in files if path.name in (*COMMANDS, LIBRARY)}
