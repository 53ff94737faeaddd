"""Fixtures of pytest, which finds them where the wheel is installed: `fake_powercap`, `fake_sensors`, `fake_gpus`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from smaragdine_fakes import gpus, trees


@pytest.fixture
def fake_powercap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., trees.Tree]]:
    """Starts powercap trees, each with its options; they move until the test ends."""
    with ExitStack() as moving:
        yield lambda *options: moving.enter_context(trees.powercap_tree(tmp_path_factory.mktemp("powercap"), *options))


@pytest.fixture
def fake_sensors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., trees.Tree]]:
    """Starts other sensors, each with their options; they move until the test ends."""
    with ExitStack() as moving:
        yield lambda *options: moving.enter_context(trees.sensor_tree(tmp_path_factory.mktemp("sensors"), *options))


@pytest.fixture
def fake_gpus(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., gpus.Gpus]:
    """Makes GPUs, each time others, that follow a specification."""
    return lambda specification="": gpus.fake_gpus(tmp_path_factory.mktemp("gpus"), specification)
