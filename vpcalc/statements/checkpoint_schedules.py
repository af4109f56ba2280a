"""How long a chain can be run backwards with few stored states: over all schedules, by a search through them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from ..algebra.polynomial import symbols
from ..storage.laws import gpt_layer
from .evidence import exact, identity
from .libraries import sympy
from .registry import Demonstration, derivation, statement
from .reversal import follow, in_segments, in_sum, least, reversible
from .rnn_costs import memory_form

SEARCHED = ((1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (3, 1), (4, 1), (5, 1))
"""Stored states and runs of a step for which all schedules are gone through."""


@statement(
    "binomial_checkpoints",
    "Checkpoints over all schedules",
    "A chain of l ≥ 2 steps is run backwards; a step back starts from the state before its step, and s ≥ 1 states "
    "can be stored, the first among them. If no step is run forwards more than r times, C(s + r, s) steps and no "
    "more can be run back, C the binomial coefficient; with r ≥ 1 and C(s + r − 1, s) ≤ l ≤ C(s + r, s) the "
    "fewest steps forwards in all are rl − C(s + r, r − 1). Every b-th state, b | l, and then those of one "
    "segment, as for √l, take s = l/b + b − 2 and at most r = 2: such a chain has at most (s + 2)²/4 steps, where "
    "2(s + 1)/(s + 2) times as many are possible. A GPT that is recomputed by the block stores a state for each "
    "of l blocks, where l − 1 are enough at r = 1",
    "Griewank 1992; Griewank & Walther 2000 (Algorithm 799: revolve); Chen et al. 2016: √l",
)
def binomial_checkpoints(
    longest: Callable[..., Any] = lambda s, r: sympy.binomial(s + r, s),
    fewest: Callable[..., Any] = lambda length, s, r: r * length - sympy.binomial(s + r, r - 1),
    segments: Callable[..., Any] = lambda length, b: length / b + b - 2,
    within: Callable[..., Any] = lambda s: (s + 2) ** 2 / 4,
    times: Callable[..., Any] = lambda s: 2 * (s + 1) / (s + 2),
    stored: Callable[..., Any] = lambda N, B, C: N * B * C,
) -> Demonstration:
    """The recursion on symbols; schedules that are run; a search through all states that a schedule can reach."""
    s, r = sympy.symbols("s r", integer=True, positive=True)
    slots, every = sympy.symbols("s b", positive=True)
    T, b, n = symbols("T b n")
    width = symbols("N B d_model")
    sizes = [*product(range(1, 6), range(1, 6))]
    runs = [follow(int(longest(*at)), in_sum(0, *at, lambda *at: int(longest(*at)))) for at in sizes]
    lengths = [(all_, b) for all_ in range(2, 37) for b in range(1, all_ + 1) if all_ % b == 0]
    segmented = [follow(at[0], in_segments(*at)) for at in lengths]
    return Demonstration(
        derivation(r"""
            A state is stored C(s + r − 1, s) steps on. What follows is run back with the s − 1 others, and then
            these steps with s states and one run less. Without a state or a run a chain has one step.
                C(s + r, s) = C(s + r − 1, s − 1) + C(s + r − 1, s)
                    \binom{s + r}{s} = \binom{s + r - 1}{s - 1} + \binom{s + r - 1}{s}
            Of these steps C(s + j − 1, j) are run j times.
                Σ_{j=0..r} j C(s + j − 1, j) = r C(s + r, s) − C(s + r, r − 1)
                    \sum_{j=0}^{r} j \binom{s + j - 1}{j} = r \binom{s + r}{s} - \binom{s + r}{r - 1}
            That no schedule does better is Griewank's theorem. Here all are gone through, for short chains.
                l ≤ C(s + r, s)
                    l \le \binom{s + r}{s}
            Segments of b steps: the first state of each, and of one all others, but for the one that is at hand.
                b(s + 2 − b) = (s + 2)²/4 − (b − (s + 2)/2)²
                    b(s + 2 - b) = \frac{(s + 2)^2}{4} - \Bigl(b - \frac{s + 2}{2}\Bigr)^2
            All schedules, at r = 2.
                C(s + 2, s) = (s + 1)(s + 2)/2
                    \binom{s + 2}{s} = \frac{(s + 1)(s + 2)}{2}
        """),
        {
            "C(s + r, s) is 1 for s = 0 or r = 0, and else what one state less and one run less have in sum": (
                identity(
                    "s and r symbols",
                    [
                        (longest(s, r), longest(s - 1, r) + longest(s, r - 1)),
                        (longest(s, sympy.Integer(0)), 1),
                        (longest(sympy.Integer(0), r), 1),
                    ],
                ),
            ),
            "C(s + r, s) steps can be run back": (
                exact(
                    "the schedule of that sum, s and r = 1 … 5, no step more than r times",
                    [
                        ran is not None and ran.states <= s and ran.most <= r
                        for ran, (s, r) in zip(runs, sizes, strict=True)
                    ],
                ),
            ),
            "and no more": (
                exact(
                    "a search through all schedules: s = 1, r = 1 … 4; s = 2, r = 1, 2; s = 3, 4, 5, r = 1",
                    [
                        reversible(int(longest(*at)) + more, *at) is (more == 0)
                        for at in SEARCHED
                        for more in (0, 1)
                    ],
                ),
            ),
            "rl − C(s + r, r − 1) is the fewest steps forwards for r ≥ 1 and C(s + r − 1, s) ≤ l ≤ C(s + r, s)": (
                exact(
                    "a search through all schedules: s = 1 … 4, l = 1 … 9",
                    [
                        fewest(steps, s, r) == least(steps, s)
                        for s, r, steps in product(range(1, 5), range(1, 9), range(1, 10))
                        if sympy.binomial(s + r - 1, s) <= steps <= sympy.binomial(s + r, s)
                    ],
                ),
                exact(
                    "the schedule of that sum, of chains as long as C(s + r, s), s and r = 1 … 5",
                    [
                        ran is not None and ran.forwards == fewest(sympy.binomial(s + r, s), s, r)
                        for ran, (s, r) in zip(runs, sizes, strict=True)
                    ],
                ),
            ),
            "every b-th state and those of a segment take s = l/b + b − 2 and at most r = 2": (
                exact(
                    "that schedule, l = 2 … 36, b | l",
                    [
                        ran is not None and ran.states == segments(*at) >= 1 and ran.most <= 2
                        for ran, at in zip(segmented, lengths, strict=True)
                    ],
                ),
            ),
            "as of a recurrent network, beside the state at hand and the row that is carried back": (
                identity(
                    "elements that it keeps with every b-th state, on symbols",
                    [(memory_form("checkpointed") - 2 * n, segments(T, b) * n)],
                ),
            ),
            "such a chain has at most (s + 2)²/4 steps, and 2(s + 1)/(s + 2) times as many are C(s + 2, s)": (
                identity(
                    "less by a square, that is 0 at b = (s + 2)/2; and the quotient of the two",
                    [
                        (segments(every * (slots + 2 - every), every), slots),
                        (within(slots) - every * (slots + 2 - every), (every - (slots + 2) / 2) ** 2),
                        (longest(s, 2), times(s) * within(s)),
                    ],
                ),
            ),
            "a GPT that is recomputed by the block stores a state for each of l blocks": (
                identity(
                    "bytes that one more block keeps, in bfloat16, on symbols",
                    [(gpt_layer("block"), 2 * stored(*width))],
                ),
            ),
            "l − 1 are enough at r = 1": (identity("s + 1 steps, s a symbol", [(longest(s, 1), s + 1)]),),
        },
    )
