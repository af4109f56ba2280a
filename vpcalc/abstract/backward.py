"""The backward pass on abstract tensors: nodes in the order of autograd's engine, gradients as they come and go.

PyTorch's engine (``torch/csrc/autograd/engine.cpp``) runs the node that was made last among those whose gradients
have all arrived, and puts a weight's gradient away at once. A node's gradients live until it is done, what it kept
is let go after that, and gradients that meet are added. Here as there a gradient is freed where the last one lets
go of it, by Python's own counting of references.
"""

from __future__ import annotations

from collections.abc import Sequence
from sys import getrefcount
from typing import Any

from ..algebra.traced import decisive, value_of
from ..dims import is_one
from . import layout
from .functions import converted, stack
from .tape import NOTHING, PARAMETER, Again, Node, Peak, Tape
from .tensor import Tensor, elementwise, fresh, make


class UnderivedError(ValueError):
    """An operator whose derivative is not described."""


ALONE = 2
"""References to what only one list holds: the list's, and that of who counts."""


def backward(tape: Tape, outputs: tuple[Tensor, ...]) -> None:
    """The backward pass of all outputs' sum: ``torch.stack([y.sum() for y in outputs]).sum().backward()``.

    Raises:
        UnderivedError: an operator has no derivative here.
    """
    loss = _total(stack([_total(output) for output in outputs]))
    with tape.setting(grad=False):
        one = fresh(tape, (), loss.item)  # held by the caller, as the loss is
        assert loss.node is not None
        with tape.setting(trail=[]):  # what runs again in the backward pass runs in full
            Pass(tape).run(loss.node, one, tape.again)


def _total(x: Tensor) -> Tensor:
    return make("sum", (), x.item, (x,), rule=_everywhere)


def _everywhere(operands: tuple[Tensor, ...], grads: list[Any], wanted: tuple[bool, ...]) -> list[Any]:
    """One number seen as a whole tensor."""
    shape = operands[0].shape
    return [Tensor(grads[0].storage, shape, (0,) * len(shape), grads[0].item)]


class Pass:
    """One run of the engine, whose gradients of leaves are put away on the tape."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._missing: dict[int, int] = {}
        self._arrived: dict[int, list[list[Tensor]]] = {}

    def run(self, root: Node, grad: Tensor, rounds: Sequence[Again] = ()) -> None:
        """From a node with its gradient to all leaves.

        A node's gradients come from nodes that were made later, so that the last one made is always ready.
        """
        nodes = self._reached(root)
        self._arrived[id(root)] = [[grad]]
        del grad
        waiting = [_Stretch(self.tape, same) for same in rounds]
        for node in nodes:
            for stretch in waiting:
                stretch.pass_by(node.time)
            with self.tape.setting(_path=[path] if (path := _moved(node, waiting)) else []):
                self._step(node)
        for stretch in waiting:
            stretch.pass_by(-1)

    def _reached(self, root: Node) -> list[Node]:
        """All nodes below one, the last made first; how many gradients each leaf waits for is noted."""
        seen, waiting = {id(root): root}, [root]
        while waiting:
            for edge in waiting.pop().edges:
                if edge is None:
                    continue
                target = edge[0]
                if not isinstance(target, Node):
                    self._missing[id(target)] = self._missing.get(id(target), 0) + 1
                elif id(target) not in seen:
                    seen[id(target)] = target
                    waiting.append(target)
        return sorted(seen.values(), key=lambda node: -node.time)

    def _step(self, node: Node) -> None:
        """Run a node's derivative, let go of what it kept, and hand its gradients on."""
        if node.rule is None:
            raise UnderivedError(f"the derivative of {node.kind} is not described")
        arrived = self._arrived.pop(id(node), None) or [[] for _ in range(node.results)]
        grads = [slot.pop() if slot else None for slot in arrived]
        made: list[Any] = [None] * len(node.edges)
        if any(grad is not None for grad in grads):
            made = node.rule(node.operands, grads, tuple(edge is not None for edge in node.edges))
            for place, operand in enumerate(node.operands):
                if made[place] is not None:
                    made[place] = _fitted(made[place], operand)
        grads.clear()
        node.saved = ()
        self._hand_on(node, made)

    def _hand_on(self, node: Node, made: list[Any]) -> None:
        """Give gradients to those who wait for them; those of leaves that have all are put away."""
        leaves = []
        for place, edge in enumerate(node.edges):
            holder = [made[place]]
            made[place] = None
            if edge is None:
                continue
            target, port = edge
            results = target.results if isinstance(target, Node) else 1
            slots = self._arrived.setdefault(id(target), [[] for _ in range(results)])
            if holder[0] is not None:
                self._add(slots[port], holder)
            if not isinstance(target, Node):
                self._missing[id(target)] -= 1
                if not self._missing[id(target)]:
                    leaves.append(target)
        for leaf in leaves:
            self._put_away(leaf, self._arrived.pop(id(leaf))[0])

    def _add(self, slot: list[Tensor], holder: list[Tensor]) -> None:
        """One more gradient, added in place where nobody else has what was there before."""
        if not slot:
            slot.append(holder.pop())
        elif self.tape.kernels.adds_in_place and _is_free(slot):
            holder.clear()
        else:
            slot[0] = elementwise("add", slot[0], holder[0])

    def _put_away(self, leaf: Tensor, slot: list[Tensor]) -> None:
        """A leaf's gradient: as it is where nobody else has it and it lies as the leaf does, else a copy."""
        if not slot or id(leaf) in self.tape.gradients:
            return
        alone = getrefcount(slot[0]) == ALONE
        if not (alone and _lies_as(slot[0], leaf)):
            slot[0] = make("copy", leaf.shape, leaf.item, (slot[0],), strides=leaf.strides)
        if self.tape.gathering and leaf.storage.role == PARAMETER:
            slot.clear()
        else:
            self.tape.gradients[id(leaf)] = leaf, slot.pop()


class _Stretch:
    """Rounds that were counted and not run (:mod:`vpcalc.abstract.repeating`), as a backward pass meets them.

    The last round that was run stands for the last of all; each of the others does what the round before that one
    does, at which the pass arrives next. So with the change that this one makes, the first of them begins where it
    begins and the last where as many changes have been made. The very first round, which may differ, is a third.
    """

    def __init__(self, tape: Tape, same: Again) -> None:
        self.tape, self.same = tape, same
        self.first = same.since - (same.until - same.since)
        self._live: Any = None
        self._top: Peak | None = None
        self._times = 0

    def pass_by(self, time: int) -> None:
        """The pass is at a node of that time."""
        tape, more = self.tape, self.same.more
        if self._top is None and time <= self.same.since:
            self._live, self._top, tape.top = tape.live, tape.top, NOTHING
            self._times = len(tape.times or ())
        if self._live is not None and time <= self.first:
            grown = tape.live - self._live
            moved = tape.top._replace(path=self.same.before(tape.top.path, more))
            last = tape.top._replace(bytes=tape.top.bytes + more * grown)
            assert self._top is not None
            tape.top = max(self._top, moved, last, key=lambda peak: int(value_of(peak.bytes)))
            if tape.times is not None:
                tape.times += [(live + more * grown, *place) for live, *place in tape.times[self._times :]]
            tape.live, self._live = tape.live + more * grown, None


def _moved(node: Node, stretches: Sequence[_Stretch]) -> str:
    """A node's path in the last of all rounds."""
    for stretch in stretches:
        if stretch.same.since < node.time <= stretch.same.until:
            return stretch.same.moved(node.path, stretch.same.more)
    return node.path


def _is_free(holder: list[Tensor]) -> bool:
    """Whether nobody else has a tensor or its storage, and all its elements are its own."""
    if getrefcount(holder[0]) != ALONE or getrefcount(holder[0].storage) != ALONE:
        return False
    return layout.is_dense(holder[0].shape, holder[0].strides)


def _lies_as(grad: Tensor, leaf: Tensor) -> bool:
    """Whether a gradient has the strides of its leaf, where there is a step to take."""
    return all(
        decisive(size) == 1 or a == b for size, a, b in zip(leaf.shape, grad.strides, leaf.strides, strict=True)
    )


def _fitted(grad: Tensor, operand: Tensor) -> Tensor:
    """A gradient in the shape and the type of its operand: summed over what was repeated, and converted."""
    missing = len(grad.shape) - len(operand.shape)
    own = (1,) * missing + operand.shape
    if missing or any(is_one(size) and decisive(other) != 1 for size, other in zip(own, grad.shape, strict=True)):
        total = make("sum", own, grad.item, (grad,))
        grad = Tensor(total.storage, operand.shape, layout.contiguous(operand.shape), total.item)
    return grad if grad.item == operand.item else converted(grad, operand.item)
