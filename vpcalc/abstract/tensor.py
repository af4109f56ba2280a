"""Abstract tensors: a shape, a layout, an element type and a storage, and no values.

Methods have the names and the meaning of PyTorch's: views share a storage, ``reshape`` copies where a view is
not possible, arithmetic makes a new tensor and keeps what its derivative needs (``derivatives.yaml``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Union

from ..algebra.traced import count, value_of
from ..cost import Op
from ..dims import conv_size, exact_div, floor_div
from . import layout
from .layout import FREE, Sizes, product
from .tape import ACTIVATION, INPUT, PARAMETER, Edge, Node, Rule, Storage, Tape, Work


@dataclass(frozen=True, slots=True)
class Type:
    """An element type: its bytes, and its rank where two types meet."""

    name: str
    bytes: int
    rank: int


BOOL, INT64 = Type("bool", 1, 0), Type("int64", 8, 1)
FLOAT32 = Type("float32", 4, 3)
FLOATS = {
    "float64": Type("float64", 8, 4),
    "float32": FLOAT32,
    "bfloat16": Type("bfloat16", 2, 2),
    "float16": Type("float16", 2, 2),
}
"""Types of weights and activations."""

Operand = Union["Tensor", float]
Saves = tuple[tuple[str, "Tensor"], ...]
Price = Callable[[str], Op]
"""What an operator costs, by the label that it has in the tree."""


class Tensor:
    """A view of a storage. ``node`` made it, as its result number ``port``, where autograd records."""

    __slots__ = ("__weakref__", "item", "leaf", "node", "port", "shape", "storage", "strides")

    def __init__(
        self,
        storage: Storage,
        shape: Sizes,
        strides: Sizes,
        item: Type,
        node: Node | None = None,
        leaf: bool = False,
        port: int = 0,
    ) -> None:
        self.storage, self.shape, self.strides, self.item = storage, shape, strides, item
        self.node, self.leaf, self.port = node, leaf, port

    @property
    def tape(self) -> Tape:
        """The run that it belongs to."""
        return self.storage.tape

    @property
    def learns(self) -> bool:
        """Whether a gradient flows to it."""
        return self.leaf or self.node is not None

    @property
    def edge(self) -> Edge:
        """Where its gradient goes."""
        if self.node is not None:
            return self.node, self.port
        return (self, 0) if self.leaf else None

    def bare(self) -> Tensor:
        """The same without memory and without a past."""
        return Tensor(self.tape.nowhere, self.shape, self.strides, self.item)

    def cached(self) -> None:
        """Note that the next token of a sequence needs it."""
        self.tape.cached.append(self.elements * self.item.bytes)

    @property
    def elements(self) -> Any:
        """How many there are."""
        return product(self.shape)

    def is_contiguous(self) -> bool:
        """Whether its last dimension runs fastest and there are no gaps."""
        return layout.is_contiguous(self.shape, self.strides)

    def taken(self, dim: int, size: Any) -> Tensor:
        """Another size along a dimension, where memory is not followed."""
        shape = (*self.shape[:dim], size, *self.shape[dim + 1 :])
        return Tensor(self.storage, shape, self.strides, self.item)

    # -- views ----------------------------------------------------------------------------------

    def viewed(self, shape: Sizes, strides: Sizes, rule: Rule) -> Tensor:
        """The same storage seen otherwise."""
        node = Node(self.tape, "view", (), (self,), rule) if self.learns and self.tape.grad else None
        return Tensor(self.storage, shape, strides, self.item, node)

    def parted(self, shape: Sizes, strides: Sizes, parts: int) -> tuple[Tensor, ...]:
        """Views side by side, of one operator."""
        rule = partial(_joined, shape=shape)
        node = Node(self.tape, "view", (), (self,), rule, parts) if self.learns and self.tape.grad else None
        return tuple(Tensor(self.storage, shape, strides, self.item, node, port=at) for at in range(parts))

    def permute(self, *order: int) -> Tensor:
        """Dimensions in another order."""
        back = partial(_permuted_back, order=tuple(order.index(i) for i in range(len(order))))
        return self.viewed(tuple(self.shape[i] for i in order), tuple(self.strides[i] for i in order), back)

    def transpose(self, first: int, second: int) -> Tensor:
        """Two dimensions exchanged."""
        order = list(range(len(self.shape)))
        order[first], order[second] = order[second], order[first]
        return self.permute(*order)

    def reshape(self, *shape: Any) -> Tensor:
        """Another shape of as many elements; -1 stands for what is left. Copied where no view is possible."""
        new = shape
        if any(map(_is_rest, shape)):
            known = product(tuple(size for size in shape if not _is_rest(size)))
            new = tuple(floor_div(self.elements, known) if _is_rest(size) else size for size in shape)
        strides = layout.view(self.shape, self.strides, new)
        if strides is not None:
            return self.viewed(new, strides, _reshaped_back)
        return self.contiguous_copy().viewed(new, layout.contiguous(new), _reshaped_back)

    def contiguous_copy(self) -> Tensor:
        """Its elements in a storage of their own."""
        return make("copy", self.shape, self.item, (self,), rule=passed)

    def flatten(self, first: int, last: int = -1) -> Tensor:
        """Dimensions ``first`` to ``last`` as one."""
        last %= len(self.shape)
        middle = product(self.shape[first : last + 1])
        return self.reshape(*self.shape[:first], middle, *self.shape[last + 1 :])

    def unflatten(self, dim: int, sizes: Sizes) -> Tensor:
        """One dimension as several."""
        return self.reshape(*self.shape[:dim], *sizes, *self.shape[dim + 1 :])

    def unsqueeze(self, dim: int) -> Tensor:
        """One more dimension, of size 1."""
        stride = layout.reach(self.shape[dim], self.strides[dim]) if dim < len(self.shape) else 1
        return self.viewed(
            (*self.shape[:dim], 1, *self.shape[dim:]),
            (*self.strides[:dim], stride, *self.strides[dim:]),
            partial(_squeezed, dim=dim),
        )

    def expand(self, *shape: Any) -> Tensor:
        """Dimensions of size 1 repeated without a copy; -1 keeps a size."""
        missing = len(shape) - len(self.shape)
        own = ((1,) * missing + self.shape)[missing:]
        new = (*shape[:missing], *(a if _is_rest(b) else b for a, b in zip(own, shape[missing:], strict=True)))
        return self.viewed(new, layout.expanded(self.shape, self.strides, new), passed)

    def chunk(self, parts: int, dim: int = -1) -> tuple[Tensor, ...]:
        """Equal parts along a dimension."""
        dim %= len(self.shape)
        shape = (*self.shape[:dim], exact_div(self.shape[dim], parts), *self.shape[dim + 1 :])
        return self.parted(shape, self.strides, parts)

    def split(self, size: Any, dim: int = -1) -> tuple[Tensor, ...]:
        """Parts of equal size along a dimension; how many has to be a number."""
        dim %= len(self.shape)
        shape = (*self.shape[:dim], size, *self.shape[dim + 1 :])
        return self.parted(shape, self.strides, count(self.shape[dim] // size))

    def unbind(self, dim: int) -> tuple[Tensor, ...]:
        """All entries along a dimension, whose size has to be a number."""
        shape = (*self.shape[:dim], *self.shape[dim + 1 :])
        return self.parted(shape, (*self.strides[:dim], *self.strides[dim + 1 :]), count(self.shape[dim]))

    def select(self, dim: int) -> Tensor:
        """One entry along a dimension."""
        return self.viewed(
            (*self.shape[:dim], *self.shape[dim + 1 :]), (*self.strides[:dim], *self.strides[dim + 1 :]), _spread
        )

    def __getitem__(self, key: Any) -> Tensor:
        keys = key if isinstance(key, tuple) else (key,)
        taken = sum(k is not None and k is not Ellipsis for k in keys)
        found = self
        dim = 0
        for k in keys:
            if k is None:
                found = found.unsqueeze(dim)
            elif k is Ellipsis:
                dim += len(self.shape) - taken
                continue
            elif isinstance(k, slice):
                if any(part is not None for part in (k.start, k.stop, k.step)):
                    found = found._sliced(dim, k)
            else:
                found = found.select(dim)
                continue
            dim += 1
        return found

    def _sliced(self, dim: int, part: slice) -> Tensor:
        """From ``start`` on, up to ``stop`` where that is within the tensor, every ``step``-th."""
        start, step, size = part.start or 0, part.step or 1, self.shape[dim]
        if isinstance(part.stop, int) and part.stop < 0:
            size = size + part.stop
        elif part.stop is not None and (self.tape.ledger is not None or not part.stop > size):
            size = part.stop  # a ledger decides nothing: what is cut off there is padding
        nothing = self.tape.ledger is None and not size > start
        taken = 0 if nothing else conv_size(size, 1 + start, step, 0)
        strides = (*self.strides[:dim], self.strides[dim] * step, *self.strides[dim + 1 :])
        return self.viewed((*self.shape[:dim], taken, *self.shape[dim + 1 :]), strides, _of_slice)

    # -- arithmetic -----------------------------------------------------------------------------

    def __add__(self, other: Operand) -> Tensor:
        return elementwise("add", self, other, rule=passed)

    __radd__ = __add__

    def __sub__(self, other: Operand) -> Tensor:
        return elementwise("add", self, other, rule=_of_difference)

    def __rsub__(self, other: float) -> Tensor:
        return elementwise("sub", self, rule=alike)

    def __neg__(self) -> Tensor:
        return elementwise("neg", self, rule=alike)

    def __mul__(self, other: Operand) -> Tensor:
        if not isinstance(other, Tensor):
            return elementwise("mul", self, other, rule=alike)
        saves: Saves = (("left operand", self),) if other.learns else ()
        saves = (*saves, *((("right operand", other),) if self.learns else ()))
        return elementwise("mul", self, other, saves=saves, rule=_of_product)

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> Tensor:
        if not isinstance(other, Tensor):
            return elementwise("div", self, item=promoted(self, 1.0), rule=alike)
        saves: Saves = (("left operand", self),) if other.learns else ()
        return elementwise("div", self, other, saves=(*saves, ("right operand", other)), rule=_of_quotient)

    def __matmul__(self, other: Tensor) -> Tensor:
        from .functions import matmul

        return matmul(self, other, "product")

    def __lt__(self, other: Operand) -> Tensor:
        return elementwise("compare", self, other, item=BOOL)

    __gt__ = __ge__ = __lt__


def _is_rest(size: Any) -> bool:
    return isinstance(size, int) and size == -1


def make(
    kind: str,
    shape: Sizes,
    item: Type,
    operands: tuple[Operand, ...],
    *,
    strides: Sizes | None = None,
    saves: Saves = (),
    saves_result: bool = False,
    price: Price | None = None,
    read: Any = None,
    rule: Rule | None = None,
) -> Tensor:
    """The result of an operator, in a storage of its own; where autograd records, with what it keeps.

    ``price`` is what it costs, where it has one; ``read`` the bytes that it reads, where not its operands;
    ``rule`` its derivative, in the order of those operands that are tensors.
    """
    sources = [operand for operand in operands if isinstance(operand, Tensor)]
    tape = sources[0].tape
    if tape.ledger is not None:
        label = tape.name or kind
        tape.ledger.charge(price and price(label), sources, label)
        return Tensor(tape.nowhere, shape, (FREE,) * len(shape), item)
    tape.kind = kind
    if tape.works is not None:
        seen = _read(sources) if read is None else read
        macs = price("").macs if price is not None else 0
        tape.works.append(Work(tape.place, kind, macs, seen, product(shape) * item.bytes))
    storage = Storage(tape, product(shape) * item.bytes)
    if tape.flow is not None:
        _follow(kind, tape, sources, storage, shape, price)
    node = None
    if tape.grad and any(source.learns for source in sources):
        own = (("result", storage),) if saves_result else ()
        node = Node(tape, kind, (*((what, t.storage) for what, t in saves), *own), tuple(sources), rule)
    return Tensor(storage, shape, layout.contiguous(shape) if strides is None else strides, item, node)


def _follow(
    kind: str, tape: Tape, sources: list[Tensor], storage: Storage, shape: Sizes, price: Price | None
) -> None:
    """Note what an operator read and made."""
    assert tape.flow is not None
    weights = {x.storage: x.storage.bytes // x.item.bytes for x in sources if x.storage.role == PARAMETER}
    op = price(tape.name or kind) if price is not None else Op(kind, kind)
    read = [(source.storage, source.shape) for source in sources]
    number = tape.flow.made(kind, tape.names, read, weights, label=op.label, shape=shape, macs=op.macs)
    tape.flow.of(storage, number)


def _read(sources: list[Tensor]) -> Any:
    """Bytes that an operator has to see at least once; what is only repeated is there once."""
    total: Any = 0
    for source in sources:
        own = (size for size, stride in zip(source.shape, source.strides, strict=True) if stride != 0)
        total = total + product(tuple(own)) * source.item.bytes
    return total


def fresh(tape: Tape, shape: Sizes, item: Type, role: str = ACTIVATION, leaf: bool = False) -> Tensor:
    """A tensor that comes from nowhere: an input, a weight, a constant."""
    if tape.ledger is not None:
        own = Storage(tape, 0, role) if role == PARAMETER else tape.nowhere
        return Tensor(own, shape, (FREE,) * len(shape), item, None, leaf)
    tape.kind = role
    storage = Storage(tape, product(shape) * item.bytes, role)
    if tape.flow is not None and role == INPUT:
        tape.flow.given(storage)
    return Tensor(storage, shape, layout.contiguous(shape), item, None, leaf)


def given(tape: Tape, *shape: Any) -> Tensor:
    """The input of a layer: like any tensor within a network, it has a gradient."""
    return fresh(tape, shape, tape.item, INPUT, leaf=True)


def elementwise(
    kind: str,
    *operands: Operand,
    item: Type | None = None,
    saves: Saves = (),
    saves_result: bool = False,
    rule: Rule | None = None,
) -> Tensor:
    """The result of an operator on corresponding elements."""
    sources = [operand for operand in operands if isinstance(operand, Tensor)]
    shape = sources[0].shape
    for source in sources[1:]:
        shape = layout.broadcast(shape, source.shape)
    strides = layout.elementwise(shape, [layout.expanded(s.shape, s.strides, shape) for s in sources])
    if item is None:
        item = promoted(*operands)
    return make(kind, shape, item, operands, strides=strides, saves=saves, saves_result=saves_result, rule=rule)


def promoted(*operands: Operand) -> Type:
    """The type of a result: the widest of the tensors'. A Python float makes integers the run's own type, and any
    other number truths whole numbers."""
    sources = [operand for operand in operands if isinstance(operand, Tensor)]
    item = max((source.item for source in sources), key=lambda item: item.rank)
    if item.rank < 2 and any(isinstance(operand, float) for operand in operands):
        own: Type = sources[0].tape.item
        return own
    return INT64 if item == BOOL and not all(isinstance(operand, (Tensor, bool)) for operand in operands) else item


# -- derivatives of views and of arithmetic ------------------------------------------------------------
# A rule's gradients are in a list that the engine holds until it is done; a rule that stands for two operators
# puts there what the first of them made. Sums over what was repeated, and other types, are the engine's.


def passed(operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...]) -> list[Tensor | None]:
    """The gradient itself, for all operands alike."""
    return [grads[0] if want else None for want in wanted]


def alike(operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...]) -> list[Tensor | None]:
    """One more tensor, from the gradient and an operand, for each operand."""
    return [
        elementwise("derivative", grads[0], x) if want else None for x, want in zip(operands, wanted, strict=True)
    ]


def _of_difference(
    operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    left, *right = passed(operands, grads, wanted)
    return [left, *(None if grad is None else -grad for grad in right)]


def _of_product(
    operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    a, b = operands
    right = elementwise("mul", grads[0], a) if wanted[1] else None
    return [elementwise("mul", grads[0], b) if wanted[0] else None, right]


def _of_quotient(
    operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    """g/b, and -g·((a/b)/b)."""
    a, b = operands
    right = _of_divisor(a, b, grads[0]) if wanted[1] else None
    return [elementwise("div", grads[0], b) if wanted[0] else None, right]


def _of_divisor(a: Tensor, b: Tensor, grad: Tensor) -> Tensor:
    once = a / b
    twice = once / b
    return -grad * twice


def _reshaped_back(
    operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    return [grads[0].reshape(*operands[0].shape)]


def _permuted_back(
    operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...], *, order: tuple[int, ...]
) -> list[Tensor | None]:
    return [grads[0].permute(*order)]


def _squeezed(
    operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...], *, dim: int
) -> list[Tensor | None]:
    return [grads[0].select(dim)]


def _spread(operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...]) -> list[Tensor | None]:
    """Zeros, but where something was taken."""
    return [fresh(grads[0].tape, operands[0].shape, grads[0].item)]


def _of_slice(operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...]) -> list[Tensor | None]:
    """The same; but where all was taken PyTorch took no part."""
    sizes = zip(operands[0].shape, grads[0].shape, strict=True)
    whole = all(value_of(size) == value_of(taken) for size, taken in sizes)
    return (passed if whole else _spread)(operands, grads, wanted)


def _joined(
    operands: tuple[Tensor, ...], grads: list[Tensor], wanted: tuple[bool, ...], *, shape: Sizes
) -> list[Tensor | None]:
    """Side by side again, with zeros where nobody asked."""
    x = operands[0]
    parts = [fresh(x.tape, shape, x.item) if grad is None else grad for grad in grads]
    return [make("cat", x.shape, x.item, tuple(parts))]
