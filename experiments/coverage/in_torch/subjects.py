"""The models of the table, small and with random weights: each with its loss, its layers, and what is checkpointed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from .pictures import CLASSES, BasicBlock, InvertedResidual, MobileNetV3, ResNet18, UNet
from .words import WORDS, Block, Lstm, Transformer

BATCH, LENGTH, SIDE = 8, 64, 64


@dataclass(frozen=True)
class Subject:
    model: nn.Module
    root: str
    """What its operations' paths begin with."""
    loss: Callable[[nn.Module], torch.Tensor]
    """Of the model, wrapped or not."""
    blocks: tuple[type[nn.Module], ...]
    """Checkpointed, one by one."""

    @property
    def layers(self) -> frozenset[str]:
        names = (name.replace(".", "/") for name, _ in self.model.named_modules())
        return frozenset(f"{self.root}/{name}" if name else self.root for name in names)


def of_words(model: nn.Module, root: str, *blocks: type[nn.Module]) -> Subject:
    words, labels = torch.randint(0, WORDS, (BATCH, LENGTH)), torch.randint(0, WORDS, (BATCH * LENGTH,))
    return Subject(model, root, lambda net: functional.cross_entropy(net(words).flatten(0, 1), labels), blocks)


def of_pictures(model: nn.Module, root: str, *blocks: type[nn.Module]) -> Subject:
    pictures, labels = torch.randn(BATCH, 3, SIDE, SIDE), torch.randint(0, CLASSES, (BATCH,))
    return Subject(model, root, lambda net: functional.cross_entropy(net(pictures), labels), blocks)


def bert() -> Subject:
    """Hugging Face's; it computes its loss itself."""
    from transformers import BertConfig, BertForMaskedLM
    from transformers.models.bert.modeling_bert import BertLayer

    config = BertConfig(
        vocab_size=WORDS, hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=512
    )
    words = torch.randint(0, WORDS, (BATCH, LENGTH))
    model = BertForMaskedLM(config)
    return Subject(model, "bert_for_masked_lm", lambda net: net(input_ids=words, labels=words).loss, (BertLayer,))


def gpt2() -> Subject:
    """Hugging Face's; it computes its loss itself."""
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.models.gpt2.modeling_gpt2 import GPT2Block

    config = GPT2Config(vocab_size=WORDS, n_embd=128, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)
    words = torch.randint(0, WORDS, (BATCH, LENGTH))
    model = GPT2LMHeadModel(config)
    return Subject(model, "gpt2lm_head_model", lambda net: net(input_ids=words, labels=words).loss, (GPT2Block,))


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "bert": bert,
    "gpt2": gpt2,
    "resnet18": lambda: of_pictures(ResNet18(), "res_net18", BasicBlock),
    "mobilenetv3": lambda: of_pictures(MobileNetV3(), "mobile_net_v3", InvertedResidual),
    "lstm": lambda: of_words(Lstm(), "lstm", nn.LSTM),
    "unet": lambda: of_pictures(UNet(), "u_net", nn.Sequential),
    "experts": lambda: of_words(Transformer(experts=True), "transformer", Block),
    # Trained by Lightning's Trainer.
    "lightning": lambda: of_words(Transformer(experts=False), "lit/net", Block),
}
