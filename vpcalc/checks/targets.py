"""From what a user calls a model to something that can be built at any size.

A target is a registry id, ``file.py:factory``, ``package.module:factory``, ``timm:NAME``, ``torchvision:NAME`` or
``transformers:NAME``, a model type or a class (from its configuration: no weights and no remote code), or a module
or factory as an object. It comes with *regimes*, the ways in which one description may cover many input sizes, in
the order in which they are tried: one model that takes any size, one that interpolates its positions, and models
rebuilt for each size, which are a family whose parameters may change.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError, require_file_of, unknown
from ..inputs import WHOLE
from ..optional import LIBRARIES, require_torch
from .arguments import refuse_loading
from .factories import Arguments, Factory, described, from_code, from_library
from .input_functions import InputFunction
from .layouts import Layout, parse_layout, tensor_shapes
from .shapes import (
    InputShape,
    Kind,
    Point,
    Variable,
    letters,
    letters_of,
    read_argument,
    resolve,
    variables,
    with_numbers,
)

if TYPE_CHECKING:
    from torch import nn

    from ..cost import Cost
    from ..counters.given import Given, TensorShape


@dataclass(frozen=True, slots=True)
class Regime:
    """One way to have a model at every size.

    ``make`` builds it at a point; ``kwargs`` go to its forward; in a ``square`` regime all sides of the image are
    the first of them; a ``fixed`` one has the same model at every point. ``sources`` are the Python modules that
    make it.
    """

    text: str
    make: Callable[[Point], tuple[nn.Module, Given | Sequence[TensorShape]]]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    square: bool = False
    fixed: bool = False
    sources: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What is derived: its symbols and its regimes.

    ``built`` says what its name leaves open; ``layout`` how inputs are passed on where some are in lists or
    dictionaries; ``function`` makes them where a function does. In ``training`` it runs in train mode.
    ``describe`` gives the cost of a target of ours from its layers, without torch, at numbers or traced sizes.
    """

    name: str
    inputs: tuple[InputShape, ...]
    variables: tuple[Variable, ...]
    regimes: tuple[Regime, ...]
    built: str = ""
    layout: Layout | None = None
    function: InputFunction | None = None
    training: bool = False
    describe: Callable[[Mapping[str, Any]], Cost] | None = None

    @property
    def spelled(self) -> str:
        """Its inputs as a user writes them."""
        if self.function is not None:
            return self.function.spelled
        return ";".join(map(str, self.inputs)) if self.layout is None else self.layout.spelled(self.inputs)

    def tied(self, regime: Regime) -> dict[str, str]:
        """Symbols that a square regime replaces, by the one that replaces them."""
        sides = [v.name for v in self.variables if v.kind is Kind.IMAGE] if regime.square else []
        return dict.fromkeys(sides[1:], sides[0]) if sides else {}

    def at(self, values: Mapping[str, int]) -> Target:
        """The same where some symbols have numbers."""
        if not values:
            return self

        left = tuple(variable for variable in self.variables if variable.name not in values)

        def numbered(regime: Regime) -> Regime:
            def make(point: Point) -> tuple[nn.Module, Given | Sequence[TensorShape]]:
                alone = (
                    regime.fixed and left and not point
                )  # the module without inputs, whose letters have no number
                return regime.make({} if alone else {**values, **point})

            return replace(regime, make=make)

        return replace(
            self,
            inputs=tuple(
                replace(shape, dims=tuple(with_numbers(dim, values) for dim in shape.dims))
                for shape in self.inputs
            ),
            variables=left,
            regimes=tuple(numbered(regime) for regime in self.regimes if not self.tied(regime)),
        )


def find_target(
    target: object,
    inputs: str | InputFunction | None = None,
    arguments: Arguments | None = None,
    *,
    training: bool = False,
) -> Target:
    """Resolve a target, an input specification (or a function that makes inputs) and arguments.

    Raises:
        InputError: one of them cannot be used; the message says which and what is allowed.
    """
    given = {name: read_argument(name, value) for name, value in (arguments or {}).items()}
    refuse_loading(given, target)
    found = _found(target, inputs, given)
    return replace(found, training=True) if training else found


def settled(target: object) -> object:
    """Code as the function that it names, so that its file is run once however often it is asked about.

    Raises:
        InputError: there is no such file, module or function, or it cannot be imported.
    """
    if not isinstance(target, str) or ":" not in target or target.partition(":")[0] in LIBRARIES:
        return target
    require_file_of(target)
    require_torch(f"TARGET {target}")
    return from_code(target).make


def _found(target: object, inputs: str | InputFunction | None, given: Arguments) -> Target:
    if not isinstance(target, str):
        return _from_object(target, inputs, given)
    room, colon, name = target.partition(":")
    if colon:
        require_torch(f"TARGET {target}")
    if colon and room in LIBRARIES:
        if not name:
            raise InputError(f"TARGET {target!r}: give a name after {room}:")
        return _from_factory(target, from_library(room, name, given), inputs, given)
    if colon:
        return _from_factory(target, from_code(target), inputs, given)
    if isinstance(inputs, InputFunction):
        raise InputError(f"--inputs {inputs.name}: {target} has inputs of its own; give --input")
    from .registered import from_registry

    return from_registry(target, inputs, given)


# -- factories ----------------------------------------------------------------------------------------


def _from_factory(name: str, factory: Factory, text: str | InputFunction | None, given: Arguments) -> Target:
    for argument in given:
        if factory.accepted is not None and argument not in factory.accepted:
            raise unknown(f"--arg: argument of {name}", argument, factory.accepted)
    _all_bound(factory, given)
    if isinstance(text, InputFunction):
        layout, named = None, text.leaves()
    else:
        layout, named = _named_leaves(name, text, factory.keywords)
    limits = {
        dim: factory.limits[shape.keyword]
        for shape in named
        if shape.keyword in factory.limits and shape.dtype in WHOLE
        for dim in shape.dims[1:]
        if isinstance(dim, str)
    }
    defaults = {
        letter: factory.defaults[argument]
        for argument, value in given.items()
        if argument in factory.defaults
        for letter in letters(value)
    }
    symbols = variables(named, given, limits, defaults)
    few_symbols(symbols)
    function = text if isinstance(text, InputFunction) else None
    regimes = _regimes(factory, named, symbols, given, function or layout)
    return Target(name, named, symbols, tuple(regimes), factory.built, layout, function)


def _all_bound(factory: Factory, given: Arguments) -> None:
    """Refuse a factory whose arguments are not all given, by name; those that set an image's size follow it."""
    missing = [name for name in factory.required if name not in (*given, *factory.sizes)]
    if missing:
        named, are = " and ".join(missing), "are" if len(missing) > 1 else "is"
        number, symbol = (8, "heads") if "head" in missing[0] else (64, "C")
        such = f"{missing[0]}={number} or {missing[0]}={symbol}"
        raise InputError(f"--arg: {named} {are} not bound; give a number or a symbol, such as {such}")


def _named_leaves(
    name: str, text: str | None, keywords: Sequence[str]
) -> tuple[Layout | None, tuple[InputShape, ...]]:
    """Inputs by their keywords where they have any, and how they are passed on unless it is one by one."""
    if text is None:
        raise InputError(f"--input: give the shape of the input of {name}, such as 1,3,H,W or 1,N:long")
    leaves, layout = parse_layout(text)
    found = list(leaves)
    for place, (_, part) in enumerate(layout.parts):
        if isinstance(part, int):
            found[part] = _keyed(leaves[part], keywords[place] if place < len(keywords) else "")
    named = layout.named(found)
    return None if layout.is_flat else named, tuple(found)


def _keyed(shape: InputShape, keyword: str) -> InputShape:
    """The input by its keyword; ``…_ids`` are integers unless something else is said."""
    keyword = shape.keyword or keyword
    return InputShape(shape.dims, shape.dtype or ("long" if keyword.endswith("ids") else ""), keyword)


def _regimes(
    factory: Factory,
    shapes: tuple[InputShape, ...],
    symbols: tuple[Variable, ...],
    given: Arguments,
    how: InputFunction | Layout | None,
) -> Iterable[Regime]:
    by_argument = any(v.kind is Kind.ARGUMENT for v in symbols) or any(map(letters, given.values()))

    def regime(text: str, more: Callable[[Point], Arguments], square: bool = False, **kwargs: object) -> Regime:
        def make(point: Point) -> tuple[nn.Module, Given | Sequence[TensorShape]]:
            settings = {**{name: resolve(value, point) for name, value in given.items()}, **more(point)}
            return _module(factory.make(**settings)), _inputs(shapes, point, how) if point or not symbols else []

        fixed = text.startswith("one model") and not by_argument
        return Regime(text, make, kwargs, square, fixed, _sources(factory.make))

    yield regime(
        "rebuilt for each set of arguments" if by_argument else "one model at every size", lambda point: {}
    )
    image = next((shape for shape in shapes if shape.grid), None)
    if image is None:
        return
    sides = [image.dims[place] for place in image.grid]
    if symbols and not any(map(letters_of, sides)):
        return
    yield regime(
        "one model at every size, interpolate_pos_encoding=True", lambda point: {}, interpolate_pos_encoding=True
    )
    if factory.dynamic:
        yield regime(f"one model at every size, {factory.dynamic}=True", lambda point: {factory.dynamic: True})

    def set_to(size: str, side: Callable[[tuple[int, ...]], object]) -> Callable[[Point], Arguments]:
        def settings(point: Point) -> Arguments:
            shape = image.at(point)
            return {size: side(tuple(shape[place] for place in image.grid))}

        return settings

    sizes = [size for size in factory.sizes if size not in given]
    for size in sizes:
        yield regime(f"rebuilt for each size, {size}=(height, width)", set_to(size, tuple))
    if all(isinstance(side, str) for side in sides) or (not symbols and len(set(sides)) == 1):
        for size in sizes:
            squares = f"rebuilt for each size, squares only, {size}="
            yield regime(f"{squares}height", set_to(size, lambda sides: sides[0]), square=True)
            yield regime(f"{squares}(height, height)", set_to(size, tuple), square=True)


def _sources(make: object) -> tuple[Any, ...]:
    """The Python module in which a factory was written."""
    source = sys.modules.get(getattr(make, "__module__", ""))
    return () if source is None or source.__name__.startswith(("torch.", "vpcalc.checks")) else (source,)


def _module(made: object) -> nn.Module:
    from torch import nn

    if not isinstance(made, nn.Module):
        raise InputError(f"TARGET: the factory returned a {type(made).__name__}; must return a torch.nn.Module")
    return made


def _inputs(
    shapes: Sequence[InputShape], point: Point, how: InputFunction | Layout | None
) -> Given | Sequence[TensorShape]:
    """What a forward is given at a point."""
    from ..counters.given import Described, Objects

    if isinstance(how, InputFunction):
        return Objects(lambda: how.arguments(point))
    made = tensor_shapes(shapes, point)
    return made if how is None else Described(made, how.pack)


MOST_SYMBOLS = 6
"""Those of a layer on a grid that has a window, heads and a reduction: h, w, C, M, a, R."""


def few_symbols(symbols: Sequence[Variable]) -> None:
    """Refuse a target in which too much may vary."""
    if len(symbols) > MOST_SYMBOLS:
        named = ", ".join(v.name for v in symbols)
        raise InputError(
            f"--input, --arg: {len(symbols)} symbols ({named}); must be at most {MOST_SYMBOLS}: "
            f"give one of them a number"
        )


# -- where factories come from ------------------------------------------------------------------------


def _from_object(target: object, text: str | InputFunction | None, given: Arguments) -> Target:
    from torch import nn

    if isinstance(target, nn.Module):
        if given:
            raise InputError("args: a module is already built; give a function that builds it")
        from ..counters.weights import sharing_weights

        module = target
        return _from_factory(type(module).__name__, Factory(lambda: sharing_weights(module)), text, given)
    if not callable(target):
        raise InputError(f"target: a {type(target).__name__}; must be a name, a torch.nn.Module or a function")
    name = getattr(target, "__qualname__", type(target).__name__)
    return _from_factory(name, described(target), text, given)
