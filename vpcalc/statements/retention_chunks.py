"""What a chunk is to retention: its products beside those of other forms, and the words that it moves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import isqrt
from typing import Any, NamedTuple

from ..algebra.floors import ceil_div
from ..algebra.polynomial import as_polynomial, symbols
from ..checks.proof import counted
from ..cost import Quantity
from ..everywhere import layer_run, regimes
from ..layers import LAYERS
from ..report import Column, Kind, Table
from .chips import Chip, Shape, SymbolicChip
from .evidence import exact, identity, known
from .libraries import numpy, sympy, torch
from .registry import Demonstration, derivation, statement
from .whole_numbers import numbers

PAPER = "Sun et al. 2023 (RetNet)"

MEETING: dict[str, Callable[..., Any]] = {
    "parallel": lambda n, C, a, b: 3 * n**2 * C,
    "recurrent": lambda n, C, a, b: 4 * n * C**2 / a,
    "chunkwise": lambda n, C, a, b: 3 * b * n * C + 4 * n * C**2 / a,
}
"""Multiply-accumulates beside the projections; of chunks that divide n."""

SIZES = [(n, d, b) for n in (4, 12) for d in (1, 3, 4) for b in (1, 2, 4)]
"""At which the programs are run on numbers."""


# -- multiply-accumulates ---------------------------------------------------------------------------


@statement(
    "retention_chunks",
    "When chunks cost less",
    "Where b divides n, chunkwise retention takes 3bnC + 4nC²/a multiply-accumulates beside 8nC² for projections, "
    "parallel 3n²C and recurrent 4nC²/a: chunkwise fewer than parallel exactly where n > b + 4C/(3a), and so from "
    "two chunks on where b > 4C/(3a). Of all chunks b = 1 takes the fewest, and recurrent 3nC fewer still. "
    "Elsewhere all of it, projections too, is of b⌈n/b⌉ tokens: of 1,000 tokens with b = 512, C = 2048 and a = 8 "
    "it takes more than parallel",
    f"{PAPER}, eq. 5-7",
)
def retention_chunks(
    meeting: Callable[..., Any] = lambda form, *sizes: MEETING[form](*sizes),
    projected: Callable[..., Any] = lambda n, C: 8 * n * C**2,
    crossing: Callable[..., Any] = lambda C, a, b: b + 4 * C / (3 * a),
    two: Callable[..., Any] = lambda C, a: 4 * C / (3 * a),
    least: int = 1,
    saved: Callable[..., Any] = lambda n, C: 3 * n * C,
    filled: Callable[[Any, Any], Any] = lambda n, b: ceil_div(n, b) * b,
    tokens: int = 1000,
) -> Demonstration:
    """The layers on symbols and at every size; counts of the modules."""

    def whole(form: str, n: Any, C: Any, a: Any, b: Any) -> Any:
        return projected(n, C) + meeting(form, n, C, a, b)

    h, w, *on_symbols = symbols("h w n C a b")
    anywhere, *_ = regimes(*layer_run("retention_chunkwise"), Quantity.MACS)
    n, C, a, b, e, m = sympy.symbols("n C a b e m", positive=True)
    gap = meeting("parallel", n, C, a, b) - meeting("chunkwise", n, C, a, b)
    longer = meeting("chunkwise", n, C, a, 1 + m) - meeting("chunkwise", n, C, a, least)
    sizes = [(form, *at) for form in MEETING for at in ((12, 8, 2, 3), (8, 12, 3, 4), (5, 4, 1, 1), (4, 6, 6, 4))]
    return Demonstration(
        derivation(r"""
            Tokens meet in n/b squares of b², by scores of C channels and values of 2C; and each is put into a
            state of C/a × 2C/a in a heads, and reads it.
                n/b · b² · (C + 2C) + 2n · a · C/a · 2C/a = 3bnC + 4nC²/a
                    \frac{n}{b} \cdot b^2 \cdot (C + 2C) + 2n \cdot a \cdot \frac{C}{a} \cdot \frac{2C}{a} = 3bnC +
                    \frac{4nC^2}{a}
            Parallel less chunkwise.
                3n²C − 3bnC − 4nC²/a = 3nC(n − b − 4C/(3a))
                    3n^2C - 3bnC - \frac{4nC^2}{a} = 3nC \Bigl(n - b - \frac{4C}{3a}\Bigr)
        """),
        {
            "where b divides n, chunkwise retention takes 3bnC + 4nC²/a beside 8nC² for projections, parallel "
            "3n²C and recurrent 4nC²/a": (
                identity(
                    "the layers on symbols",
                    [(as_polynomial(_macs(form, *on_symbols)), whole(form, *on_symbols)) for form in MEETING],
                ),
                exact("fvcore's counts of the modules", [_count(*at) == whole(*at) for at in sizes]),
            ),
            "chunkwise fewer than parallel exactly where n > b + 4C/(3a)": (
                identity(
                    "the difference is 3nC, which is positive, times what n is more or less than that",
                    [(gap, 3 * n * C * (n - crossing(C, a, b)))],
                ),
            ),
            "and so from two chunks on where b > 4C/(3a)": (
                known(
                    "the difference at b = 4C/(3a) + e, of two chunks and of m tokens more; of one it is below 0",
                    [
                        (sympy.expand(gap.subs(n, 2 * b + m).subs(b, two(C, a) + e)), "positive"),
                        (sympy.expand(gap.subs(n, 2 * b).subs(b, two(C, a) + e)), "positive"),
                        (sympy.expand(gap.subs(n, b)), "negative"),
                    ],
                ),
            ),
            "of all chunks b = 1 takes the fewest": (
                known("what a chunk of 1 + m takes more", [(sympy.expand(longer), "positive")]),
            ),
            "and recurrent 3nC fewer still": (
                identity(
                    "chunks of one less recurrent",
                    [(meeting("chunkwise", n, C, a, 1) - meeting("recurrent", n, C, a, 1), saved(n, C))],
                ),
            ),
            "elsewhere all of it, projections too, is of b⌈n/b⌉ tokens": (
                identity(
                    "the layer at every size, n = hw",
                    [
                        (
                            anywhere.form.polynomial if anywhere.form else 0,
                            whole("chunkwise", filled(h * w, on_symbols[-1]), *on_symbols[1:]),
                        )
                    ],
                ),
            ),
            "of 1,000 tokens with b = 512, C = 2048 and a = 8 it takes more than parallel": (
                exact(
                    "the layers, of more than 512 + 4 · 2048/(3 · 8) tokens",
                    [
                        _macs("chunkwise", tokens, 2048, 8, 512) > _macs("parallel", tokens, 2048, 8, 512),
                        24 * tokens > 24 * 512 + 4 * 2048,
                    ],
                ),
            ),
        },
    )


def _macs(form: str, n: Any, C: Any, a: Any, b: Any) -> Any:
    """Of a layer of the registry, of n tokens."""
    id, chunk = {
        "parallel": ("retention", ()),
        "recurrent": ("retention_recurrent", ()),
        "chunkwise": ("retention_chunkwise", (b,)),
    }[form]
    return LAYERS[id].build(1, n, C, a, *chunk).total(Quantity.MACS)


def _count(form: str, n: int, C: int, a: int, b: int) -> int:
    """fvcore's count of the module."""
    from ..reference.registry import Witness
    from ..reference.retention import Retention

    return counted(lambda: Witness(Retention(C, a, form, b), (torch.zeros(1, n, C),)))


# -- words ------------------------------------------------------------------------------------------


@statement(
    "chunk_words",
    "What chunks move",
    "Retention of n tokens in one head of d channels, values 2d wide, by chunks of b, b | n, moves 6nd + 4nd²/b "
    "words where each chunk reads its state from the large memory and writes it there, and holds b² + 2bd + 2b + "
    "d on the chip: the larger the chunk the fewer, and M ≥ 3d + 3 words hold chunks of up to ⌊√(M + d² + d + 1)⌋ "
    "− d − 1 tokens. Token by token, with c of the state's 2d columns on the chip at a time, c | 2d, it gives the "
    "same, moves 4nd + 4nd²/c words and holds cd + 2d + 2c: for c = b that is 2d words a token fewer, on a "
    "smaller chip",
    f"{PAPER}, eq. 6 and 7; programs of our own",
)
def chunk_words(
    by_chunk: Callable[..., Any] = lambda n, d, b: 6 * n * d + 4 * n * d**2 / b,
    on_chip: Callable[..., Any] = lambda d, b: b**2 + 2 * b * d + 2 * b + d,
    fits: Callable[..., int] = lambda M, d: isqrt(M + d**2 + d + 1) - d - 1,
    by_token: Callable[..., Any] = lambda n, d, c: 4 * n * d + 4 * n * d**2 / c,
    held: Callable[..., Any] = lambda d, c: c * d + 2 * d + 2 * c,
    fewer: Callable[[Any], Any] = lambda d: 2 * d,
    found: Callable[..., Any] = lambda gamma, t: gamma ** (t + 1),
) -> Demonstration:
    """Two programs, on symbols and on numbers, each with a chip that counts what it moves and holds."""
    n, d, b, c = symbols("n d b c")
    q, v, chunks, tokens = Shape((n, d)), Shape((n, 2 * d)), SymbolicChip(), SymbolicChip()
    in_chunks(chunks, q, q, v, v, Shape((2 * d, d)), b)
    in_columns(tokens, q, q, v, v, c)
    runs = [(_by_chunks(*at, found), at) for at in SIZES]
    columns = [(_by_tokens(n, d, c), (n, d, c)) for n, d in ((4, 1), (4, 3), (12, 4)) for c in (1, 2, 2 * d)]
    size, width, chunk, more = sympy.symbols("n d b e", positive=True)
    beyond = sympy.Symbol("m", nonnegative=True)
    table = tuple(
        (M, chunk, f"{by_chunk(1, 64, chunk):,.0f}", column, f"{by_token(1, 64, column):,.0f}")
        for M in (1024, 4096, 16384)
        for chunk in [fits(M, 64)]
        for column in [max(c for c in range(1, 129) if 128 % c == 0 and held(64, c) <= M)]
    )
    return Demonstration(
        derivation(r"""
            A chunk reads its queries, its keys and, a column at a time, its values and the state, and writes
            outputs and the state.
                n/b · (2bd + 2bd + 2d² + 2bd + 2d²) = 6nd + 4nd²/b
                    \frac{n}{b} (2bd + 2bd + 2d^2 + 2bd + 2d^2) = 6nd + \frac{4nd^2}{b}
            On the chip: queries, keys and scores, and one column of values, of the state and of outputs.
                2bd + b² + b + d + b ≤ M ⟺ (b + d + 1)² ≤ M + d² + d + 1
                    2bd + b^2 + b + d + b \le M \iff (b + d + 1)^2 \le M + d^2 + d + 1
            Token by token: for each c columns queries and keys again, and values and outputs of these.
                2d/c · n(2d + 2c) = 4nd + 4nd²/c
                    \frac{2d}{c} \cdot n (2d + 2c) = 4nd + \frac{4nd^2}{c}
            What the smaller chip has less at c = b.
                b² + 2bd + 2b + d − (bd + 2d + 2b) = b² + (b − 1)d > 0
                    b^2 + 2bd + 2b + d - (bd + 2d + 2b) = b^2 + (b - 1)d > 0
        """),
        {
            "by chunks of b, b | n, with the state read and written for each, it moves 6nd + 4nd²/b words": (
                identity("the program on symbols", [(chunks.words, by_chunk(n, d, b))]),
                exact("the program on numbers, n = 4, 12", [run.words == by_chunk(*at) for run, at in runs]),
            ),
            "and holds b² + 2bd + 2b + d on the chip": (
                identity("what the program on symbols holds", [(chunks.held[-1], on_chip(d, b))]),
                exact("the most that it holds on numbers", [run.held == on_chip(*at[1:]) for run, at in runs]),
            ),
            "the larger the chunk the fewer": (
                known(
                    "what a chunk of b + e saves",
                    [
                        (
                            sympy.factor(by_chunk(size, width, chunk) - by_chunk(size, width, chunk + more)),
                            "positive",
                        )
                    ],
                ),
            ),
            "M ≥ 3d + 3 words hold chunks of up to ⌊√(M + d² + d + 1)⌋ − d − 1 tokens": (
                identity(
                    "what is held, and d² + d + 1 more, is a square",
                    [(on_chip(width, chunk) + width**2 + width + 1, (chunk + width + 1) ** 2)],
                ),
                exact(
                    "it fits, one more token does not, d = 1 … 12, M to 400; one token at 3d + 3, and none below",
                    [
                        on_chip(d, fits(room, d)) <= room < on_chip(d, fits(room, d) + 1)
                        and (fits(room, d) > 0) is (room >= 3 * d + 3)
                        for d in range(1, 13)
                        for room in range(3 * d, 401)
                    ],
                ),
            ),
            "token by token, with c of the state's 2d columns at a time, it moves 4nd + 4nd²/c words": (
                identity("the program on symbols", [(tokens.words, by_token(n, d, c))]),
                exact("the program on numbers, c | 2d", [run.words == by_token(*at) for run, at in columns]),
            ),
            "and holds cd + 2d + 2c": (
                identity("what the program on symbols holds", [(tokens.held[-1], held(d, c))]),
                exact("the most that it holds on numbers", [run.held == held(*at[1:]) for run, at in columns]),
            ),
            "it gives the same": (
                exact(
                    "outputs of both and of the parallel form on whole numbers, γ = 1/2, bit by bit",
                    [run.same for run, _ in (*runs, *columns)],
                ),
            ),
            "for c = b that is 2d words a token fewer": (
                identity("the two on symbols", [(by_chunk(n, d, b) - by_token(n, d, b), n * fewer(d))]),
            ),
            "on a smaller chip": (
                known(
                    "what it holds less, b = 1 + m",
                    [
                        (
                            sympy.expand((on_chip(width, chunk) - held(width, chunk)).subs(chunk, 1 + beyond)),
                            "positive",
                        )
                    ],
                ),
            ),
        },
        tables=(
            Table(
                "Words that a head of 64 channels moves for a token, with M words on the chip",
                (
                    Column("M", "M", Kind.NUMBER),
                    Column("b", "Largest b", Kind.NUMBER),
                    Column("by_chunk", "By chunks"),
                    Column("c", "Largest c", Kind.NUMBER),
                    Column("by_token", "Token by token"),
                ),
                table,
            ),
        ),
    )


def in_chunks(
    chip: Any, Q: Any, K: Any, V: Any, out: Any, state: Any, b: Any, scores: Any = None, meet: Any = None
) -> None:
    """Eq. 7: a chunk's scores, and then column by column of its values with the state that it found."""
    for rows in chip.blocks(Q.shape[0], b):
        q, k = chip.read(Q, rows), chip.read(K, rows)
        s = chip.run(scores, q, k, chip.tile(b, b))
        for column in chip.blocks(V.shape[1], 1):
            v, r, o = chip.read(V, rows, column), chip.read(state, column), chip.tile(b, 1)
            chip.write(chip.run(meet, q, k, s, v, r, o), out, rows, column)
            chip.write(r, state, column)


def in_columns(chip: Any, Q: Any, K: Any, V: Any, out: Any, c: Any, step: Any = None) -> None:
    """Eq. 6, for each c columns of the state, which stay on the chip from the first token to the last."""
    n, d = Q.shape
    for columns in chip.blocks(V.shape[1], c):
        state = chip.tile(c, d)
        for token in chip.blocks(n, 1):
            tiles = chip.read(Q, token), chip.read(K, token), chip.read(V, token, columns), state, chip.tile(1, c)
            chip.write(chip.run(step, *tiles), out, token, columns)


GAMMA = 0.5
"""By which the state fades: its powers, and sums of few of them times whole numbers, are exact."""


def _decays(q: Any, k: Any, s: Any) -> None:
    t = numpy.arange(len(q))
    s[:] = (q @ k.T) * numpy.tril(GAMMA ** abs(t[:, None] - t))


def _meet(found: Callable[..., Any], q: Any, k: Any, s: Any, v: Any, r: Any, o: Any) -> None:
    t = numpy.arange(len(q))[:, None]
    o[:] = s @ v + found(GAMMA, t) * (q @ r.T)
    r[:] = GAMMA ** len(q) * r + (GAMMA ** (len(q) - 1 - t) * v).T @ k


def _step(q: Any, k: Any, v: Any, state: Any, o: Any) -> None:
    state[:] = GAMMA * state + v.T @ k
    o[:] = q @ state.T


class Run(NamedTuple):
    """What a program moved, the most that it held, and whether its outputs are the parallel form's."""

    words: int
    held: int
    same: bool


def _ran(n: int, d: int, program: Callable[..., None]) -> Run:
    from ..reference import retention

    q, k, v = numbers(1, 1, n, d, seed=1), numbers(1, 1, n, d, seed=2), numbers(1, 1, n, 2 * d, seed=3)
    expected = retention.parallel(q, k, v, torch.tensor([GAMMA], dtype=torch.float64))
    chip, out = Chip(), numpy.empty((n, 2 * d))
    program(chip, *(one[0, 0].numpy() for one in (q, k, v)), out)
    return Run(chip.words, max(chip.held), bool((out == expected[0, 0].numpy()).all()))


def _by_chunks(n: int, d: int, b: int, found: Callable[..., Any]) -> Run:
    state = numpy.zeros((2 * d, d))
    return _ran(n, d, partial(in_chunks, state=state, b=b, scores=_decays, meet=partial(_meet, found)))


def _by_tokens(n: int, d: int, c: int) -> Run:
    return _ran(n, d, partial(in_columns, c=c, step=_step))
