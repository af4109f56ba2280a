"""What is known of a counter, and what it charges."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import Any

from ..calls import Call, Height, Recording, Submodule
from ..terms import Term


class View(str, Enum):
    """What a counter looks at: calls while the module runs, or the graph that ``torch.jit`` traces."""

    RUN = "run"
    GRAPH = "graph"


class Hooks(str, Enum):
    """On which modules a counter puts hooks. Where there are any, torch does not use its fused layers."""

    NONE = "none"
    CHILDREN = "children"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Charge:
    """What a counter adds to its figure for one recorded call, in multiply-accumulates.

    ``product`` is true where it stands for matrix products within the call, false for a bias, a norm or an
    activation. ``again`` marks what is added once more for the same call. ``why`` is the rule in words.
    """

    call: int
    term: Term
    product: bool = True
    why: str = ""
    again: bool = False


Price = Callable[[Recording], Iterator[Charge]]
Measure = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], "int | float"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A counter.

    ``distributions`` are the names under which package indexes know it. ``per_mac`` is what it adds for one
    multiply-accumulate: its figure is divided by that and by nothing else. ``grad`` says whether it sets
    the mode of autograd itself (False: it runs the module under ``no_grad``); None leaves that to the caller.
    ``positional`` counters pass no keywords. ``backward`` counters see the backward pass.
    """

    name: str
    distributions: tuple[str, ...]
    read_at: str
    unit: str
    price: Price
    measure: Measure
    per_mac: int = 1
    view: View = View.RUN
    hooks: Hooks = Hooks.NONE
    grad: bool | None = None
    positional: bool = False
    backward: bool = False


def visits(recording: Recording, stops: frozenset[str] = frozenset()) -> Counter[str]:
    """How often a walk down ``module.children()`` from the root meets each module, by its first path.

    ``children()`` names an object once a parent, so one that stands under two parents is met twice. The walk
    goes no further down from a class in ``stops``.
    """
    below: defaultdict[str, list[Submodule]] = defaultdict(list)
    for place in recording.modules:
        if place.path:
            below[place.path.rpartition(".")[0]].append(place)
    met: Counter[str] = Counter()
    waiting = [place for place in recording.modules if not place.path]
    while waiting:
        place = waiting.pop()
        met[place.same] += 1
        if place.name not in stops:
            waiting += {child.same: child for child in reversed(below[place.path])}.values()
    return met


def called(recording: Recording, height: Height) -> Iterator[tuple[int, Call]]:
    """The calls at one height, with their places."""
    return ((place, call) for place, call in enumerate(recording.calls) if call.height is height)


def size(shape: Any) -> int:
    """Elements of a recorded tensor; one for a number, as most counters have it."""
    return prod(shape) if isinstance(shape, tuple) else 1
