"""What is changed in torch and in a module's source for the time of a run, and put back after it.

* Functions of ``torch.nn.functional`` and their like hand themselves to a mode whole. Here they run their own
  Python, so that the mode meets only what is built in.
* ``int`` in the sources of the module's classes and of what they import keeps forms
  (:class:`vpcalc.execution.nodes.whole`), and ``range`` counts its steps. As an element type it is Python's own.
* Symbolic numbers get the methods that they lack, logarithms what they are of, parameters the forms of the
  tensors that they are made of.
* Weights are not initialised: their values are never looked at.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from types import FunctionType
from typing import Any

import torch
import torch.functional
import torch.nn.functional
import torch.nn.init
from torch import Tensor, nn

from ..counters.private import device_constructors, tensor_methods
from .floats import RELATIONS, log2
from .nodes import METHODS, OWN_NAMES, dressed, real, undressed, whole
from .outcome import BeyondError
from .rules.registry import MARK
from .sizes import Size

WIDENING = {"softmax": torch._softmax, "log_softmax": torch._log_softmax}
"""What takes 16 bits on CUDA and returns float32 where it is told to."""

_OPENED = (torch.nn.functional, torch.functional, tensor_methods)
_ASKED = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
_MISSING = object()

numbers.Integral.register(torch.SymInt)  # as torch's own modules ask before they take a size


def _no(*_: Any) -> bool:
    return False


def _made_here(function: Any) -> Any:
    """A function that makes a tensor where others are made: of itself it does not ask for the default device."""

    @wraps(function)
    def made(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(arg, Tensor) for arg in (*args, *kwargs.values())):
            kwargs.setdefault("device", torch.get_default_device())
        return function(*args, **kwargs)

    return made


_IN_PYTHON = [(room, name, _no) for room in _OPENED for name in _ASKED if hasattr(room, name)]
_IN_PYTHON += [(torch, name, _made_here(getattr(torch, name))) for name in ("normal", "range")]


def _untouched(tensor: Any, *_: Any, **__: Any) -> Any:
    return tensor


def _parameter(cls: Any, data: Any = None, requires_grad: bool = True) -> Any:
    """A parameter keeps the shape of what it is made of."""
    made = _ORIGINAL(cls, data, requires_grad)
    if data is not None and MARK in data.__dict__:
        setattr(made, MARK, data.__dict__[MARK])
    return made


def _as_subclass(tensor: Tensor, cls: Any) -> Any:
    """The same tensor of another class, which no mode sees."""
    made = _AS_SUBCLASS(tensor, cls)
    if MARK in tensor.__dict__:
        setattr(made, MARK, tensor.__dict__[MARK])
    return made


_BUILTIN: dict[Any, Any] = {whole: int, real: float}


def _with_types(function: Any) -> Any:
    """The same function with ``int`` where it is given our own: torch looks at element types before any mode."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if any(arg is whole or arg is real for arg in args):
            args = tuple(_BUILTIN.get(arg, arg) if isinstance(arg, type) else arg for arg in args)
        if kwargs.get("dtype") in (whole, real):
            kwargs["dtype"] = _BUILTIN[kwargs["dtype"]]
        return function(*args, **kwargs)

    return call


_TYPED = """
    arange zeros ones empty full eye linspace tensor as_tensor asarray scalar_tensor zeros_like ones_like
    empty_like full_like rand randn randint randperm rand_like randn_like randint_like tril_indices triu_indices
    sum prod cumsum cumprod
"""
_TYPED_METHODS = "to type new_zeros new_ones new_full new_empty new_tensor sum prod cumsum cumprod"


def _is_defined(size: Size, relation: str) -> bool:
    """Whether a size has a root or logarithm, where its sign can be asked: of others Python raises."""
    if size.form is None:
        return bool(RELATIONS[relation](size.value, 0))
    return size.compare(relation, 0, "a root or a logarithm")


def _log2(number: Any) -> Any:
    """The logarithm of a size keeps what it is of."""
    size = undressed(number)
    return dressed(log2(size)) if isinstance(size, Size) and _is_defined(size, ">") else _LOG2(number)


def _sqrt(number: Any) -> Any:
    """The root of a square has its form."""
    size = undressed(number)
    return dressed(size.root()) if isinstance(size, Size) and _is_defined(size, ">=") else _SQRT(number)


def _isqrt(number: Any) -> Any:
    """The same as a whole number."""
    size = undressed(number)
    return dressed(size.root().trunc()) if isinstance(size, Size) and _is_defined(size, ">=") else _ISQRT(number)


def _interpolate(input: Any, size: Any = None, scale_factor: Any = None, *args: Any, **kwargs: Any) -> Any:
    """By a factor that is a size, which torch's kernel does not take: to the sides that come of it."""
    factors = scale_factor if isinstance(scale_factor, (list, tuple)) else [scale_factor] * (input.dim() - 2)
    if size is None and any(isinstance(factor, torch.SymInt) for factor in factors):
        size = [math.floor(side * factor) for side, factor in zip(input.shape[2:], factors, strict=True)]
        scale_factor = None
    return _INTERPOLATE(input, size, scale_factor, *args, **kwargs)


_INTERPOLATE = torch.nn.functional.interpolate
_LOG2, _SQRT, _ISQRT = math.log2, math.sqrt, math.isqrt
_ORIGINAL = nn.Parameter.__new__
_AS_SUBCLASS = Tensor.as_subclass
_INITIALISERS = [name for name in vars(torch.nn.init) if name.endswith("_") and not name.startswith("_")]


def _is_one(value: Any, kind: Any) -> bool:
    """``isinstance`` of what checks arguments of a layer or fields of a configuration: a size is a number."""
    number = int if isinstance(value, torch.SymInt) else float if isinstance(value, torch.SymFloat) else None
    return isinstance(value, kind) or (number is not None and kind is number)


def _changes() -> list[tuple[Any, str, Any]]:
    found: list[tuple[Any, str, Any]] = [*_IN_PYTHON]
    found += [(kind, name, method) for (kind, name), method in METHODS.items()]
    found += [(torch.nn.init, name, _untouched) for name in _INITIALISERS]
    found.append((torch.nn.init, "_calculate_fan_in_and_fan_out", lambda tensor: (1, 1)))
    found += [(nn.Parameter, "__new__", _parameter), (Tensor, "as_subclass", _as_subclass)]
    found.append((torch.nn.functional, "interpolate", _interpolate))
    found += [(math, "log2", _log2), (math, "sqrt", _sqrt), (math, "isqrt", _isqrt)]
    checking = map(
        sys.modules.get, ("torch.nn.modules.rnn", "torch.nn.modules.flatten", "huggingface_hub.dataclasses")
    )
    found += [(room, "isinstance", _is_one) for room in checking if room is not None]
    return found + _TYPES


device_constructors()  # torch remembers which functions make tensors when it first asks: the real ones
_TYPES = [
    (place, name, _with_types(getattr(place, name)))
    for place, names in ((torch, _TYPED), (torch.Tensor, _TYPED_METHODS))
    for name in names.split()
]


@contextmanager
def opened(sources: Iterable[Any]) -> Iterator[None]:
    """Within it, modules of these Python ``sources`` can be built and run on sizes with forms."""
    changes = _changes() + [(source, *own) for source in list(sources) for own in OWN_NAMES.items()]
    with _changed(changes):
        yield


@contextmanager
def looked_into() -> Iterator[None]:
    """Within it, a mode meets what torch's functions in Python call, and not these, which it cannot follow."""
    with _changed(_IN_PYTHON):
        yield


def _enters(_: torch.autocast) -> None:
    raise BeyondError("it enters or leaves autocast itself")


def none_of_its_own() -> AbstractContextManager[None]:
    """Within it, a program that enters autocast, or leaves it, is not followed."""
    return _changed([(torch.autocast, "__enter__", _enters)])


@contextmanager
def _changed(changes: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    before = [(place, name, vars(place).get(name, _MISSING)) for place, name, _ in changes]
    for place, name, value in changes:
        setattr(place, name, value)
    try:
        yield
    finally:
        for place, name, value in before:
            if value is _MISSING:
                delattr(place, name)
            else:
                setattr(place, name, value)


def sources_of(module: nn.Module) -> list[Any]:
    """The Python modules that define the classes of a module, and the functions that these import."""
    own = dict.fromkeys(type(part).__module__ for part in module.modules())
    sources = {name: sys.modules[name] for name in own if name in sys.modules and not name.startswith("torch.")}
    for source in list(sources.values()):
        for helper in vars(source).values():
            name = helper.__module__ if isinstance(helper, FunctionType) else None
            if name in sys.modules and name.partition(".")[0] not in NOT_OPENED:
                sources[name] = sys.modules[name]
    return list(sources.values())


NOT_OPENED = frozenset(("torch", "vpcalc", *sys.stdlib_module_names))
"""Packages whose functions take sizes as Python has them, or as forms already."""
