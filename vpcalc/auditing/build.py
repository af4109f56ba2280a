"""Building what a request names, in a child process."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import nn

from ..checks.input_functions import InputFunction, input_function
from ..checks.shapes import Kind
from ..checks.targets import Target, find_target
from ..counters import ways
from ..counters.ways import Way
from ..counters.weights import TooLargeError
from ..errors import InputError, first_line
from ..sources import quiet


@dataclass(frozen=True, slots=True)
class Built:
    """A module in eval mode with its inputs; ``regime`` is the one that was used, by number and in words."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    regime: int
    text: str
    device: str


def build(request: Mapping[str, Any]) -> Built:
    """The module and inputs of a request, as the first regime that works has them.

    Raises:
        InputError: the target cannot be built or does not run at that input.
    """
    target = find_target(_named(request), _inputs(request), request["arguments"])
    if request.get("regime") is not None:
        return _made(target, request, request["regime"], request["device"])
    problem: Exception | None = None
    for number in range(len(target.regimes)):
        built = _tried(target, request, number)
        if isinstance(built, Built):
            return built
        problem = problem or built
    line = first_line(problem or ValueError())
    raise InputError(f"TARGET {target.name!r} does not run at {_at(request)}: {line}")


def _tried(target: Target, request: Mapping[str, Any], regime: int) -> Built | Exception:
    """Built and run once, or why not."""
    try:
        built = _on_some_device(target, request, regime)
        with quiet():
            built.module(*built.args, **built.kwargs)
    except InputError:
        raise
    except Exception as error:
        return error
    return built


def _named(request: Mapping[str, Any]) -> object:
    if request.get("pickle"):
        return pickle.loads(Path(request["pickle"]).read_bytes())
    return request["target"]


def _inputs(request: Mapping[str, Any]) -> str | InputFunction | None:
    """A shape, or the function that makes them."""
    if not request.get("made"):
        return cast("str | None", request["inputs"])
    place = request["made"]["pickle"]
    return input_function(pickle.loads(Path(place).read_bytes()) if place else request["inputs"])


def _on_some_device(target: Target, request: Mapping[str, Any], regime: int) -> Built:
    """On the device that was asked for; ``auto`` is the CPU unless the weights are too large for it."""
    if request["device"] != "auto":
        return _made(target, request, regime, request["device"])
    try:
        return _made(target, request, regime, "cpu")
    except TooLargeError:
        return _made(target, request, regime, "meta")


def _made(target: Target, request: Mapping[str, Any], number: int, device: str) -> Built:
    regime = target.regimes[number]
    point = dict(request["point"])
    if regime.square:
        sides = [point[v.name] for v in target.variables if v.kind is Kind.IMAGE]
        if len(set(sides)) > 1:
            raise ValueError("takes squares only")
    way = Way.META if device == "meta" else Way.CPU
    with quiet():
        module, args, kwargs = ways.built(way, lambda: regime.make(point))
    return Built(module.eval(), args, {**regime.kwargs, **kwargs}, number, regime.text, device)


def by_position(built: Built) -> tuple[nn.Module, tuple[Any, ...]]:
    """The same without keywords: the module itself where its signature allows it, else in a wrapper."""
    words = list(inspect.signature(built.module.forward).parameters)[len(built.args) :]
    if words[: len(built.kwargs)] == list(built.kwargs):
        return built.module, (*built.args, *built.kwargs.values())
    return Positional(built.module, tuple(built.kwargs)), (*built.args, *built.kwargs.values())


class Positional(nn.Module):
    """A module whose last inputs are passed on by name."""

    def __init__(self, module: nn.Module, words: tuple[str, ...]) -> None:
        super().__init__()
        self.module = module
        self.words = words

    def forward(self, *args: Any) -> Any:
        """Pass them on."""
        plain = len(args) - len(self.words)
        return self.module(*args[:plain], **dict(zip(self.words, args[plain:], strict=True)))


class Named(nn.Module):
    """A module whose first inputs are passed on by position: ``input0``, ``input1`` …"""

    def __init__(self, module: nn.Module, count: int) -> None:
        super().__init__()
        self.module = module
        self.words = [f"input{number}" for number in range(count)]

    def forward(self, **named: Any) -> Any:
        """Pass them on."""
        args = [named.pop(word) for word in self.words]
        return self.module(*args, **named)


def _at(request: Mapping[str, Any]) -> str:
    sizes = ", ".join(f"{name} = {value}" for name, value in request["point"].items())
    return " with ".join(filter(None, (request["inputs"], sizes)))
