"""What code can reach by name: what a function holds, globals of its module, and attributes of what it names.

Functions of the program's are followed in whatever module they lie; of a library, those of the first one's module.
Nothing is called, and nothing here raises.
"""

from __future__ import annotations

import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FrameType, ModuleType
from typing import Any

# A training step lies few calls deep.
_MOST_FUNCTIONS = 64
_MOST_WRAPPERS = 16
_LIBRARIES = tuple({sysconfig.get_path(of) for of in ("stdlib", "platstdlib", "purelib", "platlib")})
# What `with` runs between a program and us.
_BETWEEN = ("smaragdine", "contextlib")


def reached(function: Any) -> Iterator[Any]:
    """What `function` names, and what functions of the program's that it names do, the nearest first, each once."""
    yield from _reached(partial(_named_in, function), _module(function))


def reached_by_caller() -> Iterator[Any]:
    """The same of the program that calls us now."""
    frame: FrameType | None = sys._getframe(1)
    while frame and str(frame.f_globals.get("__name__", "")).partition(".")[0] in _BETWEEN:
        frame = frame.f_back
    if frame:
        code, known, held = frame.f_code, frame.f_globals, list(frame.f_locals.values())
        yield from _reached(partial(_named, code, known, held), str(known.get("__name__", "")))


def closure(function: Any) -> Iterator[Any]:
    for cell in getattr(function, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a name that is not bound yet
            continue


def _reached(first: Callable[[], Iterator[Any]], module: str) -> Iterator[Any]:
    # Held, so that no other takes the place of one that is made when it is asked for, such as a method.
    seen: dict[int, Any] = {}
    waiting = [first]
    for functions, names in enumerate(waiting):
        if functions == _MOST_FUNCTIONS:
            return
        for held in names():
            if held is None or id(held) in seen or not _is_readable(held):
                continue
            seen[id(held)] = held
            yield held
            if callable(held) and (_module(held) == module or _is_of_program(held)):
                waiting.append(partial(_named_in, held))


def _named_in(function: Any) -> Iterator[Any]:
    """What the code of one function names, and of those that it wraps."""
    held: list[Any] = []
    for current in _unwrapped(function):
        if inspect.ismethod(current):
            # A method that TensorFlow compiled belongs to something that refers to the object.
            owner: Any = current.__self__
            held.append(owner.target if type(owner).__name__ == "TfMethodTarget" else owner)
        elif isinstance(code := getattr(current, "__code__", None), CodeType):
            yield from _named(code, getattr(current, "__globals__", {}), [*closure(current), *held])


def _unwrapped(function: Any) -> Iterator[Any]:
    """A function, and the one that it was made from: by `tf.function`, by a decorator, by binding it to an object."""
    for _ in range(_MOST_WRAPPERS):
        yield function
        made_from = (getattr(function, name, None) for name in ("python_function", "__wrapped__", "__func__"))
        function = next((one for one in made_from if one is not None), None)
        if function is None:
            return


def _named(code: CodeType, known: dict[str, Any], held: list[Any]) -> Iterator[Any]:
    names = _names(code)
    found = held + [known[name] for name in names if name in known]
    yield from found
    for one in found:
        if _has_attributes(one):
            yield from (attribute for name in names if (attribute := _attribute(one, name)) is not None)


def _names(code: CodeType) -> dict[str, None]:
    """The names in a function's code and in that of the functions it defines, in order."""
    names = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _is_readable(held: Any) -> bool:
    """Whether it may be asked for attributes: an object of the user's may do anything."""
    try:
        return bool([hasattr(held, name) for name in ("__dict__", "python_function")])
    except Exception:  # noqa: BLE001
        return False


def _has_attributes(held: Any) -> bool:
    """Whether this is an object of a program's own kind, or a module of the program's, and no class or function."""
    return (
        _is_readable(held)
        and not isinstance(held, type)
        and (not isinstance(held, ModuleType) or _lies_in_program(getattr(held, "__file__", None)))
        and hasattr(held, "__dict__")
        and not hasattr(held, "__code__")
    )


def _attribute(owner: Any, name: str) -> Any:
    """What a property gives is not known without calling it."""
    try:
        if name not in vars(owner) and not any(name in vars(kind) for kind in type(owner).__mro__):
            return None
        static = inspect.getattr_static(owner, name)
        return None if isinstance(static, property) else getattr(owner, name)
    except Exception:  # noqa: BLE001  an object of the user's may do anything
        return None


def _module(function: Any) -> str:
    return str(getattr(_innermost(function), "__module__", ""))


def _is_of_program(function: Any) -> bool:
    """Whether this is a function that no library defines."""
    innermost = _innermost(function)
    code = getattr(innermost.__func__ if inspect.ismethod(innermost) else innermost, "__code__", None)
    return isinstance(code, CodeType) and _lies_in_program(code.co_filename)


def _lies_in_program(file: Any) -> bool:
    return isinstance(file, str) and not file.startswith(_LIBRARIES)


def _innermost(function: Any) -> Any:
    return list(_unwrapped(function))[-1]
