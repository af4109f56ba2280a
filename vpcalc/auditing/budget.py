"""Counting a module for a test: by shapes alone where that works."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..checks.input_functions import input_function
from ..checks.layouts import parse_layout, tensor_shapes
from ..checks.measured import Measured, further
from ..checks.prices import read_prices
from ..checks.targets import Regime, find_target
from ..counters.dispatch import DispatchCounts, tensors_of
from ..counters.given import Arguments, Described, Given, Objects
from ..counters.pricing import supplied
from ..counters.ways import Build, Way, needs_values, run
from ..counters.weights import sharing_weights
from ..errors import InputError, first_line
from ..placing import Placed, as_placed


@dataclass(frozen=True)
class Seen:
    """One counted run, and of the bytes that were asked for how many there are."""

    counts: DispatchCounts
    figures: Mapping[str, int]


def count(
    model: object,
    inputs: object,
    kwargs: Mapping[str, Any] | None = None,
    where: Mapping[str, int] | None = None,
    asked: Collection[str] = (),
    prices: Mapping[str, object] | None = None,
) -> Seen:
    """Count one forward pass of a module, or of the module that a function makes, in eval mode.

    A function of symbols makes the inputs at the numbers that these have in ``where``. ``asked`` are quantities of
    :data:`vpcalc.checks.measured.FURTHER`, ``prices`` as :func:`vpcalc.derive` has them.

    Nothing of the module is changed and nothing large is computed, unless its operators depend on values: those of
    its weights and of tensors that were given are then what they are.

    Raises:
        InputError: it is no module, its inputs are no shapes, it does not run on them, what was asked for cannot
            be seen, or a price is none.
    """
    row = as_placed(model, "assert_cost") if isinstance(model, str) else None
    if row is not None and "@" in row.behind and inputs is None:
        inputs = row.layout
    make = _maker(model) if row is None else _named(row, inputs)
    given = _given(inputs, kwargs or {}, where or {})

    def build() -> tuple[nn.Module, Given]:
        return make(), given

    try:
        with supplied(read_prices(prices)) as known:
            way, counts = _counted(build)
            known.check_all_asked()
    except InputError as error:
        raise InputError(str(error).replace("--price", "assert_cost: prices", 1)) from None
    if not asked:
        return Seen(counts, {})
    run = Measured((), counts, Regime("", lambda point: build()), way)
    found = further(run, asked)
    for name in asked:
        if name in found.missing:
            raise InputError(f"assert_cost: {name}: cannot be seen: {found.missing[name]}")
    return Seen(counts, {name: found.figures[name] for name in asked})


def _counted(build: Build) -> tuple[Way, DispatchCounts]:
    """The count in the cheapest way in which the module runs."""
    problem: Exception | None = None
    for way in Way:
        counts, error = _tried(way, build)
        if counts is not None:
            return way, counts
        problem = problem or error
        if error is None or not needs_values(error):
            break
    assert problem is not None
    raise InputError(f"assert_cost: the module does not run on these inputs: {first_line(problem)}") from problem


def _tried(way: Way, build: Build) -> tuple[DispatchCounts | None, Exception | None]:
    try:
        return run(way, build, valued=True), None
    except InputError:
        raise
    except Exception as error:
        return None, error


def _maker(model: object) -> Callable[[], nn.Module]:
    if isinstance(model, nn.Module):
        module = model
        return lambda: sharing_weights(module)
    if callable(model):
        factory: Callable[[], Any] = model

        def make() -> nn.Module:
            made = factory()
            if not isinstance(made, nn.Module):
                raise InputError(f"assert_cost: the function made a {type(made).__name__}; must make a module")
            return made

        return make
    raise InputError(
        f"assert_cost: a {type(model).__name__}; must be a torch.nn.Module or a function that makes one"
    )


def _named(row: Placed, inputs: object) -> Callable[[], nn.Module]:
    """The module of a target by its name, as :func:`vpcalc.derive` takes it."""
    if not isinstance(inputs, str):
        raise InputError(f"assert_cost: {row.text} is a name; give its inputs as a shape, such as '1,3,224,224'")
    found = find_target(row.target, inputs, row.arguments)
    return lambda: found.regimes[0].make({})[0]


def _given(inputs: object, named: Mapping[str, Any], where: Mapping[str, int]) -> Given:
    """Shapes from a text (``1,3,224,224``), the objects themselves, or the function that makes them."""
    if callable(inputs) or (isinstance(inputs, str) and _NAMES_A_FUNCTION.fullmatch(inputs)):
        return _made(inputs, named, where)
    if isinstance(inputs, str):
        leaves, layout = parse_layout(inputs)
        symbols = [name for shape in leaves for name in shape.letters]
        if symbols:
            raise InputError(f"assert_cost: inputs {inputs[:60]!r}: {symbols[0]} must be a number")
        described = Described(tensor_shapes(leaves, {}), layout.pack)
        return _With(described, named)
    if isinstance(inputs, Mapping):
        return Objects(lambda: ((), {**_copies(inputs), **_copies(named)}))
    given = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    if not tensors_of((given, named)):
        kinds = ", ".join(type(value).__name__ for value in given)
        raise InputError(f"assert_cost: no tensor in inputs ({kinds}); give one, or a text such as 1,3,224,224")
    return Objects(lambda: (_copies(given), _copies(named)))


_NAMES_A_FUNCTION = re.compile(r".*[./].*:[^\W\d]\w*(\(.*\))?")
"""``file.py:function`` or ``package.module:function``, at times with numbers: no shape has a dot or a slash."""


def _made(inputs: object, named: Mapping[str, Any], where: Mapping[str, int]) -> Given:
    try:
        function = input_function(inputs)
    except InputError as error:
        raise InputError(str(error).replace("--inputs", "assert_cost: inputs", 1)) from None
    missing = [symbol for symbol in function.symbols if symbol not in where]
    if missing:
        hint = f"give the values as where={{{missing[0]!r}: 128}}"
        raise InputError(f"assert_cost: inputs {function.spelled}: {missing[0]} must be a number; {hint}")

    def make() -> Arguments:
        args, kwargs = function.arguments(where)
        return args, {**kwargs, **_copies(named)}

    return Objects(make)


def _copies(value: Any) -> Any:
    """The same objects, so that a forward that writes to them changes nothing of the caller's."""
    return copy.deepcopy(value)


@dataclass(frozen=True)
class _With:
    """Inputs by their shapes and further ones by name."""

    described: Described
    named: Mapping[str, Any]

    def on(self, device: str, values: bool) -> Arguments:
        """See :class:`vpcalc.counters.given.Given`."""
        args, kwargs = self.described.on(device, values)
        more = Objects(lambda: ((), _copies(dict(self.named)))).on(device, values)[1]
        return args, {**kwargs, **more}
