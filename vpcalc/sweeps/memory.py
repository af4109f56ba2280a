"""Bytes that a design may take: counted for each configuration, and bounded from below for many.

A peak is the greatest of what is live at many moments, so that it is no sum of blocks. But each moment of the
shallowest network is one of every deeper network too, and there what further blocks leave behind is live as well:
their weights and, where the moment comes after them, what they keep. How much that is shows in runs with one and
with two steps more of a depth; where plain and shifted blocks take turns, it is the lesser of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import combinations, product
from typing import Any

import numpy

from ..algebra.boundaries import always
from ..algebra.domains import at_least, positive
from ..algebra.polynomial import Polynomial, constant, symbol
from ..arrays.forms import Array, Compiled
from ..errors import InputError
from .growing import Limit, NotShownError, Slice, loops_of, traced
from .levers import Space
from .relaxed import is_linear, left
from .subjects import STEP

Kind = tuple[frozenset[str], frozenset[str]]
"""Letters that are 1, where all others that are no loops are more; loops that are more."""

FEW = 2
"""Letters of which each set may be 1."""


class Memory:
    """At most so many bytes of a quantity, counted for each configuration."""

    def __init__(self, space: Space, limit: Limit) -> None:
        self.space, self.limit = space, limit
        self.counted: dict[tuple[int, ...], int] = {}
        self.needs: dict[tuple[int, ...], int] = {}
        self._loops: dict[int, list[str]] = {}
        self._bounds: dict[int, dict[Kind, tuple[list[str], list[Compiled]]]] = {}

    def bytes(self, at: Mapping[str, int]) -> int:
        """What a configuration takes."""
        key = tuple(at[lever.name] for lever in self.space.levers)
        if key not in self.counted:
            self.counted[key] = self.space.counted(at, [self.limit.quantity])[self.limit.quantity]
        return self.counted[key]

    def needed(self, at: Mapping[str, int]) -> int:
        """What has to find room: that, and in training the peak of a whole step, where it may be what does not."""
        key = tuple(at[lever.name] for lever in self.space.levers)
        if key not in self.needs:
            total = self.bytes(at)
            whole = self.limit.quantity == "training_bytes" and total <= self.limit.most
            self.needs[key] = max(total, self.space.counted(at, [STEP])[STEP]) if whole else total
        return self.needs[key]

    def fits(self, at: Mapping[str, int]) -> bool:
        """Whether there is room for a configuration."""
        return self.needed(at) <= self.limit.most

    def derive(self, number: int, part: Slice, at: Mapping[str, int]) -> None:
        """Bound what configurations of a slice take that are like one of them; of few kinds all.

        A letter is 1 in all of a kind or in none: one head, one channel lie otherwise in memory. So it is with
        depths, since the second of equal blocks may be live with what the first has not; but what the first values
        of depths say is so of all.
        """
        if number not in self._loops:
            self._loops[number] = loops_of(self.space, part.at, part.top, self.limit.quantity)
        loops = self._loops[number]
        others = [letter for letter in part.top if letter not in loops]
        kinds = [frozenset(letter for letter in others if at[letter] == 1)]
        if len(others) <= FEW:
            kinds = [frozenset(kind) for count in range(len(others) + 1) for kind in combinations(others, count)]
        bounds = self._bounds.setdefault(number, {})
        deep = frozenset(loop for loop in loops if at[loop] > 1)
        for ones, twos in product(kinds, {frozenset[str](), deep}):
            if (ones, twos) not in bounds:
                smooth = [letter for letter in others if letter not in ones]
                first = {loop: 1 + (loop in twos) for loop in loops}
                found = self._derived({**part.at, **dict.fromkeys(ones, 1)}, first, smooth)
                bounds[ones, twos] = smooth, list(map(Compiled, found))

    def least(self, number: int, low: Mapping[str, Array], high: Mapping[str, Array]) -> Any:
        """What all configurations of each box take at least, as far as that was derived; 0 where it was not."""
        least: Any = numpy.zeros(len(next(iter(low.values()))), numpy.int64)
        for of, forms in self._of(number, low, high):
            found = reduce(numpy.maximum, [form.at(low) for form in forms])
            least = numpy.maximum(least, numpy.where(of, found, 0))
        return least

    def rooms(
        self,
        number: int,
        low: Mapping[str, Array],
        high: Mapping[str, Array],
        stepped: Mapping[str, Mapping[str, Array]],
    ) -> list[tuple[Array, Array]]:
        """What a step of each of some letters takes of what is left at low corners: forms that are linear in them.

        Of all forms there are those that are the greatest at the low corner of a box or at its high one.
        """
        found = []
        for of, forms in self._of(number, low, high):
            least = [form.at(low) for form in forms]
            places = {
                *numpy.argmax(least, axis=0).tolist(),
                *numpy.argmax([f.at(high) for f in forms], axis=0).tolist(),
            }
            for place in sorted(places):
                form, at = forms[place], least[place]
                if is_linear(form.form, stepped):
                    steps = numpy.stack([form.at(corner) - at for corner in stepped.values()], axis=1)
                    found.append((numpy.where(of[:, None], steps, 0), left(self.limit.most, at)))
        return found

    def _of(
        self, number: int, low: Mapping[str, Array], high: Mapping[str, Array]
    ) -> Iterator[tuple[Array, list[Compiled]]]:
        """Forms that bound what boxes of a slice take, and which boxes."""
        for (ones, twos), (smooth, forms) in self._bounds.get(number, {}).items():
            if forms:
                every = numpy.ones(len(next(iter(low.values()))), bool)
                above = [low[letter] > 1 for letter in (*smooth, *twos)]
                of = [*(high[letter] == 1 for letter in ones), *above, every]
                yield reduce(numpy.logical_and, of), forms

    def _derived(self, at: Mapping[str, int], first: Mapping[str, int], smooth: Sequence[str]) -> list[Polynomial]:
        """Forms that no configuration from the ``first`` values of loops on takes less than, each of which
        grows with every letter."""
        loops = [*first]
        letters = [*loops, *smooth]
        columns = [self.limit.quantity, *RESTING[self.limit.quantity]]
        domain = positive(letters)
        for letter in smooth:
            domain = domain & at_least(symbol(letter) - 2)

        def run(steps: Mapping[str, int]) -> Mapping[str, list[Polynomial]]:
            return traced(self.space, {**at, **steps}, smooth, columns, 2)

        try:
            base = run(first)
            once, twice = ({loop: run({**first, loop: first[loop] + n}) for loop in loops} for n in (1, 2))
        except (NotShownError, InputError):
            return []

        of, resting = columns[0], columns[1:]

        def rests(found: Mapping[str, list[Polynomial]]) -> Polynomial:
            return sum((found[name][0] for name in resting), constant(0))

        def holds(found: Mapping[str, list[Polynomial]]) -> Polynomial:
            """An inference leaves nothing behind; of training the last form is what autograd keeps."""
            return found[of][-1] if of == "training_bytes" else rests(found)

        steps = {}
        for loop in loops:
            held, kept = holds(once[loop]) - holds(base), rests(once[loop]) - rests(base)
            least_held = _lesser(held, holds(twice[loop]) - holds(once[loop]))
            least_kept = _lesser(kept, rests(twice[loop]) - rests(once[loop]))
            if least_held is None or least_kept is None:
                return []
            steps[loop] = held, least_held, least_kept
        later = {loop: {*once[loop][of]} for loop in loops}

        def grown(form: Polynomial) -> Polynomial:
            """What is live at a moment of the least depths, where it comes after so many steps of each loop."""
            found = form
            for loop, (held, least_held, least_kept) in steps.items():
                step = least_held if form + held in later[loop] else least_kept
                found += step * (symbol(loop) - first[loop])
            return found

        forms = _greatest(map(grown, base[of]))

        def grows(form: Polynomial) -> bool:
            changes = [form.subs({letter: symbol(letter) + 1}) - form for letter in letters]
            return all(not change or always(domain, at_least(change)) for change in changes)

        return [form for form in forms if grows(form)]


RESTING = {
    "inference_bytes": ("weights_bytes", "buffers_bytes"),
    "training_bytes": ("weights_bytes", "buffers_bytes", "gradients_bytes", "optimizer_bytes"),
}
"""What is there all the time, whatever is computed."""


def _greatest(forms: Iterable[Polynomial]) -> list[Polynomial]:
    """Those that no other is above in every coefficient."""
    kept: list[Polynomial] = []
    for form in dict.fromkeys(forms):
        if not any(_covers(other, form) for other in kept):
            kept = [other for other in kept if not _covers(form, other)] + [form]
    return kept


def _lesser(one: Polynomial, other: Polynomial) -> Polynomial | None:
    """The one that the other is above in every coefficient; None if neither is."""
    return other if _covers(one, other) else one if _covers(other, one) else None


def _covers(one: Polynomial, other: Polynomial) -> bool:
    return all(number >= 0 for number in (one - other + constant(0)).terms.values())
