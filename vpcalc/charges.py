"""What a printed figure may count: the rules of papers, of their authors' code and of well-known counters.

A convention is a sum of :class:`Charges` with whole factors. The charges are readings of one description at one
input: products, norms and pooling to a grid are in its cost tree, functions of single elements on its tape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, NamedTuple

from .algebra.traced import value_of
from .architectures import Architecture
from .cost import Cost, Op, Quantity
from .printed import Printed
from .storage.footprint import works

ACTIVATIONS = ("relu", "gelu", "silu", "elu", "sigmoid", "tanh")


@dataclass(slots=True)
class Charges:
    """What rules charge apart, of one model at one input.

    ``weighted``: MACs of products with weights, but for ``projections``: those of modules that also multiply
    two activations, and of these ``outputs`` those that come after; ``attention``: MACs of products of two
    activations; ``linears``: those of the weighted ones that are of linear layers. ``biases`` and
    ``projection_biases`` of linear layers and ``conv_biases`` are elements that a bias is added to, ``normed``
    those that are normalised, ``batch_normed`` those of them by batch norm, ``scaled`` those that are scaled,
    ``pooled`` elements that are pooled. ``rectified``, ``activated`` and ``softmaxed`` are elements of the
    results of ReLU, of any activation, and of softmax; ``fvcore`` is what fvcore charges beside products.
    ``positions`` are those of the weighted MACs that make biases of relative positions.
    """

    weighted: int = 0
    projections: int = 0
    attention: int = 0
    linears: int = 0
    outputs: int = 0
    biases: int = 0
    projection_biases: int = 0
    conv_biases: int = 0
    normed: int = 0
    batch_normed: int = 0
    scaled: int = 0
    pooled: int = 0
    rectified: int = 0
    activated: int = 0
    softmaxed: int = 0
    fvcore: int = 0
    positions: int = 0


@dataclass(frozen=True, slots=True)
class Convention:
    """A way to count: its ``name``, as tables print it, and how often each charge is in it."""

    name: str
    factors: Mapping[str, int]

    def of(self, charges: Charges) -> int:
        """The figure in this convention."""
        return sum(factor * getattr(charges, name) for name, factor in self.factors.items())


MACS = "MACs"
_RULES = """
MACs: weighted + projections + attention
FLOPs, 2 a MAC: 2 weighted + 2 projections + 2 attention
MACs with norms and pooling (fvcore): weighted + projections + attention + fvcore
MACs without products of two activations (attention): weighted + projections
FLOPs without products of two activations (attention): 2 weighted + 2 projections
fvcore where attention is one fused kernel, which it has no figure of: weighted + projections + fvcore
MACs with biases: weighted + projections + attention + biases + projection_biases + conv_biases
MACs with biases, without products of two activations (ptflops, operators): weighted + projections + biases
  + projection_biases + conv_biases
MACs, 1 a normalised element (the flops() of Swin's authors): weighted + projections + attention + normed
MACs, 1 an element of softmax: weighted + projections + attention + softmaxed
MACs, 1 an element of activations: weighted + projections + attention + activated
MACs, 1 an element of biases, norms, softmax and activations: weighted + projections + attention + biases
  + projection_biases + conv_biases + normed + softmaxed + activated
mmcv's rules, without products of two activations: weighted + projections + conv_biases + normed + scaled + pooled
  + rectified
mmcv's rules, and products of two activations (PVT v2's authors): weighted + projections + attention + conv_biases
  + normed + scaled + pooled + rectified
mmcv's rules, layer norm as a module of one's own, which it does not see (ConvNeXt's authors): weighted
  + projections + conv_biases + 2 batch_normed + pooled + rectified
mmcv's rules before 1.3.0, which had none for layer norm, and products of two activations (PVT's authors): weighted
  + projections + attention + conv_biases + 2 batch_normed + pooled + rectified
ptflops' rules: weighted + projections + attention + biases + projection_biases + conv_biases + normed + scaled
  + pooled + activated + softmaxed
ptflops' rules, projections of attention called as functions (torchvision's Swin): weighted + attention + biases
  + conv_biases + normed + scaled + pooled + activated + softmaxed
ptflops' rules, activations and pooling twice, as modules and as functions that these call (its README): weighted
  + projections + attention + biases + projection_biases + conv_biases + normed + scaled + 2 pooled + 2 activated
  + 2 softmaxed
calflops' FLOPs, 2 a MAC, 2 an element of batch norm and 5 of layer norm: 2 weighted + 2 projections + 2 attention
  + conv_biases + 5 normed + -3 batch_normed + pooled + activated + softmaxed
thop's rules of 2019, additions of linear layers too, 4 an element of batch norm: weighted + linears + -1 biases
  + conv_biases + 4 batch_normed
mmcv's rules, queries, keys and values by a function, which it does not see (mmpretrain's Swin V2): weighted
  + outputs + conv_biases + normed + scaled + pooled + rectified
MACs, 1 a normalised element, without networks of relative positions (the flops() of Swin V2's authors): weighted
  + projections + attention + normed + -1 positions
"""
"""mmcv: ``mmcv/cnn/utils/flops_counter.py`` (1.x) has a price for convolutions with their bias, linear layers
without, 1 a normalised and 1 a scaled element (of layer norm since 1.3.0), pooled elements and ReLU. ptflops:
``pytorch_ops.py`` (0.7) adds biases of linear layers, other activations, softmax, and products of two
activations. What it printed in December 2023 has activations, pooling and softmax twice: modules and functions
were counted beside each other. calflops: ``pytorch_ops.py``; thop: ``count_hooks.py`` of September 2019, when
its table was made. Swin: ``flops()`` of ``swin_transformer.py`` and ``swin_transformer_v2.py``. PVT and PVT v2:
``get_flops.py`` adds what mmcv does not see."""


@cache
def conventions() -> tuple[Convention, ...]:
    """All that are tried, the plainest first."""
    rules = _RULES.strip().replace("\n  ", " ").splitlines()
    return tuple(_convention(*rule.rsplit(": ", 1)) for rule in rules)


def _convention(name: str, terms: str) -> Convention:
    factors = {}
    for term in terms.split(" + "):
        factor, _, charge = term.rpartition(" ")
        factors[charge] = int(factor or 1)
    assert factors.keys() <= {each.name for each in fields(Charges)}
    return Convention(name, factors)


def readings(charges: Charges) -> dict[str, int]:
    """Every convention's figure, by its name."""
    return {convention.name: convention.of(charges) for convention in conventions()}


class Way(NamedTuple):
    """A printed figure in the convention of its table, and ``how`` it became it; None if it did not."""

    convention: str
    how: str | None


UNEXPLAINED = Way(MACS, None)


def ways(table: Sequence[tuple[Printed, Mapping[str, int]]]) -> list[Way]:
    """The figures of one table in one convention: the one in which most come out.

    Of equals the one in which most of the others come out cut off or rounded twice, and of these the plainest. One
    in which not even half of them come out is none; then it is plain MACs.

    Args:
        table: each figure, and what every convention gives for it.
    """
    fitting = {name: sum(figure.fits(given[name]) for figure, given in table) for name in table[0][1]}
    explained = {name: sum(figure.how(given[name]) is not None for figure, given in table) for name in fitting}
    best = max(fitting, key=lambda name: (fitting[name], explained[name]))  # the first of equals
    best = best if 2 * fitting[best] > len(table) else MACS
    return [Way(best, figure.how(given[best])) for figure, given in table]


def by_chance(tables: Iterable[Sequence[tuple[Printed, Mapping[str, int]]]]) -> tuple[int, int]:
    """What :func:`ways` says of figures that nobody printed: each moved by 3 %, one up and the next one down.

    (All of them the same way is no chance: without attention's products a pyramid costs 3 % less.)

    Returns:
        How many of the moved figures come out, and of how many.
    """
    found = [
        way.how is not None
        for table in tables
        for first in (-3, 3)
        for way in ways(
            [(figure.moved(first * (-1) ** place), given) for place, (figure, given) in enumerate(table)]
        )
    ]
    return sum(found), len(found)


def charged(architecture: Architecture, sizes: tuple[int, ...], config: Mapping[str, Any], cost: Cost) -> Charges:
    """What rules charge of a model at an input, where it has this cost tree."""
    found = Charges()
    for node, times in _nodes(cost):
        attends = any(op.kind == "matmul" for op in node.ops)
        for op in node.ops:
            _charge(found, op, int(times), attends)
            found.positions += int(times * op.macs) * (node.name == "position_bias")
    for work in works(architecture.family, sizes, config, 1):
        elements = value_of(work.written) // 4
        found.softmaxed += elements * (work.kind == "softmax")
        found.rectified += elements * (work.kind == "relu")
        found.activated += elements * (work.kind in ACTIVATIONS)
        found.pooled += value_of(work.read) // 4 * (work.kind == "max_pool")
    return found


def _nodes(cost: Cost, times: Any = 1) -> Iterator[tuple[Cost, Any]]:
    yield cost, times * cost.times
    for child in cost.children:
        yield from _nodes(child, times * cost.times)


def _charge(found: Charges, op: Op, times: int, attends: bool) -> None:
    """An operator of the cost tree: a product, a norm, or pooling."""
    found.fvcore += times * int(Quantity.FVCORE.of(op) - op.macs)
    if op.kind == "matmul":
        found.attention += times * int(op.macs)
    elif op.kind in ("linear", "conv"):
        apart = attends and op.kind == "linear"
        biases = "projection_biases" if apart else "biases" if op.kind == "linear" else "conv_biases"
        product = "projections" if apart else "weighted"
        setattr(found, product, getattr(found, product) + times * int(op.macs))
        found.linears += times * int(op.macs) * (product == "weighted" and op.kind == "linear")
        found.outputs += times * int(op.macs) * (apart and op.label in ("proj", "out"))
        setattr(found, biases, getattr(found, biases) + times * _biased(op))
    elif op.kind == "adaptive_avg_pool2d":
        found.pooled += times * int(op.other)
    elif op.kind.endswith("_norm") and op.other:
        (rows, width), *_ = op.shapes
        found.normed += times * int(rows * width)
        found.batch_normed += times * int(rows * width) * (op.kind == "batch_norm")
        found.scaled += times * int(rows * width) * bool(op.params)


def _biased(op: Op) -> int:
    """Output elements of an operator with a bias: one whose parameters are more than its weight."""
    taps, channels = op.shapes[1]
    return int(op.activations) if op.params > taps * channels else 0
