"""The real daemon beside each training."""

from __future__ import annotations

import os

import pytest

from testbed.hardware import built


@pytest.fixture(autouse=True)
def real_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    binary = os.environ.get("SMARAGDINE_BIN") or str(built("smaragdine-core", "smaragdined"))
    monkeypatch.setenv("SMARAGDINE_BIN", binary)
    monkeypatch.delenv("SMARAGDINE_SOCKET", raising=False)
