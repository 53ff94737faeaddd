"""Works a GPU on and off at known times: python -m experiments.gpu.load READY SECONDS; prints the times as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

# Products of 8192 × 8192 in bf16 take 1.4 ms on an H200.
_SIZE, _SMALL_SIZE = 8192, 256
_FEW = 4


def main(ready: str, seconds: float) -> None:
    on_gpu = torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    if not on_gpu:
        torch.set_num_threads(1)
    size = _SIZE if on_gpu else _SMALL_SIZE
    one = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    other = torch.randn_like(one)

    def work() -> None:
        for _ in range(_FEW):
            torch.mm(one, other)
        if on_gpu:
            torch.cuda.synchronize()

    for _ in range(3):
        work()
    Path(ready).touch()
    time.sleep(1.0)
    busy = []
    end_s, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        # Of no common measure with a register's period, so that edges fall everywhere between its moves.
        began_s = time.monotonic()
        while time.monotonic() < began_s + 0.25 + 0.0137 * (turn % 16):
            work()
        busy.append((began_s, time.monotonic()))
        time.sleep(0.22 + 0.0071 * (turn % 16))
        turn += 1
    print(json.dumps(busy))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
