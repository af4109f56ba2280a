"""The cost tree as a reading of one run: operators as they come, under the modules that run them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..cost import Cost, Op, Resizing, Stage, Tiling
from ..dims import Dim
from ..ops import table
from .layout import product

if TYPE_CHECKING:
    from .tensor import Tensor

Remark = Tiling | Resizing | str
"""What a reader of a figure should know: what was padded, dropped or resized, or a sentence."""


@dataclass(slots=True)
class Entry:
    """A module that is running. ``stage`` may be set while it does."""

    name: str
    ops: list[Op] = field(default_factory=list)
    children: list[Cost] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    stage: Stage | None = None
    loop: Dim = 1

    def cost(self) -> Cost:
        """The module's node of the tree."""
        return Cost(
            self.name,
            tuple(self.ops),
            tuple(self.children),
            tilings=tuple(remark for remark in self.remarks if isinstance(remark, Tiling)),
            stage=self.stage,
            notes=tuple(remark for remark in self.remarks if isinstance(remark, str)),
            loop=self.loop,
            resizings=tuple(remark for remark in self.remarks if isinstance(remark, Resizing)),
        )


class Ledger:
    """Operators of a run with their prices. ``owed`` are weights that no operator has used yet, by storage."""

    def __init__(self) -> None:
        self.owed: dict[int, tuple[Tensor, str]] = {}
        self._open = [Entry("")]
        self._rounds: Dim = 1

    @property
    def entry(self) -> Entry:
        """The module that runs."""
        return self._open[-1]

    def tree(self) -> Cost:
        """All that was run, and weights that nothing used; a single module is the tree itself."""
        self.charge(None, [weight for weight, _ in self.owed.values()], "unused")
        (root,) = self._open
        if len(root.children) == 1 and not (root.ops or root.remarks or root.stage):
            return root.children[0]
        return root.cost()

    def add(self, op: Op) -> None:
        """An operator was run, as often as the loops around it say."""
        if op.label.isdecimal():
            same = sum(other.label.startswith(f"{op.kind} ") for other in self.entry.ops)
            op = replace(op, label=f"{op.kind} {same + 1}")
        if not (isinstance(self._rounds, int) and self._rounds == 1):
            op = _in_rounds(op, self._rounds)
        self.entry.ops.append(op)

    def charge(self, op: Op | None, sources: list[Tensor], label: str) -> None:
        """An operator was run on tensors: it pays for those of its weights that it is the first to use.

        A weight that enters an operator without a price for weights is a learned table.
        """
        new = [self.owed.pop(id(source.storage)) for source in sources if id(source.storage) in self.owed]
        if op is not None and not (isinstance(op.params, int) and op.params == 0):
            paid: Dim = 0
            for weight, _ in new:
                paid = paid + weight.elements
            self.add(replace(op, params=paid))
            return
        for weight, name in new:
            width = weight.shape[-1]
            self.add(table(name or label, product(weight.shape[:-1]), width))
        if op is not None:
            self.add(op)

    @contextmanager
    def node(self, name: str) -> Iterator[Entry]:
        """Within it, a module runs."""
        entry = Entry(name)
        self._open.append(entry)
        yield entry
        self._open.pop()
        self.entry.children.append(entry.cost())

    @contextmanager
    def times(self, times: Dim) -> Iterator[None]:
        """The modules that run within it are run ``times`` over, each with weights of its own."""
        entry, ops, before = self.entry, len(self.entry.ops), len(self.entry.children)
        yield
        assert len(entry.ops) == ops, f"{entry.name}: only modules can be repeated"
        entry.children[before:] = [child * times for child in entry.children[before:]]

    @contextmanager
    def loop(self, rounds: Dim) -> Iterator[None]:
        """What is run within it is run in every round, with the same weights."""
        before, self._rounds = self._rounds, self._rounds * rounds
        self.entry.loop = rounds
        yield
        self._rounds = before


def _in_rounds(op: Op, rounds: Dim) -> Op:
    (first, *rest), *others = op.shapes
    batched = [(rounds * shape[0], *shape[1:]) if op.kind == "matmul" else shape for shape in others]
    prices = {name: _times(rounds, getattr(op, name)) for name in ("macs", "other", "activations", "attention")}
    return replace(op, **prices, shapes=((rounds * first, *rest), *batched))


def _times(rounds: Dim, price: Dim) -> Dim:
    """What is free stays a plain 0, whatever the rounds are."""
    return 0 if isinstance(price, int) and price == 0 else rounds * price
