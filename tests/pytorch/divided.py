"""One of two processes between which a model is divided: torchrun … divided.py OUTPUT WAY…"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

import smaragdine

STEPS = 8


class Mlp(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(torch.relu(self.up(x)))


class First(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Mlp()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x)


class Rest(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.second, self.head = Mlp(), nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(x))


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = Mlp(), Mlp(), nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(x)))


def tensors() -> tuple[nn.Module, Callable[[], object]]:
    """Columns of one matrix and rows of the next on each process."""
    model = Whole()
    mesh = init_device_mesh("cpu", (2,))
    for part in (model.first, model.second):
        parallelize_module(part, mesh, {"up": ColwiseParallel(), "down": RowwiseParallel()})
    return model, lambda: nn.functional.mse_loss(model(torch.ones(8, 32)), torch.zeros(8, 4)).backward()


def stages(schedule: type) -> tuple[nn.Module, Callable[[], object]]:
    """Half of the layers on each process, through which four small batches go."""
    rank = distributed.get_rank()
    model = First() if rank == 0 else Rest()
    stage = PipelineStage(model, rank, 2, torch.device("cpu"))
    pipeline = schedule(stage, 4, loss_fn=nn.functional.mse_loss)
    if rank == 0:
        return model, lambda: pipeline.step(torch.ones(8, 32))
    return model, lambda: pipeline.step(target=torch.zeros(8, 4))


WAYS: dict[str, Callable[[], tuple[nn.Module, Callable[[], object]]]] = {
    "tensor": tensors,
    "1f1b": lambda: stages(Schedule1F1B),
    "gpipe": lambda: stages(ScheduleGPipe),
}


def trained(way: str, output: Path | None) -> list[torch.Tensor]:
    """What the parameters are after some steps, recorded or not."""
    torch.manual_seed(0)
    model, passes = WAYS[way]()
    optimizer = torch.optim.AdamW(model.parameters())
    recorded = smaragdine.record(output, model=model, window=2, every=4) if output else nullcontext()
    with recorded as recording:
        for _ in range(STEPS):
            with recording.step(samples=8) if recording else nullcontext():
                passes()
                optimizer.step()
                optimizer.zero_grad()
    distributed.barrier()
    return [getattr(weight, "to_local", weight.detach)().clone() for weight in model.parameters()]


def main(output: str, *ways: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    for way in ways:
        alone, watched = trained(way, None), trained(way, Path(output) / way)
        assert all(map(torch.equal, alone, watched)), f"{way}: recording changed what was learnt"
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
