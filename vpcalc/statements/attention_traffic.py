"""Words that attention moves between a large memory and the one on the chip, by programs that count them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any, NamedTuple

from ..algebra.polynomial import symbols
from ..report import Column, Kind, Table
from .chips import Chip, Shape, SymbolicChip
from .evidence import close, exact, identity, known
from .libraries import numpy, sympy
from .registry import Demonstration, Evidence, derivation, statement

SIZES = [(N, d, B_r, B_c) for N in (4, 8, 24) for d in (1, 4, 6) for B_r in (1, 2, 4) for B_c in (1, 2, 4)]
"""At which the programs are run on numbers."""


@statement(
    "tiled_attention_io",
    "Words that attention moves",
    "Attention of N tokens in one head of d channels moves 4Nd + 4N² words where scores and weights are written "
    "and read again. In tiles of B_r rows, with blocks of columns of any size, both dividing N, it moves 2Nd + "
    "2N²d/B_r + N, where N are statistics for the backward pass, and gives the same: fewer exactly where 2Nd/B_r "
    "< 2d + 4N − 1, and so wherever B_r ≥ d/2. With columns one by one M = 2B_r d + 2B_r + 2d words on the chip "
    "suffice, and 2N²d/B_r = (4 + 4/d + 4/B_r)N²d²/M",
    "Dao et al. 2022 (FlashAttention), Theorem 2; rows in the outer loop as in Dao 2023. Saha & Ye 2024 have "
    "N²d²/M as the least order for M ≥ d², which is not shown here",
)
def tiled_attention_io(
    eager: Callable[..., Any] = lambda N, d: 4 * N * d + 4 * N**2,
    tiled: Callable[..., Any] = lambda N, d, B_r: 2 * N * d + 2 * N**2 * d / B_r + N,
    crossing: Callable[..., Any] = lambda N, d: 2 * d + 4 * N - 1,
    enough: Callable[[Any], Any] = lambda d: d / 2,
    on_chip: Callable[..., Any] = lambda d, B_r: 2 * B_r * d + 2 * B_r + 2 * d,
    times: Callable[..., Any] = lambda d, B_r: 4 + 4 / d + 4 / B_r,
    carried: Callable[..., Any] = lambda exp, before, after: exp(before - after),
) -> Demonstration:
    """Two programs, on symbols and on numbers, each with a chip that counts what it moves and holds."""
    N, d, B_r, B_c = symbols("N d B_r B_c")
    Q, row, scores = Shape((N, d)), Shape((N,)), Shape((N, N))
    plain, whole, one_by_one = SymbolicChip(), SymbolicChip(), SymbolicChip()
    in_full(plain, Q, Q, Q, Q, scores, scores)
    in_tiles(whole, Q, Q, Q, Q, row, B_r, B_c)
    in_tiles(one_by_one, Q, Q, Q, Q, row, B_r, 1)
    (held,) = one_by_one.held
    runs = [_ran(*sizes, carried) for sizes in SIZES]
    n, width, rows = sympy.symbols("N d B_r", positive=True)
    more, beyond = sympy.symbols("e m", nonnegative=True)
    fewer = eager(n, width) - tiled(n, width, rows)
    always = (crossing(n, width) - 2 * n * width / rows).subs(rows, enough(width) + beyond).subs(width, 1 + more)
    columns = (
        Column("N", "N", Kind.NUMBER),
        Column("eager", "Words, in full", Kind.NUMBER),
        *(Column(f"tiled_{block}", f"B_r = {block}", Kind.NUMBER) for block in (16, 64, 128)),
    )
    table = tuple(
        (size, eager(size, 64), *(int(tiled(size, 64, block)) for block in (16, 64, 128)))
        for size in (128, 1024, 8192)
    )
    return Demonstration(
        derivation(r"""
            In full: Q and K are read and S is written; S is read and P is written; P and V are read and O is
            written.
                (2Nd + N²) + 2N² + (N² + 2Nd) = 4Nd + 4N²
                    (2Nd + N^2) + 2N^2 + (N^2 + 2Nd) = 4Nd + 4N^2
            In tiles: each block of rows reads its part of Q and all of K and V, and writes its part of O and a
            number for each row.
                N/B_r · (B_r d + 2Nd + B_r d + B_r) = 2Nd + 2N²d/B_r + N
                    \frac{N}{B_r} \bigl(B_r d + 2Nd + B_r d + B_r\bigr) = 2Nd + \frac{2N^2d}{B_r} + N
            That number is l = ln Σ exp(s), carried from block to block with O: neither S nor P is ever whole.
                l′ = ln(exp(l) + Σ_j exp(s_j)), o′ = exp(l − l′) o + Σ_j exp(s_j − l′) v_j
                    l' = \ln\bigl(e^{l} + \sum_j e^{s_j}\bigr), \quad o' = e^{l - l'} o + \sum_j
                    e^{s_j - l'} v_j
            Which is fewer.
                4Nd + 4N² − (2Nd + 2N²d/B_r + N) = N(2d + 4N − 1 − 2Nd/B_r)
                    4Nd + 4N^2 - \Bigl(2Nd + \frac{2N^2d}{B_r} + N\Bigr) = N \Bigl(2d + 4N - 1 -
                    \frac{2Nd}{B_r}\Bigr)
            On the chip: parts of Q and O, one number for each row, one row of K and of V, and a column of scores.
                M = 2B_r d + B_r + 2d + B_r
                    M = 2 B_r d + B_r + 2d + B_r
        """),
        {
            "in full, with scores and weights written and read again, it moves 4Nd + 4N² words": (
                identity("the program on symbols", [(plain.words, eager(N, d))]),
                exact(
                    "the program on numbers, N = 4 … 24",
                    [run.eager == eager(*at[:2]) for run, at in zip(runs, SIZES, strict=True)],
                ),
            ),
            "in tiles it moves 2Nd + 2N²d/B_r + N, whatever the block of columns": (
                identity("the program on symbols, B_r and B_c dividing N", [(whole.words, tiled(N, d, B_r))]),
                exact(
                    "the program on numbers, N = 4 … 24, B_r and B_c = 1, 2, 4",
                    [run.tiled == tiled(*at[:3]) for run, at in zip(runs, SIZES, strict=True)],
                ),
            ),
            "both give the same": (
                _one_more(carried),
                close(
                    "outputs, and statistics against ln Σ exp(s), float64",
                    max(run.error for run in runs),
                    1e-12,
                    len(runs),
                ),
            ),
            "tiles move fewer exactly where 2Nd/B_r < 2d + 4N − 1": (
                identity(
                    "the difference is N times that of the two sides",
                    [(fewer, n * (crossing(n, width) - 2 * n * width / rows))],
                ),
            ),
            "and so wherever B_r ≥ d/2": (
                known("the difference at B_r = d/2 + m, d = 1 + e", [(sympy.factor(always), "positive")]),
            ),
            "with columns one by one M = 2B_r d + 2B_r + 2d words on the chip suffice": (
                identity("what the program on symbols holds", [(held, on_chip(d, B_r))]),
                exact(
                    "the most that it holds on numbers",
                    [run.held == on_chip(*at[1:3]) for run, at in zip(runs, SIZES, strict=True) if at[3] == 1],
                ),
            ),
            "and 2N²d/B_r = (4 + 4/d + 4/B_r)N²d²/M": (
                identity(
                    "both sides times M, which the program holds",
                    [(2 * N**2 * d / B_r * held, times(d, B_r) * N**2 * d**2)],
                ),
            ),
        },
        tables=(Table("Words moved by a head of 64 channels", columns, table),),
    )


# -- programs ---------------------------------------------------------------------------------------


def in_full(chip: Any, Q: Any, K: Any, V: Any, out: Any, S: Any, P: Any) -> None:
    """Attention with its scores and its weights in the large memory; on the chip there is room for all."""
    (rows,) = chip.blocks(Q.shape[0], Q.shape[0])
    chip.write(chip.run(_scores, chip.read(Q, rows), chip.read(K, rows), chip.tile(*S.shape)), S, rows)
    chip.write(chip.run(_weights, chip.read(S, rows), chip.tile(*P.shape)), P, rows)
    chip.write(chip.run(_mixed, chip.read(P, rows), chip.read(V, rows), chip.tile(*out.shape)), out, rows)


def in_tiles(
    chip: Any, Q: Any, K: Any, V: Any, out: Any, statistics: Any, B_r: Any, B_c: Any, meet: Any = None
) -> None:
    """Attention by blocks of rows; each goes through all blocks of columns."""
    N, d = Q.shape
    for rows in chip.blocks(N, B_r):
        q, total, o = chip.read(Q, rows), chip.tile(B_r, filled=-inf), chip.tile(B_r, d)
        for columns in chip.blocks(N, B_c):
            k, v = chip.read(K, columns), chip.read(V, columns)
            chip.run(meet, q, k, v, chip.tile(B_r, B_c), total, o)
        chip.write(o, out, rows)
        chip.write(total, statistics, rows)


def _scores(q: Any, k: Any, s: Any) -> None:
    s[:] = q @ k.T / q.shape[1] ** 0.5


def _weights(s: Any, p: Any) -> None:
    p[:] = numpy.exp(s - s.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)


def _mixed(p: Any, v: Any, o: Any) -> None:
    o[:] = p @ v


def _meet(carried: Callable[..., Any], q: Any, k: Any, v: Any, s: Any, total: Any, o: Any) -> None:
    """Rows with one more block of columns; ``total`` is the logarithm of what exp of their scores adds up to."""
    _scores(q, k, s)
    before = total.copy()
    total[:] = numpy.logaddexp(total, numpy.logaddexp.reduce(s, axis=1))
    o *= numpy.broadcast_to(carried(numpy.exp, before, total), total.shape)[:, None]
    o += numpy.exp(s - total[:, None]) @ v


def _one_more(carried: Callable[..., Any]) -> Evidence:
    """What is carried is the softmax of the columns so far: so it is with one more block, and none was nothing."""
    seen, block = sympy.symbols("Z z", positive=True)  # Σ exp(s_j) before, and of the block
    values, added = sympy.symbols("A a", real=True)  # Σ exp(s_j) v_j
    before, after = sympy.log(seen), sympy.log(seen + block)
    o = carried(sympy.exp, before, after) * values / seen + sympy.exp(-after) * added
    return identity(
        "by induction on the blocks of columns, for sums of any size", [(o, (values + added) / (seen + block))]
    )


class _Run(NamedTuple):
    """What both programs moved on numbers, how far apart they are, and the most that tiles held."""

    eager: int
    tiled: int
    error: float
    held: int


def _ran(N: int, d: int, B_r: int, B_c: int, carried: Callable[..., Any]) -> _Run:
    draw = numpy.random.default_rng(N * d)
    Q, K, V = draw.normal(size=(3, N, d))
    S, P, whole, tiled, statistics = (numpy.empty(shape) for shape in ((N, N), (N, N), (N, d), (N, d), (N,)))
    plain, chip = Chip(), Chip()
    in_full(plain, Q, K, V, whole, S, P)
    in_tiles(chip, Q, K, V, tiled, statistics, B_r, B_c, partial(_meet, carried))
    apart = abs(tiled - whole).max(), abs(statistics - numpy.log(numpy.exp(S).sum(1))).max()
    return _Run(plain.words, chip.words, float(max(apart)), max(chip.held))
