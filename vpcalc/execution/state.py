"""What outlives a run of a program, and is put back: no run sees an earlier one.

A forward may write to its module, to globals of its file, to attributes of classes, defaults of functions and
closures, and to objects and containers that these hold; functions may remember results. A size with a form that
one run leaves there would be met by the next, and what is found by running often would follow from the order. What
is put back is which objects are held, not the numbers of tensors.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CellType, FunctionType, MethodType, SimpleNamespace
from typing import Any

from torch import nn

from .hooks import NOT_OPENED

MOST_HELD = 50_000
"""Objects beyond which no more are looked at."""

MOST_ENTRIES = 10_000
"""Entries of a container beyond which it is no memo, but data."""

_INSTALLED = ("site-packages", "dist-packages")

Undo = Callable[[], None]


class State:
    """All that can be reached from some places, as it is now.

    ``undo`` puts back one thing each; ``caches`` are functions that remember results.
    """

    def __init__(self, module: nn.Module | None, sources: Iterable[Any]) -> None:
        self.caches: list[Any] = []
        self.undo: list[Undo] = []
        seen: dict[int, Any] = {}  # with what has an id, so that no other has it meanwhile
        parts = [] if module is None else list(module.modules())
        self._names = {type(part).__module__ for part in parts}
        waiting: deque[Any] = deque(parts)
        for source in sources:
            self.undo.append(_namespace(vars(source)))
            waiting.extend(list(vars(source).values()))
        while waiting and len(seen) < MOST_HELD:
            value = waiting.popleft()
            if id(value) not in seen:
                seen[id(value)] = value
                waiting.extend(self._noted(value))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Within it, nothing is remembered from before, and what changes is put back at the end."""
        for cache in self.caches:
            cache.cache_clear()
        try:
            yield
        finally:
            for undo in self.undo:
                undo()

    def _noted(self, value: Any) -> Iterable[Any]:
        """Note how a value can be put back; what it holds."""
        if isinstance(value, tuple):
            return value
        if isinstance(value, (list, dict, set, deque)):
            if len(value) > MOST_ENTRIES:
                return ()
            self.undo.append(_container(value))
            return list(value.values()) if isinstance(value, dict) else list(value)
        if isinstance(value, CellType):
            return self._of_cell(value)
        if isinstance(value, MethodType):
            return [value.__self__]
        if hasattr(type(value), "cache_clear"):
            if self._is_own(getattr(value, "__module__", "")):
                self.caches.append(value)
            return [getattr(value, "__wrapped__", None)]
        if isinstance(value, FunctionType):
            return self._of_function(value) if self._is_own(value.__module__) else ()
        if isinstance(value, type):
            return self._of_class(value) if self._is_own(value.__module__) else ()
        if isinstance(value, (nn.Module, SimpleNamespace)) or self._is_own(type(value).__module__):
            return self._of_object(value)
        return ()

    def _is_own(self, module: str) -> bool:
        """Whether a file is the program's: that of one of its modules, or one that is not installed.

        What libraries hold is none of it: they may know a whole application, or a session of tests.
        """
        if str(module).partition(".")[0] in NOT_OPENED:
            return False
        path = getattr(sys.modules.get(module), "__file__", None) or ""
        return module in self._names or not any(room in path for room in _INSTALLED)

    def _of_object(self, value: Any) -> Iterable[Any]:
        held = getattr(value, "__dict__", None)
        return [type(value)] if not isinstance(held, dict) else [type(value), held]

    def _of_function(self, function: FunctionType) -> Iterable[Any]:
        parts = (function.__defaults__, function.__kwdefaults__, function.__closure__, vars(function))
        return [part for part in parts if part]

    def _of_class(self, kind: type) -> Iterable[Any]:
        before = dict(vars(kind))

        def undo() -> None:
            now = vars(kind)
            for name in [name for name in now if name not in before]:
                delattr(kind, name)
            for name, held in before.items():
                if now.get(name) is not held:
                    setattr(kind, name, held)

        self.undo.append(undo)
        return [*kind.__bases__, *before.values()]

    def _of_cell(self, cell: CellType) -> Iterable[Any]:
        try:
            before = cell.cell_contents
        except ValueError:  # it is empty
            return ()

        def undo() -> None:
            cell.cell_contents = before

        self.undo.append(undo)
        return [before]


def _namespace(names: dict[str, Any]) -> Undo:
    """How the globals of a file are put back."""
    before = dict(names)

    def undo() -> None:
        for name in [name for name in names if name not in before]:
            del names[name]
        for name, held in before.items():
            if names.get(name) is not held:
                names[name] = held

    return undo


def _container(container: Any) -> Undo:
    before, known = container.copy(), _identities(container)

    def undo() -> None:
        if (container or before) and _identities(container) != known:  # most hold nothing, such as hooks
            container.clear()
            (container.update if isinstance(container, (dict, set)) else container.extend)(before)

    return undo


def _identities(container: Any) -> tuple[Any, ...]:
    """What tells whether a container holds the very same things."""
    if isinstance(container, dict):
        return (*map(id, container), *map(id, container.values()))
    return tuple(sorted(map(id, container)) if isinstance(container, set) else map(id, container))
