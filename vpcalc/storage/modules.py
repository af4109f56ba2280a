"""Modules of a description: parameters, buffers, and the names by which a network's modules are found.

A module is a function whose first argument is its name in the module above it and whose second is a tensor:
``linear("proj", x, C)``. Names are those of the reference modules, so that bytes can be compared layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from . import functions
from .layout import Sizes
from .tape import BUFFER, PARAMETER, Tape
from .tensor import INT64, Tensor, Type, fresh

P = ParamSpec("P")
T = TypeVar("T")

Step = Callable[[str, Tensor], Tensor]
"""A module of one tensor, waiting for its name."""


def module(describe: Callable[P, T]) -> Callable[Concatenate[str, P], T]:
    """Make a description a module: it is called with its name first."""

    @wraps(describe)
    def call(name: str, /, *args: P.args, **kwargs: P.kwargs) -> T:
        tape: Tape = args[0].tape  # type: ignore[attr-defined]
        with tape.inside(name):
            return describe(*args, **kwargs)

    return call


def parameter(tape: Tape, *shape: Any) -> Tensor:
    """A weight that is trained."""
    found = fresh(tape, shape, tape.item, PARAMETER, leaf=True)
    if tape.registering:
        tape.parameters.append(found)
    return found


def buffer(tape: Tape, shape: Sizes, item: Type | None = None) -> Tensor:
    """A tensor that belongs to a module and is not trained."""
    found = fresh(tape, shape, item or tape.item, BUFFER)
    if tape.registering:
        tape.buffers.append(found)
    return found


@module
def linear(x: Tensor, fan_out: Any, bias: bool = True) -> Tensor:
    """(…, fan_in) to (…, fan_out)."""
    weight = parameter(x.tape, fan_out, x.shape[-1])
    return functions.affine(x, weight, parameter(x.tape, fan_out) if bias else None)


@module
def layer_norm(x: Tensor) -> Tensor:
    """Over the last dimension, with affine parameters."""
    weight, bias = parameter(x.tape, x.shape[-1]), parameter(x.tape, x.shape[-1])
    return functions.layer_norm(x, weight, bias)


@module
def batch_norm(x: Tensor) -> Tensor:
    """Over all but the channels, with affine parameters and running statistics."""
    tape, channels = x.tape, x.shape[1]
    weight, bias = parameter(tape, channels), parameter(tape, channels)
    buffer(tape, (channels,)), buffer(tape, (channels,)), buffer(tape, (), INT64)
    return functions.batch_norm(x, weight, bias)


@module
def conv(
    x: Tensor,
    fan_out: Any,
    kernel: tuple[Any, Any],
    *,
    stride: Any = 1,
    padding: Any = 0,
    groups: Any = 1,
    bias: bool = True,
) -> Tensor:
    """(batch, fan_in, h, w) to (batch, fan_out, h', w')."""
    weight = parameter(x.tape, fan_out, x.shape[1] // groups, *kernel)
    offset = parameter(x.tape, fan_out) if bias else None
    return functions.convolve(x, weight, offset, (stride, stride), (padding, padding))


def embedding(name: str, ids: Tensor, table: Tensor) -> Tensor:
    """The rows of a table (words, width) for each id. Who shares a table shares the module."""
    tape = ids.tape
    with tape.setting(_path=[tape.home(name, table)]):
        return functions.rows_of(table, ids)


@module
def sequential(x: Tensor, *steps: Step) -> Tensor:
    """One after the other; what a step has consumed is freed after it."""
    for number, step in enumerate(steps):
        x = step(str(number), x)
    return x
