"""Where modules of PyTorch's are: paths of the user's names, without what wraps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fake_torch import made
from smaragdine.frameworks.torch.paths import paths, snake, unwrapped


def kind(name: str, base: Any) -> Any:
    return type(name, (base,), {})


def test_a_model_is_called_after_its_class_and_wrappers_have_no_names() -> None:
    torch, _ = made()
    module = torch.nn.Module
    head = module()
    net = kind("TinyGPT2", module)(layer=module(**{"0": module(), "1": module(mlp=head)}), tied=head)
    compiled = kind("OptimizedModule", module)(_orig_mod=net)
    wrapped = kind("DistributedDataParallel", module)(module=compiled)
    assert unwrapped(wrapped) is net
    told = [path for _, path in paths([wrapped])]
    model = "tiny_gpt2"
    assert told == [
        model,
        model,
        model,
        *(f"{model}/{path}" for path in ("layer", "layer/0", "layer/1", "layer/1/mlp")),
    ]


def test_a_name_that_only_wrappers_use_elsewhere_is_the_users_here() -> None:
    torch, _ = made()
    module = torch.nn.Module
    assert [path for _, path in paths([kind("Net", module)(module=module())])] == ["net", "net/module"]
    inside = kind("Net", module)(
        block=kind("CheckpointWrapper", module)(_checkpoint_wrapped_module=module(up=module()))
    )
    assert [path for _, path in paths([inside])] == ["net", "net/block", "net/block", "net/block/up"]


def test_a_class_that_was_put_in_place_of_the_users_has_no_name() -> None:
    torch, _ = made()
    module = torch.nn.Module
    bert, mixed = kind("Bert", module), type("FSDPModule", (), {})
    for cls in (
        type("FSDPBert", (mixed, bert), {}),
        type("DDPBert", (mixed, bert), {}),
        kind("ParametrizedBert", bert),
    ):
        assert [path for _, path in paths([cls()])] == ["bert"]
    twice = type("FSDPParametrizedBert", (mixed, kind("ParametrizedBert", bert)), {})
    assert [path for _, path in paths([twice()])] == ["bert"]
    # The user's own, whatever it is called.
    assert [path for _, path in paths([kind("FSDPBert", module)(), kind("DDPNet", bert)()])] == ["fsdp_bert", "ddp_net"]


def test_models_of_one_class_are_numbered_and_circles_end() -> None:
    torch, _ = made()
    one, other = torch.nn.Module(), torch.nn.Module()
    one._modules["self"] = one
    one._modules["none"] = None
    assert [path for _, path in paths([one, other])] == ["module", "module_1"]


def test_class_names_become_those_that_keras_would_give() -> None:
    names = {
        "Bert": "bert",
        "BertForMaskedLM": "bert_for_masked_lm",
        "ResNet18": "res_net18",
        "GPT": "gpt",
        "_": "model",
    }
    assert {name: snake(name) for name in names} == names


class Layer:
    """As Keras makes them: what a model holds is not among its modules."""

    def __init__(self, name: str, *layers: Layer) -> None:
        self.name = name
        self._layers = layers
        self._modules: dict[str, object] = {"_torch_params": object()}

    def _flatten_layers(self, *, include_self: bool, recursive: bool) -> list[Layer]:
        return list(self._layers)


def test_a_model_of_keras_has_the_names_that_keras_gives() -> None:
    shared = Layer("shared")
    model = Layer("net", Layer("block_0", Layer("up"), shared), Layer("block_1", shared))
    told = [path for _, path in paths([model])]
    assert told == ["net", "net/block_0", "net/block_0/up", "net/block_0/shared", "net/block_1"]
    wrapper = SimpleNamespace(_modules={"_orig_mod": model})
    assert [path for _, path in paths([wrapper])] == told
