"""Counting a module for a test: by shapes alone where that works."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..checks.shapes import parse_inputs
from ..counters.dispatch import DispatchCounts
from ..counters.ways import DTYPES, Build, TensorShape, Way, needs_values, run
from ..counters.weights import without_weights
from ..errors import InputError, first_line


def count(model: object, inputs: object, kwargs: Mapping[str, Any] | None = None) -> DispatchCounts:
    """Count one forward pass of a module, or of the module that a function makes, in eval mode.

    Nothing of the module is changed and nothing large is computed, unless its operators depend on values.

    Raises:
        InputError: it is no module, its inputs are no shapes, or it does not run on them.
    """
    make = _maker(model)
    specs = _specs(inputs)
    problem: Exception | None = None
    for way in Way:
        counts, error = _tried(way, lambda: (make(), specs), kwargs)
        if counts is not None:
            return counts
        problem = problem or error
        if error is None or not needs_values(error):
            break
    assert problem is not None
    raise InputError(f"assert_cost: the module does not run on these inputs: {first_line(problem)}") from problem


def _tried(
    way: Way, build: Build, kwargs: Mapping[str, Any] | None
) -> tuple[DispatchCounts | None, Exception | None]:
    try:
        return run(way, build, kwargs), None
    except InputError:
        raise
    except Exception as error:
        return None, error


def _maker(model: object) -> Callable[[], nn.Module]:
    if isinstance(model, nn.Module):
        module = model
        return lambda: without_weights(module)
    if callable(model):
        factory: Callable[[], Any] = model

        def make() -> nn.Module:
            made = factory()
            if not isinstance(made, nn.Module):
                raise InputError(f"assert_cost: the function made a {type(made).__name__}; must make a module")
            return made

        return make
    raise InputError(
        f"assert_cost: a {type(model).__name__}; must be a torch.nn.Module or a function that makes one"
    )


def _specs(inputs: object) -> Sequence[TensorShape]:
    """Shapes from a text (``1,3,224,224``), a tensor, or several tensors."""
    if isinstance(inputs, str):
        shapes = parse_inputs(inputs)
        named = [dim for shape in shapes for dim in shape.dims if isinstance(dim, str)]
        if named:
            raise InputError(f"assert_cost: inputs {inputs[:60]!r}: {named[0]} must be a number")
        return [TensorShape(shape.at({}), shape.dtype or "float32", shape.keyword) for shape in shapes]
    if isinstance(inputs, Mapping):
        return [_spec(value, str(name)) for name, value in inputs.items()]
    if isinstance(inputs, (tuple, list)):
        return [_spec(value) for value in inputs]
    return [_spec(inputs)]


def _spec(value: object, keyword: str = "") -> TensorShape:
    if not isinstance(value, Tensor):
        raise InputError(
            f"assert_cost: an input is a {type(value).__name__}; must be a tensor, or a text such as 1,3,224,224"
        )
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise InputError(f"assert_cost: an input is of {dtype}; must be one of {', '.join(DTYPES)}")
    return TensorShape(tuple(value.shape), dtype, keyword)
