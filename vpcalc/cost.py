"""The cost tree: operators with their prices, added up along the modules of a network.

An :class:`Op` is one run of one primitive operator. A :class:`Cost` is a module: a name, its own
operators, its children, and how many times it is repeated. Every table and every quantity of
vpcalc is a view of such a tree; nothing else adds numbers up.

What is counted is a :class:`Quantity`, never a bare string in a comment: a figure cannot be asked
for without saying in which convention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from .dims import Dim

if TYPE_CHECKING:
    from .algebra.polynomial import Polynomial

Shape = tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class Op:
    """One run of a primitive operator.

    ``kind`` is the name under which fvcore reports it (``linear``, ``matmul``, ``conv``,
    ``layer_norm`` …); operators that no convention prices (a learned table, a lookup) have names of
    their own. ``other`` is what fvcore charges beyond multiply-accumulates, for norms and pooling.
    ``shapes`` are the operands, for the derivation that a reader follows.
    """

    kind: str
    label: str
    macs: Dim = 0
    other: Dim = 0
    params: Dim = 0
    activations: Dim = 0
    attention: Dim = 0
    shapes: tuple[Shape, ...] = ()

    def mapped(self, change: Callable[[Dim], Dim]) -> Op:
        """The same with every size changed."""
        return replace(
            self,
            macs=change(self.macs),
            other=change(self.other),
            params=change(self.params),
            activations=change(self.activations),
            attention=change(self.attention),
            shapes=tuple(tuple(map(change, shape)) for shape in self.shapes),
        )


class Quantity(str, Enum):
    """A counting convention. ``Quantity.MACS.of(op)`` is the price of one operator in it."""

    MACS = "macs"
    FLOPS = "flops"
    FVCORE = "fvcore"
    PARAMS = "params"
    ACTIVATIONS = "activations"
    ATTENTION = "attention_elements"

    def of(self, op: Op) -> Dim:
        """Price of ``op`` in this convention."""
        return _PRICE[self](op)

    @property
    def meaning(self) -> str:
        """One line that says what is counted."""
        return _MEANING[self]


_PRICE = {
    Quantity.MACS: lambda op: op.macs,
    Quantity.FLOPS: lambda op: 2 * op.macs,
    Quantity.FVCORE: lambda op: op.macs + op.other,
    Quantity.PARAMS: lambda op: op.params,
    Quantity.ACTIVATIONS: lambda op: op.activations,
    Quantity.ATTENTION: lambda op: op.attention,
}

_MEANING = {
    Quantity.MACS: "multiply-accumulates of matrix products and convolutions, without bias",
    Quantity.FLOPS: "floating-point operations of the same products: 2 per multiply-accumulate",
    Quantity.FVCORE: "what fvcore's FlopCountAnalysis reports: multiply-accumulates plus norms and pooling",
    Quantity.PARAMS: "trainable parameters, biases included",
    Quantity.ACTIVATIONS: "output elements of matrix products and convolutions",
    Quantity.ATTENTION: "elements of the attention maps",
}


class Step(NamedTuple):
    """What an operator adds to a quantity: its module, itself, how often it runs, and its term."""

    module: str
    op: Op
    times: Any
    term: Polynomial


class Tiling(NamedTuple):
    """``size`` is cut into tiles of side ``tile``; what does not fit is padded or dropped.

    A ``tile`` that is a letter stands for ``least`` or more: below it a layer is another.
    """

    tile: Dim
    size: Dim
    what: str
    drops: bool = False
    least: int = 1


class Resizing(NamedTuple):
    """A learned table that was made for one grid is resized to another, unless that has as many places."""

    table: tuple[Dim, Dim]
    grid: tuple[Dim, Dim]


class Stage(NamedTuple):
    """What a table says about a stage beside its cost."""

    resolution: tuple[Dim, ...]
    channels: Dim
    depth: Dim = 0
    heads: Dim | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """A module's cost: its own operators, its children, and how often it runs.

    ``tilings`` say what was padded or dropped, or has to divide; ``resizings`` what was resized, or is so at
    all sizes but one; ``notes`` what else a reader of this very figure should know. ``loop`` says how many
    steps its module takes one after the other, which matters to nobody but to those who run it: the
    operators' prices are of all steps.
    """

    name: str
    ops: tuple[Op, ...] = ()
    children: tuple[Cost, ...] = ()
    times: Dim = 1
    tilings: tuple[Tiling, ...] = ()
    stage: Stage | None = None
    notes: tuple[str, ...] = ()
    loop: Dim = 1
    resizings: tuple[Resizing, ...] = ()

    def total(self, quantity: Quantity) -> Dim:
        """The whole tree in one convention."""
        total: Dim = 0
        for op in self.ops:
            total = total + quantity.of(op)
        for child in self.children:
            total = total + child.total(quantity)
        return self.times * total

    def by_operator(self, quantity: Quantity) -> dict[str, Dim]:
        """The total split by operator kind; kinds that this convention does not price are left out."""
        totals: dict[str, Dim] = {}
        for op, times in self.walk():
            price = quantity.of(op)
            if not (isinstance(price, int) and price == 0):
                totals[op.kind] = totals.get(op.kind, 0) + times * price
        return totals

    def walk(self, times: Dim = 1) -> Iterator[tuple[Op, Dim]]:
        """Every operator of the tree with the number of times it runs."""
        times = times * self.times
        for op in self.ops:
            yield op, times
        for child in self.children:
            yield from child.walk(times)

    def nodes(self) -> Iterator[Cost]:
        """Every node of the tree, parents first."""
        yield self
        for child in self.children:
            yield from child.nodes()

    def steps(self) -> Dim:
        """How many times a module of the tree is run, loops and repetitions unrolled."""
        below: Dim = 1 if self.ops else 0
        for child in self.children:
            below = below + child.steps()
        return self.times * self.loop * below

    def stages(self) -> Iterator[Cost]:
        """The nodes that a stage table shows, in order."""
        return (node for node in self.nodes() if node.stage is not None)

    def __add__(self, other: Cost) -> Cost:
        """Two costs side by side, under a node without operators of its own."""
        left = self.children if _is_sum(self) else (self,)
        right = other.children if _is_sum(other) else (other,)
        return Cost("+", children=left + right)

    def __mul__(self, times: Dim) -> Cost:
        """The same module run ``times`` over, each with weights of its own."""
        return replace(self, times=self.times * times)

    __rmul__ = __mul__

    def mapped(self, change: Callable[[Dim], Dim]) -> Cost:
        """The same tree with every size changed, but for those of its conditions."""
        stage = self.stage
        return replace(
            self,
            ops=tuple(op.mapped(change) for op in self.ops),
            children=tuple(child.mapped(change) for child in self.children),
            times=change(self.times),
            loop=change(self.loop),
            stage=stage
            and stage._replace(
                resolution=tuple(map(change, stage.resolution)),
                channels=change(stage.channels),
                depth=change(stage.depth),
            ),
        )

    def at(self, values: Mapping[str, Any]) -> Cost:
        """A symbolic tree where some letters have numbers, its tilings too."""

        def change(size: Dim) -> Dim:
            if not hasattr(size, "subs"):
                return size
            found = size.subs(values)
            return found if found.symbols or found.denominator != 1 else found.at({})

        found = self.mapped(change)
        return found._tiled(change)

    def _tiled(self, change: Callable[[Dim], Dim]) -> Cost:
        tilings = tuple(t._replace(tile=change(t.tile), size=change(t.size)) for t in self.tilings)
        return replace(self, tilings=tilings, children=tuple(child._tiled(change) for child in self.children))

    def named(self, name: str, **changes: Any) -> Cost:
        """The same cost under another name."""
        return replace(self, name=name, **changes)


def _is_sum(cost: Cost) -> bool:
    return cost.name == "+" and isinstance(cost.times, int) and cost.times == 1
