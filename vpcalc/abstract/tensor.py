"""Abstract tensors: a shape, a layout, an element type and a storage, and no values.

Methods have the names and the meaning of PyTorch's: views share a storage, ``reshape`` copies where a view is
not possible, arithmetic makes a new tensor and keeps what its derivative needs (``derivatives.yaml``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from ..algebra.traced import count
from ..cost import Op
from ..dims import conv_size, exact_div, floor_div
from . import layout
from .layout import FREE, Sizes, product
from .tape import ACTIVATION, INPUT, PARAMETER, Node, Storage, Tape, Work


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
    """A view of a storage. ``node`` is the operator that made it, where autograd records."""

    __slots__ = ("__weakref__", "item", "leaf", "node", "shape", "storage", "strides")

    def __init__(
        self,
        storage: Storage,
        shape: Sizes,
        strides: Sizes,
        item: Type,
        node: Node | None = None,
        leaf: bool = False,
    ) -> None:
        self.storage, self.shape, self.strides, self.item = storage, shape, strides, item
        self.node, self.leaf = node, leaf

    @property
    def tape(self) -> Tape:
        """The run that it belongs to."""
        return self.storage.tape

    @property
    def learns(self) -> bool:
        """Whether a gradient flows to it."""
        return self.leaf or self.node is not None

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

    def viewed(self, shape: Sizes, strides: Sizes) -> Tensor:
        """The same storage seen otherwise."""
        node = Node(self.tape, "view", (), nodes(self)) if self.learns and self.tape.grad else None
        return Tensor(self.storage, shape, strides, self.item, node)

    def permute(self, *order: int) -> Tensor:
        """Dimensions in another order."""
        return self.viewed(tuple(self.shape[i] for i in order), tuple(self.strides[i] for i in order))

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
            return self.viewed(new, strides)
        return self.contiguous_copy().viewed(new, layout.contiguous(new))

    def contiguous_copy(self) -> Tensor:
        """Its elements in a storage of their own."""
        return make("copy", self.shape, self.item, (self,))

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
            (*self.shape[:dim], 1, *self.shape[dim:]), (*self.strides[:dim], stride, *self.strides[dim:])
        )

    def expand(self, *shape: Any) -> Tensor:
        """Dimensions of size 1 repeated without a copy; -1 keeps a size."""
        missing = len(shape) - len(self.shape)
        own = ((1,) * missing + self.shape)[missing:]
        new = (*shape[:missing], *(a if _is_rest(b) else b for a, b in zip(own, shape[missing:], strict=True)))
        return self.viewed(new, layout.expanded(self.shape, self.strides, new))

    def chunk(self, parts: int, dim: int = -1) -> tuple[Tensor, ...]:
        """Equal parts along a dimension."""
        dim %= len(self.shape)
        shape = (*self.shape[:dim], exact_div(self.shape[dim], parts), *self.shape[dim + 1 :])
        return tuple(self.viewed(shape, self.strides) for _ in range(parts))

    def split(self, size: Any, dim: int = -1) -> tuple[Tensor, ...]:
        """Parts of equal size along a dimension; how many has to be a number."""
        dim %= len(self.shape)
        shape = (*self.shape[:dim], size, *self.shape[dim + 1 :])
        return tuple(self.viewed(shape, self.strides) for _ in range(count(self.shape[dim] // size)))

    def select(self, dim: int) -> Tensor:
        """One entry along a dimension."""
        return self.viewed(
            (*self.shape[:dim], *self.shape[dim + 1 :]), (*self.strides[:dim], *self.strides[dim + 1 :])
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
        return self.viewed((*self.shape[:dim], taken, *self.shape[dim + 1 :]), strides)

    # -- arithmetic -----------------------------------------------------------------------------

    def __add__(self, other: Operand) -> Tensor:
        return elementwise("add", self, other)

    __radd__ = __add__
    __sub__ = __add__

    def __rsub__(self, other: float) -> Tensor:
        return elementwise("sub", self)

    def __neg__(self) -> Tensor:
        return elementwise("neg", self)

    def __mul__(self, other: Operand) -> Tensor:
        if not isinstance(other, Tensor):
            return elementwise("mul", self, other)
        saves: Saves = (("left operand", self),) if other.learns else ()
        return elementwise(
            "mul", self, other, saves=(*saves, *((("right operand", other),) if self.learns else ()))
        )

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> Tensor:
        if not isinstance(other, Tensor):
            return elementwise("div", self, item=promoted(self, 1.0))
        saves: Saves = (("left operand", self),) if other.learns else ()
        return elementwise("div", self, other, saves=(*saves, ("right operand", other)))

    def __matmul__(self, other: Tensor) -> Tensor:
        from .functions import matmul

        return matmul(self, other, "product")

    def __lt__(self, other: Operand) -> Tensor:
        return elementwise("compare", self, other, item=BOOL)

    __gt__ = __ge__ = __lt__


def _is_rest(size: Any) -> bool:
    return isinstance(size, int) and size == -1


def nodes(*tensors: Operand) -> tuple[Node, ...]:
    """The operators that made some tensors."""
    return tuple(tensor.node for tensor in tensors if isinstance(tensor, Tensor) and tensor.node is not None)


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
) -> Tensor:
    """The result of an operator, in a storage of its own; where autograd records, with what it keeps.

    ``price`` is what it costs, where it has one; ``read`` the bytes that it reads, where not its operands.
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
    node = None
    if tape.grad and any(source.learns for source in sources):
        own = (("result", storage),) if saves_result else ()
        node = Node(tape, kind, (*((what, t.storage) for what, t in saves), *own), nodes(*sources))
    return Tensor(storage, shape, layout.contiguous(shape) if strides is None else strides, item, node)


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
    return Tensor(storage, shape, layout.contiguous(shape), item, None, leaf)


def given(tape: Tape, *shape: Any) -> Tensor:
    """The input of a layer: like any tensor within a network, it has a gradient."""
    return fresh(tape, shape, tape.item, INPUT, leaf=True)


def elementwise(
    kind: str, *operands: Operand, item: Type | None = None, saves: Saves = (), saves_result: bool = False
) -> Tensor:
    """The result of an operator on corresponding elements."""
    sources = [operand for operand in operands if isinstance(operand, Tensor)]
    shape = sources[0].shape
    for source in sources[1:]:
        shape = layout.broadcast(shape, source.shape)
    strides = layout.elementwise(shape, [layout.expanded(s.shape, s.strides, shape) for s in sources])
    if item is None:
        item = promoted(*operands)
    return make(kind, shape, item, operands, strides=strides, saves=saves, saves_result=saves_result)


def promoted(*operands: Operand) -> Type:
    """The type of a result: the widest of the tensors'; a Python float makes integers the run's own type."""
    sources = [operand for operand in operands if isinstance(operand, Tensor)]
    item = max((source.item for source in sources), key=lambda item: item.rank)
    if item.rank < 2 and any(isinstance(operand, float) for operand in operands):
        own: Type = sources[0].tape.item
        return own
    return item
