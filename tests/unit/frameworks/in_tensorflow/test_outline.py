"""Every layer has one path, every variable leads back to it, and code is searched without being run."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from smaragdine.frameworks.tensorflow.functions import held_in
from smaragdine.frameworks.tensorflow.outline import Outline
from smaragdine.frameworks.tensorflow.program import Program
from smaragdine.frameworks.tensorflow.reach import reached, reached_by_caller
from smaragdine.frameworks.tensorflow.variables import named_variables


class Variable:
    def __init__(self, path: str) -> None:
        self.path, self.name = path, path.rpartition("/")[2]


class Layer:
    """As much of a Keras layer as is asked of it."""

    def __init__(self, name: str, *held: Layer, variables: tuple[Variable, ...] = (), **attributes: Any) -> None:
        self.name, self.held = name, list(held)
        self._trainable_variables = list(variables)
        vars(self).update(attributes)

    def _flatten_layers(self, *, include_self: bool, recursive: bool) -> list[Layer]:
        assert not include_self and not recursive
        return self.held

    @property
    def trainable_variables(self) -> list[Variable]:
        return [*self._trainable_variables, *(one for layer in self.held for one in layer.trainable_variables)]

    @property
    def variables(self) -> list[Variable]:
        return self.trainable_variables


class Optimizer:
    def __init__(self, name: str, of: list[Variable], kinds: tuple[str, ...]) -> None:
        self.name, self._trainable_variables = name, of
        slots = [f"{name}/{one.path.replace('/', '_')}_{kind}" for one in of for kind in kinds]
        self.variables = [Variable(path) for path in (f"{name}/iteration", *slots)]

    def apply_gradients(self) -> None:
        raise AssertionError("nothing is run")


def paths(*models: Layer) -> list[str]:
    return [path for _, path in Outline(models).layers]


def test_layers_come_after_their_holder_under_the_name_of_the_model() -> None:
    model = Layer("pair", Layer("encoder", Layer("dense")), Layer("decoder", Layer("dense"), Layer("flat")))
    assert paths(model) == [
        "pair", "pair/encoder", "pair/encoder/dense", "pair/decoder", "pair/decoder/dense", "pair/decoder/flat",
    ]  # fmt: skip


def test_a_layer_that_several_hold_has_the_path_of_the_first() -> None:
    shared = Layer("shared", Layer("inner"))
    outline = Outline([Layer("pair", Layer("encoder", shared), Layer("decoder", shared))])
    assert outline.path(shared) == "pair/encoder/shared"
    assert outline.path(shared.held[0]) == "pair/encoder/shared/inner"
    assert outline.shared == {"pair/decoder/shared": "pair/encoder/shared"}


def test_a_part_that_is_given_beside_its_model_keeps_the_path_that_came_first() -> None:
    part = Layer("critic", Layer("dense"))
    model = Layer("gan", part)
    assert Outline([model, part]).shared == {"critic": "gan/critic"}
    assert paths(part, model) == ["critic", "critic/dense", "gan"]
    assert Outline([part, model]).shared == {"gan/critic": "critic"}


def test_a_model_that_holds_itself_ends() -> None:
    model = Layer("loop")
    model.held += [Layer("dense"), model]
    assert paths(model) == ["loop", "loop/dense"]


def test_variables_of_one_name_in_two_parts_and_their_slots_are_told_apart() -> None:
    """Functional models do not put their names before their layers'."""
    kernels = [Variable("dense/kernel"), Variable("dense/kernel")]
    parts = [Layer(name, Layer("dense", variables=(kernel,))) for name, kernel in zip("ab", kernels, strict=True)]
    optimizer = Optimizer("adam", kernels, ("momentum", "velocity"))
    named = named_variables(Outline([Layer("pair", *parts, optimizer=optimizer)]))
    assert [named[id(kernel)][1] for kernel in kernels] == ["pair/a/dense/kernel", "pair/b/dense/kernel"]
    assert [named[id(one)][1] for one in optimizer.variables] == [
        "adam/iteration",
        "adam/pair/a/dense/kernel/momentum", "adam/pair/a/dense/kernel/velocity",
        "adam/pair/b/dense/kernel/momentum", "adam/pair/b/dense/kernel/velocity",
    ]  # fmt: skip


@pytest.mark.parametrize("kept", ["alone", "list", "dict"])
def test_optimizers_under_names_of_the_users_own_are_found(kept: str) -> None:
    kernel = Variable("dense/kernel")
    optimizer = Optimizer("mine", [kernel], ("momentum",))
    held = {"alone": optimizer, "list": [optimizer], "dict": {"critic": optimizer}}[kept]
    model = Layer("gan", Layer("dense", variables=(kernel,)), critic_optimizer=held)
    named = named_variables(Outline([model]))
    assert named[id(optimizer.variables[1])][1] == "mine/gan/dense/kernel/momentum"


KNOWN = Layer("known", variables=(Variable("known/kernel"),))


def helper() -> Any:
    return KNOWN.held


def test_a_function_reaches_what_it_holds_names_and_calls() -> None:
    held = Layer("held", variables=(Variable("held/kernel"),))

    def step() -> Any:
        def inner() -> Any:
            return held.name

        return inner(), helper()

    assert [layer.name for layer in held_in(step)] == ["held", "known"]


class Trainer:
    def __init__(self) -> None:
        self.critic = Layer("critic", variables=(Variable("critic/kernel"),))
        self.unused = Layer("unused")

    @property
    def asked(self) -> Any:
        raise AssertionError("nothing is run")

    def step(self) -> Any:
        return self.critic, self.asked


def test_a_method_reaches_attributes_of_its_object_and_asks_no_property() -> None:
    trainer = Trainer()
    found = list(reached(trainer.step))
    assert trainer.critic in found and trainer.unused not in found
    assert Program(trainer.step).outline().path(trainer.critic) == "critic"


def test_functions_of_another_module_of_the_program_are_followed_and_those_of_a_library_not(tmp_path: Path) -> None:
    def defined_in(path: Path) -> Any:
        module = ModuleType(path.stem)
        module.__file__ = str(path)
        module.net = Layer(path.stem)  # type: ignore[attr-defined]
        exec(compile("def forward():\n    return net\n", path, "exec"), module.__dict__)
        return module

    ours = defined_in(tmp_path / "networks.py")
    library = defined_in(Path(sysconfig.get_path("purelib")) / "library" / "networks.py")

    forward, other = ours.forward, library.forward

    def step_of_modules() -> Any:
        return ours.forward(), library.forward()

    def step_of_functions() -> Any:
        return forward(), other()

    for step in (step_of_modules, step_of_functions):
        found = list(reached(step))
        assert ours.net in found and library.net not in found


def test_a_loop_reaches_the_step_that_it_names() -> None:
    trainer = Trainer()
    found = list(reached_by_caller())
    assert trainer in found
    assert trainer.step in found, "its code names the method"
    assert trainer.critic in found, "which names the layer"


def test_what_cannot_be_read_raises_nothing() -> None:
    class Odd:
        def __getattribute__(self, name: str) -> Any:
            if name == "__dict__":
                raise RuntimeError("odd")
            return object.__getattribute__(self, name)

    odd = Odd()

    def step() -> Any:
        return odd.step, missing  # noqa: F821

    assert odd not in list(reached(step))
    assert list(reached(len)) == []
