"""`python -m smaragdine`: the command, where its script is not on PATH."""

from __future__ import annotations

import sys

from smaragdine.cli import main

sys.exit(main())
