"""Multiply-accumulates of the backward pass, read off the graph that autograd made of a run.

Going back, a product costs as much as it did for each of its operands that want a gradient, if a gradient reaches
it: from the outputs the graph is walked, and what leads to none of them costs nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ..algebra.polynomial import Polynomial, constant
from .outcome import Place
from .rules import tensors_in

_NOTE = "_vpcalc_products"
_VIEWS = ("View", "Reshape", "Alias", "Transpose", "Squeeze", "Unsqueeze", "Permute", "Select", "Slice")


class Gradients:
    """Products of a run, each at the node of autograd's graph that its result came from."""

    def __init__(self) -> None:
        self._noted: list[tuple[Place, Polynomial]] = []

    def note(self, place: Place, back: Polynomial, result: Any) -> None:
        """A product was computed. The node is not kept: a branch that is dropped has to go.

        A result that is a view has a node for that, too, which is another one after it is written into.
        """
        node = next((tensor.grad_fn for tensor in tensors_in(result) if tensor.grad_fn is not None), None)
        if node is None:
            return
        number = len(self._noted)
        self._noted.append((place, back))
        metadata(node).setdefault(_NOTE, []).append(number)
        while node is not None and any(view in type(node).__name__ for view in _VIEWS):
            node = node.next_functions[0][0]
            if node is not None:
                metadata(node).setdefault(_NOTE, []).append(number)

    def reached(self, outputs: Iterable[Tensor]) -> tuple[dict[Place, Polynomial], str]:
        """What the gradients of the outputs cost, or why that is not known."""
        found: defaultdict[Place, Polynomial] = defaultdict(lambda: constant(0))
        reached: set[int] = set()
        waiting = [tensor.grad_fn for tensor in outputs if tensor.grad_fn is not None]
        seen = set(waiting)
        while waiting:
            node = waiting.pop()
            if isinstance(node, torch.autograd.function.BackwardCFunction):
                return {}, f"{type(node).__name__} is a backward pass of the program's own"
            reached.update(metadata(node).get(_NOTE, ()))
            following = {step for step, _ in node.next_functions if step is not None} - seen
            seen |= following
            waiting += following
        for number in sorted(reached):
            place, back = self._noted[number]
            found[place] += back
        return dict(found), ""


def metadata(node: Any) -> dict[str, Any]:
    """What goes when the node does."""
    return node.metadata  # type: ignore[no-any-return]
