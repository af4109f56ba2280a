"""Inputs from a function of the user's: ``def inputs(N): return {"x": torch.zeros(1, N, 8), "mask": …}``.

Its arguments are the symbols; ``file.py:inputs(N=128)`` gives them numbers. It returns the one input of the model,
a tuple of inputs, a dictionary of inputs by name, or a pair of such a tuple and such a dictionary; they keep their
values wherever values are looked at.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import InputError, first_line
from ..inputs import NUMBER, whole
from ..sources import run_file
from .offline import imported
from .shapes import InputShape, is_symbol

if TYPE_CHECKING:
    from ..counters.given import Arguments

_PROBES = (37, 41, 43, 47, 53)
"""Sizes at which it is asked where its symbols go."""


@dataclass(frozen=True, slots=True)
class InputFunction:
    """A function that makes the inputs, its name, its symbols, and the numbers of those that have one."""

    make: Callable[..., Any]
    name: str
    symbols: tuple[str, ...]
    numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def spelled(self) -> str:
        """As it is called."""
        return f"{self.name}({', '.join((*self.symbols, *(f'{n}={size}' for n, size in self.numbers.items())))})"

    def arguments(self, point: Mapping[str, Any]) -> Arguments:
        """What a forward pass is called with at a point, whose sizes may have forms."""
        made = self.make(**{name: point[name] for name in self.symbols}, **self.numbers)
        if isinstance(made, tuple) and not hasattr(made, "_fields"):
            if len(made) == 2 and isinstance(made[0], tuple) and type(made[1]) is dict:
                return made[0], made[1]
            return made, {}
        if type(made) is dict:
            return (), made
        return (made,), {}

    def leaves(self) -> tuple[InputShape, ...]:
        """The tensors that it makes, with the symbols where their sides follow them.

        Raises:
            InputError: it does not run.
        """
        from ..counters.dispatch import tensors_of
        from ..counters.given import Objects
        from ..sources import quiet

        point = dict(zip(self.symbols, _PROBES, strict=False))
        try:
            with quiet():
                args, kwargs = Objects(lambda: self.arguments(point)).on("meta", values=False)
        except Exception as error:  # the user's code may raise anything
            said = first_line(error)
            raise InputError(f"--inputs {self.name}: fails at {_spelled(point)}: {said}") from error
        by_size = {size: name for name, size in point.items()}
        found = [_leaf(tensor, by_size) for tensor in tensors_of((args, kwargs))]
        seen = {name for leaf in found for name in leaf.letters}
        return (*found, *(InputShape((name,), NUMBER) for name in self.symbols if name not in seen))


def input_function(given: object) -> InputFunction:
    """A function, or ``file.py:function``, or ``file.py:function(N=128)``.

    Raises:
        InputError: it cannot be found, or its arguments are not symbols.
    """
    numbers: dict[str, int] = {}
    if isinstance(given, str):
        name, found, numbers = given, *_looked_up(given)
    else:
        name, found = getattr(given, "__qualname__", type(given).__name__), given
    if not callable(found):
        raise InputError(f"--inputs {name}: is no function")
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):
        raise InputError(f"--inputs {name}: its arguments cannot be read") from None
    by_name = [p for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for known in numbers:
        if known not in (p.name for p in by_name):
            raise InputError(f"--inputs {name}: takes no {known}")
    symbols = tuple(p.name for p in by_name if p.default is p.empty and p.name not in numbers)
    for symbol in symbols:
        if not is_symbol(symbol):
            said = "is no symbol; its arguments must be letters, as in def inputs(N, d_k)"
            raise InputError(f"--inputs {name}: {symbol!r} {said}")
    if len(symbols) > len(_PROBES):
        raise InputError(f"--inputs {name}: takes {len(symbols)} symbols; must be {len(_PROBES)} at most")
    return InputFunction(found, name.partition("(")[0], symbols, numbers)


def _looked_up(text: str) -> tuple[Any, dict[str, int]]:
    place, colon, call = text.rpartition(":")
    name, bracket, rest = call.partition("(")
    if not colon or not place or not name or (bracket and not rest.endswith(")")):
        raise InputError(
            f"--inputs {text!r}: must be file.py:function, package.module:function or either with (N=128)"
        )
    pairs = [part.partition("=") for part in rest.removesuffix(")").split(",") if part.strip()]
    numbers = {symbol.strip(): whole(f"--inputs {text!r}: {symbol.strip()}", size) for symbol, _, size in pairs}
    module = run_file(place, "--inputs") if place.endswith(".py") else imported(place)
    if not hasattr(module, name):
        raise InputError(f"--inputs {text!r}: there is no {name} in {place}")
    return getattr(module, name), numbers


def _leaf(tensor: Any, by_size: Mapping[int, str]) -> InputShape:
    is_whole = not (tensor.is_floating_point() or tensor.is_complex())
    return InputShape(tuple(by_size.get(size, size) for size in tensor.shape), "long" if is_whole else "")


def _spelled(point: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in point.items())
