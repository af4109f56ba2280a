"""Layers and architectures run on symbols: closed forms and where they hold.

The same functions that turn ints into figures are called with one symbol a dimension. What comes
back is an ordinary cost tree whose totals are polynomials; its tilings say what has to divide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm
from typing import Any

from .algebra import Polynomial
from .algebra.floors import Tidy
from .algebra.forms import SHAPES
from .algebra.polynomial import as_polynomial, symbol
from .algebra.printers import PRINTERS, Expression, Names
from .architectures import Architecture
from .cost import Cost, Quantity, Tiling
from .layers import LAYERS

RESIZE = "upsample_bilinear2d"
"""The operator that a :class:`vpcalc.cost.Resizing` runs."""

SYMBOL_OF = {"heads": "a", "classes": "K", "chunk": "b"}
"""Parameters whose symbol in a closed form is not their own name."""


def symbols_of(id: str) -> dict[str, Polynomial]:
    """A layer's dimensions, each as its symbol."""
    return {name: symbol(SYMBOL_OF.get(name, name)) for name in LAYERS[id].dims}


def layer_on_symbols(id: str) -> Cost:
    """The cost tree of a layer with a symbol for every dimension."""
    return LAYERS[id].build(**symbols_of(id))


def model_on_symbols(architecture: Architecture, config: Mapping[str, Any], batch: int = 1) -> Cost:
    """The cost tree of an architecture with symbols for the input's sizes and its own settings."""
    return architecture.cost(tuple(symbol(axis) for axis in architecture.family.axes), config, batch)


@dataclass(frozen=True)
class Form:
    """A closed form and the condition on which it holds.

    ``shape`` is one of :data:`vpcalc.algebra.forms.SHAPES`; ``names`` are symbols to be written otherwise.
    """

    polynomial: Polynomial
    valid: str = ""
    shape: str = "expanded"
    names: tuple[tuple[str, str], ...] = ()

    @cached_property
    def expression(self) -> Expression:
        """The polynomial in this shape."""
        return SHAPES[self.shape](self.polynomial)

    def spell(self, spelling: str) -> str:
        """One of the spellings of :data:`vpcalc.algebra.printers.PRINTERS`."""
        return PRINTERS[spelling](self.expression, dict(self.names))

    @cached_property
    def text(self) -> str:
        """Unicode text."""
        return self.spell("text")

    @cached_property
    def latex(self) -> str:
        """LaTeX math without delimiters."""
        return self.spell("latex")

    @cached_property
    def python(self) -> str:
        """An expression that Python evaluates exactly where the form holds."""
        return self.spell("python")

    @cached_property
    def mathml(self) -> str:
        """A whole ``<math>`` element."""
        return self.spell("mathml")

    @cached_property
    def typst(self) -> str:
        """Typst math without dollar signs."""
        return self.spell("typst")

    def gives(self, total: int, sizes: Mapping[str, int]) -> bool:
        """Whether the form has this value at these sizes: off its lattice it may not even be whole."""
        try:
            return self.polynomial.value(sizes) == total
        except ValueError:
            return False

    def _repr_latex_(self) -> str:
        return f"${self.latex}$"

    def to_dict(self) -> dict[str, str]:
        """Fields of the JSON contract."""
        spelled = {"text": self.text, "latex": self.latex, "python": self.python}
        return {**spelled, "valid": self.valid} if self.valid else spelled

    def __str__(self) -> str:
        return self.text


def closed_form(cost: Cost, quantity: Quantity, factor: int | None = None) -> Form:
    """The total of a symbolic cost tree. ``factor`` is a number to show apart in the condition."""
    return Form(as_polynomial(cost.total(quantity)), condition(cost, factor, quantity=quantity))


def window_of(config: Mapping[str, Any]) -> int | None:
    """The window side among an architecture's settings, which its lattice shows apart (32·7)."""
    window = config.get("M")
    return window if isinstance(window, int) else None


def lattice(cost: Cost) -> dict[str, int]:
    """For each symbol the number that it has to be a multiple of, where that is a number."""
    steps: dict[str, int] = {}
    for tiling in _tilings(cost):
        if isinstance(tiling.tile, int) and (step := _step(tiling)) is not None:
            name, multiple = step
            steps[name] = lcm(steps.get(name, 1), multiple)
    return {name: step for name, step in sorted(steps.items()) if step > 1}


def divides(cost: Cost, sizes: Mapping[str, int]) -> bool:
    """Whether sizes are on the lattice of a symbolic cost tree: whether all that has to divide does."""
    if any(sizes[name] % step for name, step in lattice(cost).items()):
        return False
    for tiling in _tilings(cost):
        if isinstance(tiling.tile, int):
            continue
        tiles = (as_polynomial(tiling.size) / tiling.tile).subs(sizes)
        if not tiles.symbols and tiles.denominator != 1:
            return False
    return True


def condition(
    cost: Cost,
    factor: int | None = None,
    spelled: Mapping[str, str] | None = None,
    quantity: Quantity | None = None,
) -> str:
    """Where the closed form of a symbolic cost tree holds, in words; symbols that are ``spelled`` otherwise.

    With a ``quantity`` its single exceptions are named, too. Forms of memory have none: of a resized table
    nothing is kept, and the peak of a block is higher than that of resizing what it reads.
    """

    def written(size: Any) -> str:
        return PRINTERS["text"](as_polynomial(size), spelled)

    by_multiple: dict[str, list[str]] = {}
    for name, step in lattice(cost).items():
        by_multiple.setdefault(_product(step, factor), []).append(written(symbol(name)))
    tiles: dict[
        Polynomial, Tiling
    ] = {}  # by how many there are: W/4 in tiles of H/32 says the same as W/8 in tiles of H/64
    for tiling in _tilings(cost):
        if not isinstance(tiling.tile, int):
            tiles.setdefault(as_polynomial(tiling.size) / tiling.tile, tiling)
    for number, tiling in tiles.items():
        if number.symbols or number.denominator != 1:
            by_multiple.setdefault(written(tiling.tile), []).append(written(tiling.size))
    least = {f"{written(tiling.tile)} ≥ {tiling.least}" for tiling in tiles.values() if tiling.least > 1}
    phrases = [*multiples(by_multiple), *sorted(least)]
    if quantity is not None:
        phrases += [f"{written(size)} other than {number}" for size, number in _exceptions(cost, quantity)]
    return "; ".join(phrases)


def multiples(names_by_multiple: Mapping[Any, list[str]]) -> list[str]:
    """``H and W multiples of 224``: what has to be divided, by what divides it."""
    return [
        f"{' and '.join(names)} {'multiples' if len(names) > 1 else 'a multiple'} of {multiple}"
        for multiple, names in names_by_multiple.items()
    ]


def divided(steps: Mapping[str, int]) -> list[str]:
    """The same of letters, each with the number that it has to be a multiple of."""
    by_multiple: dict[int, list[str]] = {}
    for name, step in steps.items():
        if step > 1:
            by_multiple.setdefault(step, []).append(name)
    return multiples(by_multiple)


def divisions(tidy: Tidy, letters: Iterable[str] | None = None, names: Names | None = None) -> list[str]:
    """Where a tidy form holds, in words: letters that are multiples of a number, and what else divides.

    ``letters`` is their order, ``names`` are symbols to be written otherwise.
    """

    def spelled(size: Polynomial) -> str:
        return PRINTERS["text"](size, names)

    steps = {spelled(symbol(name)): tidy.strides.get(name, 1) for name in letters or tidy.strides}
    by_multiple: dict[str, list[str]] = {}
    for above, below in tidy.exact:
        by_multiple.setdefault(spelled(below), []).append(spelled(above))
    return [*divided(steps), *multiples(by_multiple)]


def _exceptions(cost: Cost, quantity: Quantity) -> Iterable[tuple[Polynomial, int]]:
    """Sizes at which a table fits that is resized, at a price, at all others: ``HW`` and 50176."""
    found: dict[tuple[Polynomial, int], None] = {}
    for node in cost.nodes():
        if not any(quantity.of(op) for op in node.ops if op.kind == RESIZE):
            continue
        for (rows, columns), (h, w) in node.resizings:
            size = as_polynomial(h * w)  # HW/16 is 3136 where HW is 50176
            common = gcd(*size.terms.values())
            number, rest = divmod(rows * columns * size.denominator, common)
            if not rest:
                found[size * size.denominator / common, number] = None
    return found


def deviations(cost: Cost) -> tuple[str, ...]:
    """Notes on an int cost tree: what was padded, dropped, shrunk or resized, each once."""
    notes: dict[str, None] = dict.fromkeys(note for node in cost.nodes() for note in node.notes)
    done: dict[str, dict[str, None]] = {}
    for tiling in _tilings(cost):
        if not (isinstance(tiling.tile, int) and isinstance(tiling.size, int)) or tiling.size % tiling.tile == 0:
            continue
        tiles, rest = divmod(tiling.size, tiling.tile)
        how = f"the last {rest} dropped" if tiling.drops else f"padded to {(tiles + 1) * tiling.tile}"
        done.setdefault(f"{tiling.what} {tiling.tile} does not divide", {})[f"{tiling.size}: {how}"] = None
    notes.update({f"{what} {'; '.join(sizes)}": None for what, sizes in done.items()})
    resized = [_resized(*resizing) for node in cost.nodes() for resizing in node.resizings if _resizes(*resizing)]
    if resized:
        notes[f"positions resized: {', '.join(resized)}"] = None
    return tuple(notes)


def pads(cost: Cost) -> bool:
    """Whether something was padded in an int cost tree."""
    whole = (t for t in _tilings(cost) if isinstance(t.tile, int) and isinstance(t.size, int))
    return any(tiling.size % tiling.tile and not tiling.drops for tiling in whole)


def _resizes(table: tuple[Any, Any], grid: tuple[Any, Any]) -> bool:
    return all(isinstance(side, int) for side in grid) and table[0] * table[1] != grid[0] * grid[1]


def _resized(table: tuple[Any, Any], grid: tuple[Any, Any]) -> str:
    return f"{table[0]}×{table[1]} to {grid[0]}×{grid[1]}"


def _tilings(cost: Cost) -> Iterable[Tiling]:
    return (tiling for node in cost.nodes() for tiling in node.tilings)


def _step(tiling: Tiling) -> tuple[str, int] | None:
    """``tile`` divides ``p/q * name``: name has to be a multiple of what?"""
    size = tiling.size
    if not isinstance(size, Polynomial) or len(size.terms) != 1:
        return None
    ((monomial, number),) = size.terms.items()
    if len(monomial) != 1 or monomial[0][1] != 1:
        return None
    needed = size.denominator * tiling.tile
    return monomial[0][0], needed // gcd(number, needed)


def _product(step: int, factor: int | None) -> str:
    if factor and factor > 1 and step % factor == 0 and step != factor:
        return f"{step} ({step // factor}·{factor})"
    return str(step)
