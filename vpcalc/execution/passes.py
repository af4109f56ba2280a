"""The backward pass of a run that is followed in bytes: where its nodes were made, and when gradients meet.

Memory is seen where operators are dispatched, as in the forward pass (:mod:`vpcalc.execution.storages`). What is
to be known beside is which node of the graph runs, and when it is over: the engine then adds gradients that meet,
in place if nobody looks on.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .gradients import metadata
from .outcome import Passes, Place
from .rules import shape_of, tensors_in
from .sizes import form_of
from .storages import Storages

_PLACE, _SHAPES = "_vpcalc_place", "_vpcalc_shapes"


def note(place: Place, result: Any) -> None:
    """A call is over: the nodes that it made belong to its place, and its results' shapes to their nodes."""
    waiting = []
    for tensor in tensors_in(result):
        if (node := tensor.grad_fn) is not None:
            shape = tuple(tensor.size()), [form_of(side) for side in shape_of(tensor)]
            metadata(node).setdefault(_SHAPES, {})[tensor.output_nr] = shape
            waiting.append(node)
    while waiting:
        node = waiting.pop()
        if _PLACE not in metadata(node):
            metadata(node)[_PLACE] = place
            waiting += [step for step, _ in node.next_functions if step is not None]


def passes(module: nn.Module, outputs: Iterable[Tensor], storages: Storages, gathering: bool) -> Passes:
    """The backward pass of the sum of all outputs that have gradients; all live until it is over.

    Of complex outputs it is the real part. With ``gathering`` a weight's gradient is let go when it is there, as
    where it is added to a wider one.

    Raises:
        RuntimeError: nothing is trained.
        Exception: whatever a backward pass of the program's own raises.
    """
    module.zero_grad(set_to_none=True)
    ending = [output for output in outputs if output.requires_grad]
    if not ending:
        raise RuntimeError("no output depends on a parameter that is trained")
    loss = torch.stack([output.sum() for output in ending]).sum()
    loss = loss.real if loss.is_complex() else loss
    reached: set[int] = set()
    trained: list[Any] = [weight for weight in module.parameters() if weight.requires_grad]
    arrived = partial(_arrived, reached, gathering)
    hooks = [weight.register_post_accumulate_grad_hook(arrived) for weight in trained]
    try:
        _watch(loss.grad_fn, storages)
        storages.node = "", "sum"
        torch.autograd.backward(loss)
        del loss
        found = storages.passes()
        weights = (weight for weight in trained if id(weight) in reached)
        return found._replace(weights=tuple(tuple(weight.size()) for weight in weights))
    finally:
        for hook in hooks:
            hook.remove()
        storages.node, storages.is_adding = None, False
        module.zero_grad(set_to_none=True)


def _arrived(reached: set[int], gathering: bool, weight: Tensor) -> None:
    reached.add(id(weight))
    if gathering:
        weight.grad = None


def _watch(root: Any, storages: Storages) -> None:
    """Have all nodes of a graph say when they begin and when they are over."""

    def watch(node: Any) -> None:
        place = metadata(node).get(_PLACE, ("", node.name().removesuffix("Backward0")))
        shapes = [*metadata(node).get(_SHAPES, {}).values()]
        for step, number in node.next_functions:
            if step is not None and number in (known := metadata(step).get(_SHAPES, {})):
                shapes.append(known[number])

        def begin(_: Any) -> None:
            storages.node, storages.shapes, storages.is_adding = place, shapes, False

        def over(_: Any, __: Any) -> None:
            storages.is_adding = True

        node.register_prehook(begin)
        node.register_hook(over)

    seen, waiting = {root}, [root]
    while waiting:
        node = waiting.pop()
        watch(node)
        following = {step for step, _ in node.next_functions if step is not None} - seen
        seen |= following
        waiting += following
