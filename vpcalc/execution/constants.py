"""Sizes that a program may look up by hash: ``size in {224, 384}``, ``TABLES[size]``. It makes no comparison.

They are read off what the program keeps: sets and keys of mappings, in the code of its classes' functions and in
its modules. Counting at these sizes shows whether something else happens there, and a run there makes the
comparison.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from torch import nn

FEW = 12
"""Most of them that are looked at."""

SMALLEST = 8
"""Up to it they are taken for axes and places of a tuple."""


def looked_up(module: nn.Module) -> list[int]:
    """Whole numbers that a module's programs have as elements of sets and keys of mappings, the smallest first."""
    found: set[int] = set()
    sources = {}
    for part in module.modules():
        kind = type(part)
        if not kind.__module__.startswith("torch."):
            sources[kind.__module__] = kind
            found.update(_of(vars(kind).values()))
        found.update(_of(vars(part).values()))
    for name in sources:
        found.update(_of(vars(sys.modules[name]).values()) if name in sys.modules else ())
    return sorted(number for number in found if number > SMALLEST)[:FEW]


def _of(values: Iterable[Any]) -> Iterator[int]:
    for value in list(values):
        if isinstance(value, FunctionType):
            yield from _of_code(value.__code__)
        elif isinstance(value, (set, frozenset, dict)) and not isinstance(value, nn.Module):
            yield from (key for key in list(value) if type(key) is int)


def _of_code(code: CodeType) -> Iterator[int]:
    """Constant sets, and tuples, which the keys of a constant mapping are."""
    for constant in code.co_consts:
        if isinstance(constant, (tuple, frozenset)):
            yield from (key for key in constant if type(key) is int)
        elif isinstance(constant, CodeType):
            yield from _of_code(constant)
