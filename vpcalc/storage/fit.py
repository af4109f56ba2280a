"""The inverse question: the largest batch, input or sequence that fits into a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..algebra.polynomial import Polynomial
from ..errors import InputError
from ..report.numbers import size

Total = Callable[[int], int]
"""Bytes at a size."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The largest size that fits: ``bytes`` at it, and ``next_bytes`` one above, which does not fit.

    ``of`` is the figure that has to fit, by name.
    ``capped``: everything fits up to the largest size that vpcalc takes, and one above was not tried. ``asked`` is
    a batch that was asked about, if that is what is solved for, and ``asked_bytes`` what it takes.
    """

    solved: str
    budget: int
    answer: int
    bytes: int
    next_bytes: int
    capped: bool = False
    asked: int | None = None
    asked_bytes: int = 0
    of: str = "inference_bytes"

    @property
    def holds(self) -> bool:
        """Whether what was asked about fits."""
        return self.asked_bytes <= self.budget

    def to_dict(self) -> dict[str, object]:
        """Fields of the JSON."""
        return {
            "solve": self.solved,
            "of": self.of,
            "budget_bytes": self.budget,
            "answer": self.answer,
            "total_bytes": self.bytes,
            "next": None if self.capped else self.answer + 1,
            "next_total_bytes": None if self.capped else self.next_bytes,
            "spare_bytes": self.budget - self.bytes,
            "asked": None if self.asked is None else self._asked(),
        }

    def _asked(self) -> dict[str, object]:
        spare = self.budget - self.asked_bytes
        return {self.solved: self.asked, "total_bytes": self.asked_bytes, "spare_bytes": spare, "fits": self.holds}


def fit(
    solved: str, budget: int, total: Total, highest: int, guess: Callable[[int], int] | None = None, least: int = 1
) -> Fit:
    """Solve ``total(n) <= budget`` for the largest n: a guess, then both sides of the answer for certain.

    Args:
        solved: what n is, for messages.
        budget: bytes.
        total: bytes at n, which has to grow with n.
        highest: the largest n.
        guess: a figure by a closed form, which is faster and grows as the total does where everything divides.
        least: the smallest n.

    Raises:
        InputError: not even the smallest n fits; the message says how much is missing.
    """
    first = total(least)
    if first > budget:
        short = size(first - budget)
        raise InputError(
            f"--fit {size(budget)}: {solved} {least} takes {size(first)} ({first:,} bytes); {short} short"
        )
    start = _guessed(guess, total, budget, least, highest)
    low, high = _bracket(total, budget, least, highest, start)
    if high is None:
        return Fit(solved, budget, low, total(low), 0, capped=True)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if total(middle) <= budget else (low, middle)
    return Fit(solved, budget, low, total(low), total(high))


def _guessed(guess: Total | None, total: Total, budget: int, low: int, high: int) -> int:
    """Where the answer may be: by the guess, and by as much of it as the total is there."""
    if guess is None:
        return _last(total, budget, low, high)
    start = _last(guess, budget, low, high)
    whole, part = guess(start), total(start)
    return _last(lambda number: guess(number) * part // whole, budget, low, high) if whole > 0 else start


def _last(total: Total, budget: int, low: int, high: int) -> int:
    """The last n whose total fits, by halving."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if total(middle) <= budget else (low, middle)
    return low


def _bracket(total: Total, budget: int, least: int, highest: int, start: int) -> tuple[int, int | None]:
    """A size that fits and a larger one that does not, near ``start``; None where the highest fits."""
    step = 1
    if total(start) <= budget:
        low = start
        while low < highest:
            high = min(low + step, highest)
            if total(high) > budget:
                return low, high
            low, step = high, 2 * step
        return low, None
    high = start
    while True:
        low = max(high - step, least)
        if total(low) <= budget:
            return low, high
        high, step = low, 2 * step


def first_taken(total: Total, highest: int) -> int:
    """A small size that is taken."""
    number = 1
    while number < highest and not _taken(total, number):
        number *= 2
    return min(number, highest)


def last_taken(total: Total, least: int, highest: int) -> int:
    """The largest size that is taken: a table of positions, say, ends there."""
    if _taken(total, highest):
        return highest
    low, high = least, highest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _taken(total, middle) else (low, middle)
    return low


def _taken(total: Total, number: int) -> bool:
    try:
        total(number)
    except InputError:
        return False
    return True


def by_form(form: Polynomial, names: tuple[str, ...]) -> Callable[[int], int]:
    """A closed form as a function of one number that stands for several symbols alike; rounded down off the
    lattice, where it is a guess."""

    def at(number: int) -> int:
        found = form.subs(dict.fromkeys(names, number))
        return sum(found.terms.values()) // found.denominator

    return at
