"""Which operator reads what others made: the steps of a run, and what flows between parts of it.

A drawing has arrows for it. Runs of descriptions (:class:`Flow`) and of torch (:mod:`vpcalc.counters.flow`) are
recorded alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from .tape import Storage

INPUT = "input"


class Step(NamedTuple):
    """One run of an operator.

    ``modules`` are the paths of those that run, and ``titles`` what they are called, from the outermost on;
    ``sources`` the numbers of the steps whose results it reads, inputs counted down from -1, and ``seen`` the
    shapes in which it reads them. ``shape`` is that of its result, ``params`` are the weights that it is the first
    to use; ``label`` is its name in a derivation.
    """

    kind: str
    label: str
    modules: tuple[str, ...]
    titles: tuple[str, ...]
    sources: tuple[int, ...]
    seen: tuple[tuple[Any, ...], ...]
    shape: tuple[Any, ...]
    macs: Any = 0
    params: Any = 0

    @property
    def path(self) -> str:
        """The innermost module's."""
        return self.modules[-1] if self.modules else ""


class Flow:
    """The steps of a description that is run on a tape."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.titles: list[str] = []
        self._makers: WeakKeyDictionary[Storage, int] = WeakKeyDictionary()
        self._inputs = 0
        self._used: WeakKeyDictionary[Storage, None] = WeakKeyDictionary()

    def given(self, storage: Storage) -> None:
        """An input is there."""
        self._inputs += 1
        self._makers[storage] = -self._inputs

    def made(
        self,
        kind: str,
        path: Iterable[str],
        sources: Iterable[tuple[Storage, tuple[Any, ...]]],
        weights: Mapping[Storage, Any],
        *,
        label: str,
        shape: tuple[Any, ...],
        macs: Any,
    ) -> int:
        """An operator was run: the number of its step."""
        names = list(path)
        modules = tuple(".".join(names[: place + 1]) for place in range(len(names)))
        read = {self._makers[each]: seen for each, seen in sources if each in self._makers}
        new = {weight: size for weight, size in weights.items() if weight not in self._used}
        self._used.update(dict.fromkeys(new))
        titles = tuple(self.titles)
        params = sum(new.values())
        self.steps.append(
            Step(kind, label, modules, titles, tuple(read), tuple(read.values()), shape, macs, params)
        )
        return len(self.steps) - 1

    def of(self, storage: Storage, number: int) -> None:
        """A storage is a step's result."""
        self._makers[storage] = number


def between(
    steps: Iterable[Step], part_of: Callable[[Step], str | None], inputs: int = 1
) -> dict[str, tuple[str, ...]]:
    """For each part, in the order in which they first run, the parts whose results it reads, or the input.

    A step that is of no part is passed through: its result is of all those of whom its operands are. Where there
    are several ``inputs``, each is called by its number.
    """
    makers: list[tuple[str, ...]] = []
    found: dict[str, dict[str, None]] = {}
    for step in steps:
        read: dict[str, None] = {}
        for source in step.sources:
            given = (INPUT if inputs == 1 else f"{INPUT} {-source}",)
            read |= dict.fromkeys(given if source < 0 else makers[source])
        part = part_of(step)
        if part is None:
            makers.append(tuple(read))
            continue
        found.setdefault(part, {}).update({maker: None for maker in read if maker != part})
        makers.append((part,))
    return {part: tuple(read) for part, read in found.items()}
