"""Labels on the command line: `--label site=lab`."""

from __future__ import annotations

import argparse


def parse_label(text: str) -> tuple[str, str]:
    """For argparse: `key=value`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no label; write KEY=VALUE")
    return key.strip(), value
