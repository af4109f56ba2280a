"""What is forgotten in the forward pass and computed again in the backward pass.

As ``torch.utils.checkpoint``: the function runs without autograd and only its operands are kept; when the
backward pass arrives it runs again with autograd, and what it keeps then lives until its gradients are done.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from .tape import Node, Recomputed, Tape, kept
from .tensor import Tensor, nodes

P = ParamSpec("P")


def recomputable(block: Callable[Concatenate[Tensor, P], Tensor]) -> Callable[Concatenate[Tensor, P], Tensor]:
    """Mark the block of a network: where blocks are recomputed, only what comes into it is kept."""

    @wraps(block)
    def run(x: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        if x.tape.recompute == "block":
            return checkpoint(block, x, *args, **kwargs)
        return block(x, *args, **kwargs)

    return run


def checkpoint(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """Run a function keeping only the tensors that it is given."""
    given = tuple(argument for argument in args if isinstance(argument, Tensor))
    tape = given[0].tape
    if not tape.grad:
        return function(*args, **kwargs)
    again = _again(tape, function, args, kwargs)
    with tape.setting(grad=False):
        result = function(*args, **kwargs)
    saved = tuple(("input", tensor.storage) for tensor in given)
    result.node = Node(tape, "checkpoint", saved, nodes(*given))
    tape.recomputed.append(Recomputed(result.node.time, tape.place, again))
    return result


def _again(tape: Tape, function: Callable[..., Tensor], args: Any, kwargs: Any) -> Any:
    """Bytes that autograd keeps when the function runs in the backward pass, beside the operands."""
    cut = tuple(_leaf(a) if isinstance(a, Tensor) else a for a in args)
    operands = {id(a.storage) for a in cut if isinstance(a, Tensor)}
    with tape.setting(registering=False, live=tape.live, top=tape.top, times=None):
        result = function(*cut, **kwargs)
        sizes = [storage.bytes for _, _, storage in kept(result.node) if id(storage) not in operands]
        del result
    total: Any = 0
    for size in sizes:
        total = total + size
    return total


def _leaf(tensor: Tensor) -> Tensor:
    """The same tensor without its past."""
    return Tensor(tensor.storage, tensor.shape, tensor.strides, tensor.item, None, tensor.learns)
