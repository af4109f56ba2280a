"""Bytes that a design may take: counted for each configuration, and bounded from below for many.

A peak is the greatest of what is live at many moments, so that it is no sum of blocks. But each moment of the
shallowest network is one of every deeper network too, and there what further blocks leave behind is live as well:
their weights and, where the moment comes after them, what they keep. How much that is shows in a run with one step
more of a depth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy

from ..algebra.boundaries import always
from ..algebra.domains import at_least, positive
from ..algebra.polynomial import Polynomial, constant, symbol
from ..arrays.forms import Array, Compiled
from ..errors import InputError
from .growing import Limit, NotShownError, Slice, loops_of, traced
from .levers import Space


class Memory:
    """At most so many bytes of a quantity, counted for each configuration."""

    def __init__(self, space: Space, limit: Limit) -> None:
        self.space, self.limit = space, limit
        self.counted: dict[tuple[int, ...], int] = {}
        self._bounds: dict[int, dict[frozenset[str], tuple[list[str], list[Compiled]]]] = {}

    def bytes(self, at: Mapping[str, int]) -> int:
        """What a configuration takes."""
        key = tuple(at[lever.name] for lever in self.space.levers)
        if key not in self.counted:
            self.counted[key] = self.space.counted(at, [self.limit.quantity])[self.limit.quantity]
        return self.counted[key]

    def derive(self, number: int, part: Slice, at: Mapping[str, int]) -> None:
        """Bound what configurations of a slice take that are like one of them.

        A letter is 1 in all of them or in none: one head, one channel lie otherwise in memory.
        """
        loops = loops_of(self.space, part.at, part.top)
        ones = frozenset(letter for letter in part.top if letter not in loops and at[letter] == 1)
        bounds = self._bounds.setdefault(number, {})
        if ones not in bounds:
            smooth = [letter for letter in part.top if letter not in loops and letter not in ones]
            found = self._derived({**part.at, **dict.fromkeys(ones, 1)}, loops, smooth)
            bounds[ones] = smooth, list(map(Compiled, found))

    def least(self, number: int, low: Mapping[str, Array], high: Mapping[str, Array]) -> Any:
        """What all configurations of each box take at least, as far as that was derived; 0 where it was not."""
        least: Any = numpy.zeros(len(next(iter(low.values()))), numpy.int64)
        for ones, (smooth, forms) in self._bounds.get(number, {}).items():
            if forms:
                of = [*(high[letter] == 1 for letter in ones), *(low[letter] > 1 for letter in smooth), True]
                found = reduce(numpy.maximum, [form.at(low) for form in forms])
                least = numpy.where(reduce(numpy.logical_and, of), found, least)
        return least

    def _derived(self, at: Mapping[str, int], loops: Sequence[str], smooth: Sequence[str]) -> list[Polynomial]:
        """Forms, no configuration taking less than any of them, each of which grows with every letter."""
        letters = [*loops, *smooth]
        columns = [self.limit.quantity, *RESTING[self.limit.quantity]]
        domain = positive(letters)
        for letter in smooth:
            domain = domain & at_least(symbol(letter) - 2)

        def run(steps: Mapping[str, int]) -> Mapping[str, list[Polynomial]]:
            return traced(self.space, {**at, **steps}, smooth, columns, 2)

        try:
            base = run(dict.fromkeys(loops, 1))
            more = {loop: run({**dict.fromkeys(loops, 1), loop: 2}) for loop in loops}
        except (NotShownError, InputError):
            return []

        of, resting = columns[0], columns[1:]
        kept = {
            loop: sum((more[loop][name][0] - base[name][0] for name in resting), constant(0)) for loop in loops
        }
        held = kept  # an inference leaves nothing behind; of training the last form is what autograd keeps
        if of == "training_bytes":
            held = {loop: more[loop][of][-1] - base[of][-1] for loop in loops}
        later = {loop: {*more[loop][of]} for loop in loops}

        def grown(form: Polynomial) -> Polynomial:
            """What is live at a moment of the least depths, where it comes after so many steps of each loop."""
            steps = {loop: held[loop] if form + held[loop] in later[loop] else kept[loop] for loop in loops}
            return form + sum((step * (symbol(loop) - 1) for loop, step in steps.items()), constant(0))

        forms = _greatest(map(grown, base[of]))

        def grows(form: Polynomial) -> bool:
            steps = [form.subs({letter: symbol(letter) + 1}) - form for letter in letters]
            return all(not step or always(domain, at_least(step)) for step in steps)

        return [form for form in forms if grows(form)]


RESTING = {
    "inference_bytes": ("weights_bytes",),
    "training_bytes": ("weights_bytes", "gradients_bytes", "optimizer_bytes"),
}
"""What is there all the time, whatever is computed."""


def _greatest(forms: Iterable[Polynomial]) -> list[Polynomial]:
    """Those that no other is above in every coefficient."""
    kept: list[Polynomial] = []
    for form in dict.fromkeys(forms):
        if not any(_covers(other, form) for other in kept):
            kept = [other for other in kept if not _covers(form, other)] + [form]
    return kept


def _covers(one: Polynomial, other: Polynomial) -> bool:
    return all(number >= 0 for number in (one - other + constant(0)).terms.values())
