"""One of two processes that train a model together, in one way after the other: torchrun … ranks.py OUTPUT WAY…"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from models import Bert, Block, training, words
from torch import distributed, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import ModuleWrapPolicy

import smaragdine


def wrapped(model: nn.Module, way: str) -> nn.Module:
    """As programs wrap it."""
    if "checkpoint" in way:
        apply_activation_checkpointing(model, check_fn=lambda module: isinstance(module, Block))
    if way.startswith("ddp"):
        inside = torch.compile(model, backend="aot_eager") if "compile" in way else model
        return nn.parallel.DistributedDataParallel(inside)
    if way.startswith("fully_shard"):
        from torch.distributed.fsdp import fully_shard

        for module in model.modules():
            if isinstance(module, Block):
                fully_shard(module)
        fully_shard(model)
        return model
    policy = ModuleWrapPolicy({Block})
    return FullyShardedDataParallel(model, auto_wrap_policy=policy, device_id=torch.device("cpu"), use_orig_params=True)


def main(output: str, *ways: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    for way in ways:
        torch.manual_seed(0)
        model = wrapped(Bert(width=16), way)
        step = training(model, words)
        with smaragdine.record(Path(output) / way, model=model, window=2, every=4) as recording:
            for _ in range(8):
                with recording.step(samples=8):
                    step()
        distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
