"""The functions that TensorFlow compiled from a program: what they are made of, and which variables they capture.

Nothing here raises, and nothing is compiled or run: a function that cannot be read gives less detail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from smaragdine.frameworks.tensorflow.reach import closure, reached

# What reading another library's insides may raise when they change.
UNREADABLE = (AttributeError, KeyError, TypeError, ValueError, RuntimeError, NotImplementedError)

# A training step lies few closures deep.
_MOST_CLOSURES = 64


def functions(program: Any) -> Iterator[Any]:
    """Every `tf.function` that `program`, a callable, is or holds in its closures, the outermost first."""
    seen: set[int] = set()
    waiting = [program]
    while waiting and len(seen) < _MOST_CLOSURES:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if is_function(current):
            yield current
            waiting.append(getattr(current, "python_function", None))
        waiting.extend(held for held in closure(current) if callable(held))


def functions_in(function: Any) -> Iterator[Any]:
    """Every `tf.function` among the things that a function reaches."""
    yield from filter(is_function, reached(function))


def is_function(candidate: Any) -> bool:
    """Whether this is a `tf.function`."""
    return hasattr(candidate, "_list_all_concrete_functions")


def held_in(function: Any) -> Iterator[Any]:
    """What holds variables among the things that a function reaches: an optimizer, a metric, a layer."""
    yield from filter(variables_of, reached(function))


def variables_of(holder: Any) -> list[Any]:
    """The variables that a model, an optimizer or a metric holds; none of anything else."""
    try:
        held = getattr(holder, "variables", None)
        return list(held) if isinstance(held, (list, tuple)) else []
    except Exception:  # noqa: BLE001  an object of the user's may do anything
        return []


def traces(function: Any) -> int:
    """How many times TensorFlow has traced the function, once for each signature."""
    try:
        return int(function.experimental_get_tracing_count())
    except UNREADABLE:
        return 0


def compiles_by_xla(function: Any) -> bool:
    """Whether XLA compiles the function, once for each shape of its arguments."""
    return bool(getattr(function, "_jit_compile", False))


def graph_def(function: Any) -> bytes | None:
    """A `tensorflow.GraphDef` with the function's last trace in its library, serialised; `None` before the first.

    Its arguments have the names that `captures` knows them by.
    """
    for concrete in _concrete(function)[-1:]:
        try:
            graph = concrete.graph.as_graph_def()
            graph.ClearField("node")
            graph.library.function.append(concrete.function_def)
            return bytes(graph.SerializeToString())
        except UNREADABLE:
            return None
    return None


def captures(of: Iterable[Any], named: Iterable[tuple[Any, str]]) -> dict[str, str]:
    """What the functions call each variable that they capture → the variable's path.

    That is the `_user_specified_name` of the argument for it, or where several arguments share that, its node's name.
    `named` gives variables with their paths; others have the name that TensorFlow knows. A name that functions use for
    several variables tells nothing and is left out.
    """
    paths = {id(handle): path for variable, path in named for handle in _handles(variable)}
    found: dict[str, set[str]] = {}
    for function in of:
        for concrete in _concrete(function):
            for variable in concrete.graph.variables:
                for handle in _handles(variable):
                    paths.setdefault(id(handle), str(variable.name).partition(":")[0])
            held = list(_captured(concrete))
            shared = Counter(user for _, _, (_, user) in held)
            for captured, argument, (node, user) in held:
                if (path := paths.get(id(captured))) is not None:
                    # A function within this one captures the argument.
                    paths[id(argument)] = path
                    found.setdefault(user if shared[user] == 1 else node, set()).add(path)
    return {name: path for name, (path, *others) in found.items() if name and not others}


def capture_names(function: Any) -> list[set[tuple[str, str]]]:
    """How each trace of the function calls what it captures: a node's name, and the `_user_specified_name`."""
    return [{names for _, _, names in _captured(concrete)} for concrete in _concrete(function)]


def _captured(concrete: Any) -> Iterator[tuple[Any, Any, tuple[str, str]]]:
    """What a trace captures, its own argument for that, and the names of the argument."""
    try:
        signature = [argument.name for argument in concrete.function_def.signature.input_arg]
        nodes = dict(zip(map(id, concrete.graph.inputs), signature, strict=True))
        for captured, argument in concrete.graph.captures:
            yield captured, argument, (nodes.get(id(argument), ""), _user_name(argument))
    except UNREADABLE:
        return


def _concrete(function: Any) -> list[Any]:
    # Asked for its concrete functions, one with a signature would be traced here and now.
    try:
        return list(function._list_all_concrete_functions()) if traces(function) else []
    except UNREADABLE:
        return []


def _handles(variable: Any) -> Iterator[Any]:
    """The resource of a variable, or of each of its replicas."""
    # A Keras variable holds TensorFlow's.
    held = getattr(variable, "_value", None)
    inner = held if hasattr(held, "handle") or hasattr(held, "values") else variable
    replicas = getattr(inner, "values", None)
    for one in replicas if isinstance(replicas, (list, tuple)) else (inner,):
        if (handle := getattr(one, "handle", None)) is not None:
            yield handle


def _user_name(argument: Any) -> str:
    try:
        return str(argument.op.get_attr("_user_specified_name").decode())
    except UNREADABLE:
        return ""
