"""`python -m smaragdine`: the command `smaragdine` of this interpreter."""

import sys

from smaragdine.cli import main

sys.exit(main())
