"""What is forgotten in the forward pass and computed again in the backward pass.

As ``torch.utils.checkpoint``: the function runs without autograd and only its operands are kept; when the
backward pass arrives it runs again with autograd, and what it keeps then lives until its gradients are done.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec

from .tape import Node, Recomputed, Tape, kept
from .tensor import Tensor

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
    rule = partial(_run_again, function=function, args=_without_memory(args), kwargs=kwargs)
    result.node = Node(tape, "checkpoint", saved, given, rule)
    tape.recomputed.append(Recomputed(result.node.time, tape.place, again))
    return result


def _without_memory(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(argument.bare() if isinstance(argument, Tensor) else argument for argument in args)


def _run_again(
    operands: tuple[Tensor, ...],
    grads: list[Any],
    wanted: tuple[bool, ...],
    *,
    function: Callable[..., Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> list[Any]:
    """The function once more, now with autograd, and its own backward pass at once."""
    from .backward import Pass

    tape = grads[0].tape
    leaves = [
        Tensor(x.storage, x.shape, x.strides, x.item, leaf=want) for x, want in zip(operands, wanted, strict=True)
    ]
    waiting = iter(leaves)
    with tape.setting(grad=True, registering=False):
        result = function(*(next(waiting) if isinstance(a, Tensor) else a for a in args), **kwargs)
    if result.node is not None:
        Pass(tape).run(result.node, grads[0])
    return [tape.gradients.pop(id(leaf), (leaf, None))[1] for leaf in leaves]


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
