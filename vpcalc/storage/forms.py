"""Closed forms of what a network takes: descriptions run on symbols with a value.

The values are those of a sample: big enough that no size is 1 and no two that differ in general happen to
agree, because then PyTorch copies less. A network that goes through its input step by step is run at several
lengths, and its form in the length is interpolated; it has to hold at lengths beyond these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from ..algebra import floors
from ..algebra.interpolation import interpolate
from ..algebra.polynomial import Monomial, Polynomial, as_polynomial
from ..algebra.traced import UnrolledError, form_of, silently
from ..architectures import Architecture
from ..cost import Cost
from ..errors import InputError
from ..layers import LAYERS, Layer
from ..symbolic import SYMBOL_OF, divides, lattice, model_on_symbols
from .footprint import PLAIN, Footprint, Way, layer_footprint, model_footprint

Figure = Callable[[Footprint], Any]
"""One figure of a footprint."""

BATCH = 2
"""The batch of the sample: one image alone is stored with fewer copies."""

_SIZES = """
    h=28 w=42 H=56 W=84 C=48 heads=3 M=7 R=2 P=7 r=4 k=3 u=2 s=4 c_in=10 c_out=6 classes=11 N=12 T=9 S=8
    d_model=24 d_k=4 d_v=6 d_ff=32 V=50 d=8 n=5 chunk=14
"""

SAMPLE = {name: int(size) for name, size in (each.split("=") for each in _SIZES.split())}
"""Dimensions of layers at which their forms are traced, where it matters that they divide each other."""


def sample_of(id: str) -> dict[str, int]:
    """Dimensions at which a layer's form is traced; those that no other layer has are the first that it takes."""
    layer = LAYERS[id]
    tries = [
        {name: {**SAMPLE, "heads": heads}.get(name, other) for name in layer.dims} for heads, other in _OTHERS
    ]
    if {*layer.dims} <= {*SAMPLE}:
        return tries[0]
    return next((sample for sample in tries if _takes(layer, sample)), tries[0])


def _takes(layer: Layer, sample: dict[str, int]) -> bool:
    try:
        layer.build(**sample)
    except InputError:
        return False
    return True


_OTHERS = ((3, 6), (12, 6), (3, 2), (3, 7))
"""The heads and all dimensions of which nothing is known here: one may have to divide the other, or a side."""


STEPS = (24, 25, 26, 27, 33, 40)
"""Lengths at which a network that goes step by step is run; the last two only check the form."""

LONGEST = 10_000
"""Most steps that are gone through one by one."""


@dataclass(frozen=True, slots=True)
class Forms:
    """A network on symbols: its footprint, or those at several lengths where it counts through one.

    ``tidy`` says that everything divides where it was traced, and that forms are those of the lattice.
    """

    traced: tuple[Footprint, ...]
    tidy: bool
    length: str = ""
    points: tuple[int, ...] = ()

    def of(self, figure: Figure) -> Polynomial:
        """The closed form of a figure."""
        forms = [self._form(figure(found)) for found in self.traced]
        return _interpolated(self.length, self.points, forms) if self.length else forms[0]

    def _form(self, found: Any) -> Polynomial:
        return tidied(form_of(found)) if self.tidy else form_of(found)


def model_forms(
    architecture: Architecture,
    config: Mapping[str, Any],
    way: Way = PLAIN,
    batch: int | None = None,
    sizes: tuple[int, ...] | None = None,
) -> Forms:
    """An architecture in its input's sizes and the batch B; a batch of 1 is a case of its own and stays a number.

    It is traced at ``sizes``, where its forms hold for certain; if there are none, at a sample of the lattice.
    """
    symbolic = model_on_symbols(architecture, config)
    steps = lattice(symbolic)
    axes, family = architecture.family.axes, architecture.family
    sizes = sizes or _sample(symbolic, architecture)
    images = 1 if batch == 1 else silently({"B": batch or BATCH})["B"]

    def at(symbols: Mapping[str, Any]) -> Footprint:
        return model_footprint(family, tuple(symbols[axis] for axis in axes), config, images, way)

    return _stepped(at, axes.point(sizes), on_lattice(symbolic, architecture, sizes), steps)


def _sample(symbolic: Cost, architecture: Architecture) -> tuple[int, ...]:
    """Twice the native sizes or a little more, so that everything divides.

    A window that is a part of one side need not divide the other: then the sides are made equal.
    """
    steps = lattice(symbolic)
    axes = architecture.family.axes
    sizes = tuple(
        up(2 * native, steps.get(axis, 1)) for axis, native in zip(axes, architecture.sizes, strict=True)
    )
    if on_lattice(symbolic, architecture, sizes):
        return sizes
    return (up(max(sizes), lcm(*steps.values())),) * len(axes)


def on_lattice(symbolic: Cost, architecture: Architecture, sizes: tuple[int, ...]) -> bool:
    """Whether everything divides at these sizes."""
    return divides(symbolic, architecture.family.axes.point(sizes))


def layer_forms(id: str, way: Way = PLAIN) -> Forms:
    """A layer in its dimensions and the batch."""
    dims = sample_of(id)
    batch = {"batch": silently({"B": BATCH})["B"]} if "batch" in LAYERS[id].options else {}
    letters = {SYMBOL_OF.get(name, name): number for name, number in dims.items()}

    def at(symbols: Mapping[str, Any]) -> Footprint:
        named = {name: symbols[SYMBOL_OF.get(name, name)] for name in dims}
        return layer_footprint(id, {**named, **batch}, way)

    return _stepped(at, letters, True, {})


def _stepped(
    at: Callable[[Mapping[str, Any]], Footprint], sample: Mapping[str, int], tidy: bool, steps: Mapping[str, int]
) -> Forms:
    """Run with a symbol for every size; where one is counted through, with numbers for that."""
    symbols = silently(sample)
    try:
        return Forms((at(symbols),), tidy)
    except UnrolledError as loop:
        length = next((name for name in LENGTHS if name in sample), None)
        if length is None:
            raise InputError(f"formula: it takes {loop}, and has no closed form here") from None
    except (ValueError, ZeroDivisionError) as error:  # a size that does not divide, or a sum to divide by
        raise InputError(f"formula: {error}; there is no closed form here") from None
    points = tuple(steps.get(length, 1) * number for number in STEPS)
    return Forms(tuple(at({**symbols, length: point}) for point in points), tidy, length, points)


LENGTHS = ("T", "N")
"""Sizes that a network may count through."""


def _interpolated(name: str, points: tuple[int, ...], forms: list[Polynomial]) -> Polynomial:
    """The polynomial in a length, from the forms at some lengths; the last two have to agree."""
    held_out = 2
    monomials: dict[Monomial, None] = {m: None for form in forms for m in form.terms}
    found = as_polynomial(0)
    for monomial in monomials:
        values: list[Any] = [Fraction(form.terms.get(monomial, 0), form.denominator) for form in forms]
        part = interpolate({name: points[:-held_out]}, values[:-held_out])
        found = found + part * Polynomial({monomial: 1})
    for point, form in zip(points, forms, strict=True):
        if found.subs({name: point}) != form:
            raise InputError(f"formula: no polynomial in {name}")
    return found


def tidied(form: Polynomial) -> Polynomial:
    """A form on the lattice where everything divides."""
    found = floors.on_lattice(form)
    return form if found is None else found.form


def up(number: int, step: int) -> int:
    """The next multiple."""
    return -(-number // step) * step
