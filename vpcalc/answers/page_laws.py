"""What autograd keeps of a model at all its sizes, module by module.

A module is known by the decisions that it takes and the modules that it calls, in letters of its own for all its
sizes: its law. Where these lead there is what it keeps itself, and what comes out. Equal modules have one law.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ..algebra.domains import Guard
from ..algebra.polynomial import Polynomial

WHOLE = 0
"""The number of the law of the whole, which is in the letters of a network's input and settings."""

ITEM = "item"
"""The letter of an element's bytes."""


class Leaf(NamedTuple):
    """What is kept, and the number of what comes out."""

    kept: Mapping[str, Polynomial]
    ends: int


class Call(NamedTuple):
    """A module that is run so many times: its number, and what its letters are there."""

    module: int
    given: tuple[tuple[str, Polynomial], ...]
    times: Polynomial


class Asked(NamedTuple):
    """A decision, or a module, and what follows: where it is so and where not, or for each that comes out."""

    question: Guard | Call
    then: Mapping[int, Law]


Law: TypeAlias = "Asked | Leaf | None"
"""What the same code does at all sizes, as far as it is known: None where it is not."""

Path = Sequence[tuple[Guard | Call, int]]


def _with(known: Law, path: Path, leaf: Leaf) -> Law:
    """A law with one more path.

    Raises:
        ValueError: another one took the same decisions and did something else.
    """
    passed: list[tuple[Asked, int]] = []
    for question, answer in path:
        asked = known or Asked(question, {})
        if not isinstance(asked, Asked) or asked.question != question:
            raise ValueError("not by its decisions alone")
        passed.append((asked, answer))
        known = asked.then.get(answer)
    if known not in (None, leaf):
        raise ValueError("not by its decisions alone")
    law: Law = leaf
    for asked, answer in reversed(passed):
        law = Asked(asked.question, {**asked.then, answer: law})
    return law


class Laws:
    """The laws of a network's modules, by their numbers, and that of the whole; whether any has ``buffers``.

    Numbers are the same as in other laws that these are ``like``.
    """

    def __init__(self, like: Laws | None = None) -> None:
        self.modules: dict[int, Law] = {}
        self.ends: list[Any] = [] if like is None else like.ends
        self.buffers = False
        self._numbers: dict[Hashable, int] = {None: WHOLE} if like is None else like._numbers
        self._found: dict[Any, tuple[Counter[str], int]] = {}

    def of(self, point: Mapping[str, int]) -> Mapping[str, int] | None:
        """What a network keeps at a point, where it is known."""
        found = self._follow(self.modules.get(WHOLE), point)
        return found and found[0]

    def at(self, module: int, given: Mapping[str, int]) -> tuple[Counter[str], int] | None:
        """What a module keeps at some sizes, and the number of what comes out, where it is known."""
        key = module, tuple(given.values())
        if key not in self._found and (found := self._follow(self.modules.get(module), given)):
            self._found[key] = found
        return self._found.get(key)

    def _follow(self, law: Law, values: Mapping[str, int]) -> tuple[Counter[str], int] | None:
        whole = Counter[str]()
        while isinstance(law, Asked):
            question, answer = law.question, 0
            if isinstance(question, Guard):
                answer = question.holds(values)
            else:
                found = self.at(question.module, {name: form.at(values) for name, form in question.given})
                if found is None:
                    return None
                answer, times = found[1], question.times.at(values)
                whole.update({name: size * times for name, size in found[0].items()})
            law = law.then.get(answer)
        if law is None:
            return None
        whole.update({name: form.at(values) for name, form in law.kept.items()})
        return whole, law.ends

    def number(self, key: Hashable) -> int:
        """That of a module."""
        return self._numbers.setdefault(key, len(self._numbers))

    def add(self, module: int, path: Path, kept: Mapping[str, Polynomial], ends: Any) -> int:
        """One more path of a module; the number of what came out."""
        if ends not in self.ends:
            self.ends.append(ends)
        leaf = Leaf(kept, self.ends.index(ends))
        self.buffers = self.buffers or bool(kept["buffers"])
        self.modules[module] = _with(self.modules.get(module), path, leaf)
        return leaf.ends
