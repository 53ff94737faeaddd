"""Which framework a loop runs on, and how modules are found: neither needs JAX to be there."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from smaragdine.frameworks.jax.loop import runs_jax
from smaragdine.frameworks.jax.scopes import Scopes, is_module, walk


def module_of(library: str, **attributes: Any) -> Any:
    """A module as a library's own class would make it."""
    base = type("Module", (), {"__module__": f"{library}._module"})
    kind = type("Dense", (base,), {"__module__": "mine", "__call__": lambda self, x: x})
    made = kind()
    made.__dict__.update(attributes)
    return made


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Any:
    def only(*names: str) -> None:
        for name in ("jax", "tensorflow", "keras"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        for name in names:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))

    return only


def test_a_loop_runs_jax_only_where_the_program_imported_it(imported: Any) -> None:
    imported()
    assert not runs_jax(None)
    imported("tensorflow")
    assert not runs_jax(None)
    imported("jax")
    assert runs_jax(None)


def test_where_both_are_imported_the_model_decides(imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    imported("jax", "tensorflow", "keras")
    assert runs_jax(module_of("flax.nnx")) and runs_jax([module_of("equinox")])
    keras_model = type("Model", (), {"__module__": "keras.src.models.model"})()
    for backend, expected in (("jax", True), ("tensorflow", False)):
        sys.modules["keras"].backend = SimpleNamespace(backend=lambda backend=backend: backend)  # type: ignore[attr-defined]
        assert runs_jax(keras_model) is expected


def test_modules_of_flax_linen_name_themselves() -> None:
    assert is_module(module_of("flax.nnx")) and is_module(module_of("equinox"))
    assert not is_module(module_of("flax.linen")) and not is_module(module_of("torch.nn")) and not is_module(None)
    assert Scopes.of(module_of("flax.linen")) is None


def test_modules_are_found_in_attributes_lists_and_dictionaries_each_once() -> None:
    shared = module_of("equinox")
    model = module_of("equinox", blocks=[module_of("equinox"), shared], heads={"a": module_of("equinox")}, tied=shared)
    model.loop = model
    assert [path for path, _ in walk(model)] == ["", "tied", "blocks/0", "heads/a"]
    scopes = Scopes(model)
    assert (scopes.name, scopes.layer_paths) == ("Dense", ["tied", "blocks/0", "heads/a"])
