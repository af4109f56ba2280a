"""What a module did, as plain data: every call of a module, a function and an operator, with its shapes.

A *run* is seen from three heights at once, nested as they happened: modules (what hooks see), Python functions
by the names under which they were called (what patches see), operators (what the dispatcher sees). A
*graph* is one flat list of the nodes that ``torch.jit`` traces. A tensor is the tuple of its sides; lists are
lists, and whatever is none of number, word or tensor is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Shape = tuple[int, ...]


class Height(str, Enum):
    """Where a call was seen."""

    MODULE = "module"
    FUNCTION = "function"
    OPERATOR = "operator"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    ``name`` is an operator (``aten::addmm``), a function (``torch.nn.functional.linear``) or a module's class
    (``torch.nn.modules.linear.Linear``). ``parent`` is the place of the call around it, -1 at the top. ``path``
    is the module that was running. ``args`` and ``kwargs`` are as they were passed; an operator has all
    its arguments by name in ``kwargs``. ``out`` is the first result. ``macs`` is the exact price, of
    operators and nodes. ``about`` holds a module's settings and the shapes of its own parameters.
    """

    height: Height
    name: str
    parent: int
    path: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    out: Any = None
    macs: int = 0
    backward: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)

    def arg(self, place: int, name: str = "", default: Any = None) -> Any:
        """An argument by its position, or by its name."""
        return self.args[place] if place < len(self.args) else self.kwargs.get(name, default)


@dataclass(frozen=True, slots=True)
class Submodule:
    """One place in the tree of modules. ``same`` is the first path of the same object."""

    path: str
    name: str
    same: str


@dataclass(frozen=True, slots=True)
class Recording:
    """One forward pass, and the backward pass where that was asked for."""

    calls: tuple[Call, ...]
    modules: tuple[Submodule, ...] = ()
    batch: int = 1

    @property
    def macs(self) -> int:
        """The exact total."""
        return sum(call.macs for call in self.calls)

    @property
    def forward(self) -> int:
        """The exact total of the forward pass."""
        return sum(call.macs for call in self.calls if not call.backward)

    def priced(self) -> Iterable[tuple[int, Call]]:
        """Every call that has an exact price, with its place."""
        return ((place, call) for place, call in enumerate(self.calls) if call.macs)


def dump(recording: Recording) -> dict[str, Any]:
    """As JSON."""
    return {
        "calls": [
            [
                c.height.value,
                c.name,
                c.parent,
                c.path,
                pack(list(c.args)),
                pack(c.kwargs),
                pack(c.out),
                c.macs,
                c.backward,
                pack(c.about),
            ]
            for c in recording.calls
        ],
        "modules": [[m.path, m.name, m.same] for m in recording.modules],
        "batch": recording.batch,
    }


def load(data: Mapping[str, Any]) -> Recording:
    """From JSON."""
    calls = tuple(
        Call(
            Height(height),
            name,
            parent,
            path,
            tuple(unpack(args)),
            unpack(kwargs),
            unpack(out),
            macs,
            back,
            unpack(about),
        )
        for height, name, parent, path, args, kwargs, out, macs, back, about in data["calls"]
    )
    return Recording(calls, tuple(Submodule(*place) for place in data["modules"]), data["batch"])


_TENSOR = "sides"


def pack(value: Any) -> Any:
    """Tuples (tensors) are marked, so that JSON tells them from lists."""
    if isinstance(value, tuple) and all(isinstance(side, int) for side in value):
        return {_TENSOR: list(value)}
    if isinstance(value, (list, tuple)):
        return [pack(part) for part in value]
    if isinstance(value, Mapping):
        return {name: pack(part) for name, part in value.items()}
    return value


def unpack(value: Any) -> Any:
    """The reverse."""
    if isinstance(value, dict):
        if value.keys() == {_TENSOR}:
            return tuple(value[_TENSOR])
        return {name: unpack(part) for name, part in value.items()}
    return [unpack(part) for part in value] if isinstance(value, list) else value
