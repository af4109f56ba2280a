"""Sizes that a program may look up by hash: ``size in {224, 384}``, ``TABLES[size]``. It makes no comparison.

They are read off what the program keeps: sets and keys of mappings, in the code of its classes' functions and in
its modules, and, where a size is hashed, in all that the function which is running names: its constants, what it
has in its hands, and what these have by names that it uses. A size that is looked up is compared with each
(:meth:`vpcalc.execution.guards.Path.look_up`); sizes that are among them are counted too, for what is looked up
where no run sees it.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from torch import nn

from .guards import NOTHING, Near
from .messages import OWN, frame_outside

FEW = 12
"""Most of them that are counted."""

MOST_ELEMENTS, DEEPEST = 256, 2
"""Elements of a container that is looked into, and how many containers deep."""

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


def near() -> Near:
    """What the program may look up where it is running."""
    frame = frame_outside(OWN)
    if frame is None:
        return NOTHING
    code = frame.f_code
    found = _Found()
    for constant in code.co_consts:
        if type(constant) is int and constant > SMALLEST:
            found.keys.add(constant)
        elif isinstance(constant, (tuple, frozenset)):
            found.look(constant)
    names = (*code.co_names, *code.co_freevars)
    held = [*frame.f_locals.values(), *(frame.f_globals[name] for name in names if name in frame.f_globals)]
    for value in held:
        found.look(value)
        for name in code.co_names if _has_attributes(value) else ():
            found.look(_attribute(value, name))
            found.within(_attribute(value, name))
    return Near(frozenset(found.keys), frozenset(found.pairs), (id(frame), frame.f_lasti))


def _is_pair(element: Any) -> bool:
    return (
        isinstance(element, (tuple, frozenset))
        and len(element) == 2
        and all(type(part) is int for part in element)
    )


def _has_attributes(value: Any) -> bool:
    return isinstance(value, (type, ModuleType)) or hasattr(value, "__dict__")


def _attribute(value: Any, name: str) -> Any:
    """An attribute that is there, without running a property."""
    own = getattr(value, "__dict__", {})
    if name in own:
        return own[name]
    kinds = value.__mro__ if isinstance(value, type) else type(value).__mro__
    return next((vars(kind)[name] for kind in kinds if name in vars(kind)), None)


class _Found:
    """Keys and pairs of keys within containers."""

    def __init__(self) -> None:
        self.keys: set[int] = set()
        self.pairs: set[tuple[int, int]] = set()

    def within(self, function: Any) -> None:
        """Whole numbers of the code of a function or property."""
        function = getattr(function, "fget", getattr(function, "__func__", function))
        if isinstance(function, FunctionType):
            self.keys.update(c for c in function.__code__.co_consts if type(c) is int and c > SMALLEST)
            for constant in function.__code__.co_consts:
                self.look(constant)

    def look(self, value: Any, depth: int = 0) -> None:
        """Whole numbers of a container, and of those within it."""
        if not isinstance(value, (dict, set, frozenset, list, tuple)) or len(value) > MOST_ELEMENTS:
            return
        if _is_pair(value):
            self.pairs |= {tuple(value), tuple(value)[::-1]}
        for element in list(value):
            if type(element) is int:
                self.keys.add(element)
            elif _is_pair(element):
                self.pairs.add(tuple(element))
                if isinstance(element, frozenset):
                    self.pairs.add(tuple(element)[::-1])
            elif depth < DEEPEST:
                self.look(element, depth + 1)
        for inner in list(value.values()) if isinstance(value, dict) and depth < DEEPEST else ():
            self.look(inner, depth + 1)


def _of(values: Iterable[Any]) -> Iterator[int]:
    for value in list(values):
        if isinstance(value, FunctionType):
            yield from _of_code(value.__code__)
        elif isinstance(value, (set, frozenset, dict)) and not isinstance(value, nn.Module):
            yield from (key for key in list(value) if type(key) is int)


@lru_cache(maxsize=10_000)
def _of_code(code: CodeType) -> tuple[int, ...]:
    """Elements of constant sets, and constant keys of mappings where they are made."""
    return tuple(_read(code))


def _read(code: CodeType) -> Iterator[int]:
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
