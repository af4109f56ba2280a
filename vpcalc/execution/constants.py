"""Sizes that a program may look up by hash: ``size in {224, 384}``, ``TABLES[size]``. It makes no comparison.

They are read off what the program keeps: sets and keys of mappings, in the code of its classes' functions and in
its modules. A size that is looked up is compared with each (:meth:`vpcalc.execution.guards.Path.look_up`); sizes
that are among them are counted too, for what is looked up where no run sees it.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from torch import nn

FEW = 12
"""Most of them that are counted."""

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
    return sorted(found)


def counted(keys: Iterable[int]) -> list[int]:
    """Those at which a program is counted as a size of its own."""
    return [key for key in keys if key > SMALLEST][:FEW]


def _of(values: Iterable[Any]) -> Iterator[int]:
    for value in list(values):
        if isinstance(value, FunctionType):
            yield from _of_code(value.__code__)
        elif isinstance(value, (set, frozenset, dict)) and not isinstance(value, nn.Module):
            yield from (key for key in list(value) if type(key) is int)


def _of_code(code: CodeType) -> Iterator[int]:
    """Elements of constant sets, and constant keys of mappings where they are made."""
    loaded: list[Any] = []
    for step in dis.get_instructions(code):
        if step.opname == "BUILD_CONST_KEY_MAP":
            yield from _whole(loaded[-1])
        elif step.opname == "BUILD_MAP" and step.arg:
            yield from _whole(loaded[-2 * step.arg :: 2])
        loaded.append(step.argval if "LOAD_CONST" in step.opname or "LOAD_SMALL_INT" in step.opname else None)
    for constant in code.co_consts:
        if isinstance(constant, frozenset):
            yield from _whole(constant)
        elif isinstance(constant, CodeType):
            yield from _of_code(constant)


def _whole(keys: Any) -> Iterator[int]:
    yield from (key for key in keys or () if type(key) is int)
