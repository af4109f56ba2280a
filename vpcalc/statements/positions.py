"""Sinusoidal positions: shifts, bounds, uniqueness, every length, distance; and adding against concatenating."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import cos, pi
from typing import Any

from ..algebra.parser import parse
from ..algebra.polynomial import as_polynomial, symbol
from ..cost import Quantity
from ..report import Column, Kind, Table
from ..report.plots_theory import Chart, Series
from ..symbolic import layer_on_symbols
from .evidence import close, exact, identity, known, letters, not_identity, relative_error
from .libraries import numpy, sympy, torch
from .registry import Demonstration, Evidence, derivation, statement

PAPER = "Vaswani et al. 2017"

BASE = 10_000
"""Of the wavelengths: 2π to 2π · 10000^{(d − 2)/d}."""


def frequencies(d: int) -> list[float]:
    """ω_i = 10000^{−2i/d} for i = 0 … d/2 − 1."""
    return [BASE ** (-2 * i / d) for i in range(d // 2)]


@contextmanager
def in_float64() -> Iterator[None]:
    """The reference module makes its angles in torch's default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def encoding(n: int, d: int) -> Any:
    """The reference module's table of n positions, in float64."""
    from ..reference.transformer import sinusoids

    with in_float64():
        return sinusoids(n, d, torch.device("cpu"))


Pair = tuple[Any, Any]


def rotated(at_pos: Pair, at_k: Pair) -> Pair:
    """PE(pos + k) from PE(pos) and PE(k), pair by pair: (sine, cosine)."""
    return at_pos[0] * at_k[1] + at_pos[1] * at_k[0], at_pos[1] * at_k[1] - at_pos[0] * at_k[0]


# -- shifts -----------------------------------------------------------------------------------------


_SHIFTED = (
    "PE(pos+k, 2i) = PE(pos, 2i) PE(k, 2i+1) + PE(pos, 2i+1) PE(k, 2i) and PE(pos+k, 2i+1) = PE(pos, 2i+1) PE(k, "
    "2i+1) − PE(pos, 2i) PE(k, 2i)"
)


@statement(
    "sinusoid_shift",
    "A shift is a rotation",
    f"{_SHIFTED}, for even d: linear in PE(pos), the same for every pos",
    f"{PAPER}, §3.5 (positional encoding): "
    "'for any fixed offset k, PE_{pos+k} can be represented as a linear function of PE_pos'",
)
def sinusoid_shift(shift: Callable[[Pair, Pair], Pair] = rotated) -> Demonstration:
    """The addition theorems for symbolic pos, k, i and d; the reference module's table."""
    pos, k, i = sympy.symbols("pos k i", integer=True, nonnegative=True)
    d = sympy.Symbol("d", integer=True, positive=True)
    omega = sympy.Integer(BASE) ** (-2 * i / d)

    def pair(position: Any) -> Pair:
        return sympy.sin(position * omega), sympy.cos(position * omega)

    ours, true = shift(pair(pos), pair(k)), pair(pos + k)
    differences = [sympy.expand_trig(sympy.expand(left)) - right for left, right in zip(true, ours, strict=True)]
    table = encoding(600, 64)
    lag = 37
    even, odd = table[:, 0::2], table[:, 1::2]
    moved = shift((even[:-lag], odd[:-lag]), (even[lag], odd[lag]))
    error = max(relative_error(moved[0], even[lag:]), relative_error(moved[1], odd[lag:]))
    return Demonstration(
        derivation(r"""
            The encoding, with ω_i = 10000^{−2i/d}.
                PE(pos, 2i) = sin(ω_i pos), PE(pos, 2i+1) = cos(ω_i pos)
                    PE_{(pos, 2i)} = \sin(\omega_i\, pos), \quad PE_{(pos, 2i+1)} = \cos(\omega_i\, pos), \quad
                    \omega_i = 10000^{-2i/d}
            Addition theorem of the sine.
                sin(ω(pos + k)) = sin(ω pos) cos(ω k) + cos(ω pos) sin(ω k)
                    \sin(\omega(pos + k)) = \sin(\omega\,pos)\cos(\omega k) + \cos(\omega\,pos)\sin(\omega k)
            Addition theorem of the cosine.
                cos(ω(pos + k)) = cos(ω pos) cos(ω k) − sin(ω pos) sin(ω k)
                    \cos(\omega(pos + k)) = \cos(\omega\,pos)\cos(\omega k) - \sin(\omega\,pos)\sin(\omega k)
            Together: each pair of channels is turned by ω_i k, whatever pos.
                (PE(pos+k, 2i); PE(pos+k, 2i+1)) = (cos ω_i k, sin ω_i k; −sin ω_i k, cos ω_i k) (PE(pos, 2i);
                PE(pos, 2i+1))
                    \begin{pmatrix} PE_{(pos+k, 2i)} \\ PE_{(pos+k, 2i+1)} \end{pmatrix} = \begin{pmatrix}
                    \cos\omega_i k & \sin\omega_i k \\ -\sin\omega_i k & \cos\omega_i k \end{pmatrix}
                    \begin{pmatrix} PE_{(pos, 2i)} \\ PE_{(pos, 2i+1)} \end{pmatrix}
        """),
        {
            f"{_SHIFTED}, for every pos, k, i and even d": (
                identity("the addition theorems, for symbolic pos, k, i and d", differences),
                close("reference table of 600 positions of 64 channels, k = 37, float64", error, 1e-12, 563 * 64),
            ),
            "they are linear in PE(pos), the same for every pos": (
                identity("sums go to sums and multiples to multiples, for any pairs of numbers", _linear(shift)),
            ),
        },
        (
            not_identity(
                "a sine without its cosine, as the last of an odd d, is 0 at position 0, where a linear map has 0",
                sympy.sin(omega.subs({d: 1, i: 0}) * k),
                {k: 1},
            ),
        ),
    )


def _linear(shift: Callable[[Pair, Pair], Pair]) -> list[Any]:
    """Of a combination of two pairs the combination of what is made of each."""
    a, b, *numbers = sympy.symbols("a b s_1:7", real=True)
    one, two, at_k = zip(numbers[::2], numbers[1::2], strict=True)
    both = (a * one[0] + b * two[0], a * one[1] + b * two[1])
    parts = zip(shift(both, at_k), shift(one, at_k), shift(two, at_k), strict=True)
    return [(whole, a * first + b * second) for whole, first, second in parts]


# -- bounds and uniqueness --------------------------------------------------------------------------


@statement(
    "sinusoid_bounded",
    "Bounded, and of one length",
    "Every entry is in [−1, 1], and ‖PE(pos)‖² = d/2 for every pos and even d; for odd d it depends on pos",
    f"{PAPER}, §3.5 (positional encoding)",
)
def sinusoid_bounded(
    square: Callable[[Any], Any] = lambda d: d / 2, largest: int = 1, alone: Callable[[Any], Any] | None = None
) -> Demonstration:
    """sin² + cos² = 1, summed over symbolically many pairs; the reference table."""
    a = sympy.Symbol("a", real=True)
    i = sympy.Symbol("i", integer=True)
    d = sympy.Symbol("d", integer=True, positive=True)
    pair = sympy.simplify(sympy.sin(a) ** 2 + sympy.cos(a) ** 2)
    total = sympy.summation(pair, (i, 0, d - 1))  # d pairs of channels, 2d channels
    # the last sine of an odd number of channels has no cosine beside it
    left_over = (sympy.sin if alone is None else alone)(a) ** 2
    table = encoding(3000, 48)
    error = float((table.square().sum(1) - float(square(48))).abs().max()) / 24
    odd = encoding(3000, 47).square().sum(1)
    return Demonstration(
        derivation(r"""
            Sine and cosine.
                −1 ≤ sin, cos ≤ 1
                    -1 \le \sin, \cos \le 1
            Each pair of channels adds one.
                Σ_{i<d/2} (sin²(ω_i pos) + cos²(ω_i pos)) = d/2
                    \sum_{i<d/2} \bigl(\sin^2(\omega_i\,pos) + \cos^2(\omega_i\,pos)\bigr) = \frac{d}{2}
        """),
        {
            "every entry is in [−1, 1]": (
                identity(
                    "sin² ≤ 1 and cos² ≤ 1: what is missing is a square",
                    [
                        largest**2 - sympy.sin(a) ** 2 - sympy.cos(a) ** 2,
                        largest**2 - sympy.cos(a) ** 2 - sympy.sin(a) ** 2,
                    ],
                ),
                exact(
                    "reference table of 3,000 positions is within [−1, 1]", [bool((table.abs() <= largest).all())]
                ),
            ),
            "‖PE(pos)‖² = d/2 for every pos and even d": (
                identity("the squares of 2d channels summed, d a symbol", [total - square(2 * d)]),
                close("rows of the reference table of 48 channels, float64", error, 1e-12, 3000),
            ),
            "for odd d the length depends on pos": (
                not_identity("a sine without its cosine does", left_over - left_over.subs(a, 0)),
                exact("so do rows of the reference table of 47 channels", [bool(odd.max() - odd.min() > 0.1)]),
            ),
        },
    )


def unique_length(turn: Any) -> Any:
    """Positions 0 … N − 1 before a pair has made one turn, which takes it ``turn`` steps: with the one at 0."""
    return turn // 1 + 1


def never_a_turn(full: Any) -> Evidence:
    """That no pair of channels comes back to an angle that it had, in however many steps."""
    rate = sympy.Pow(BASE, sympy.Symbol("x", rational=True), evaluate=False)  # −2i/d, for any i and d
    return known(
        "π is transcendental, every ω_i = 10000^{−2i/d} algebraic: ω_i k = 2πm for no whole k ≠ 0",
        [(full, "transcendental"), (rate, "algebraic")],
    )


@statement(
    "sinusoid_unique",
    "Unique positions",
    "For even d no two positions share an encoding, at any length, and already one pair of channels tells all "
    "apart: "
    "ω_i k = 2πm has no whole k ≠ 0. The slowest pair makes its first turn after ⌊2π·10000^{(d−2)/d}⌋ + 1 "
    "positions",
    f"{PAPER}, §3.5 (positional encoding)",
)
def sinusoid_unique(length: Callable[[Any], Any] = unique_length, turn: Any = None) -> Demonstration:
    """π is irrational; the distance in closed form; the smallest distance by search, up to the derived length."""
    a, b = sympy.symbols("a b", real=True)
    chord = (sympy.sin(a) - sympy.sin(b)) ** 2 + (sympy.cos(a) - sympy.cos(b)) ** 2
    half = 4 * sympy.sin((a - b) / 2) ** 2
    rows, positive, one_turn, apart = [], [], [], []
    for d in (2, 4, 8, 16, 64, 512):
        n = int(length(2 * pi * BASE ** ((d - 2) / d)))
        slowest = frequencies(d)[-1]
        one_turn += [slowest * (n - 1) < 2 * pi, slowest * n >= 2 * pi]
        turns = torch.arange(1, 3 * n, dtype=torch.float64) * (slowest / (2 * pi))
        apart.append(bool((turns - turns.round()).abs().min() > 0))
        lags = torch.arange(1, n, dtype=torch.float64)
        squares = torch.zeros_like(lags)
        for omega in frequencies(d):
            squares += 4 * (omega * lags / 2).sin().square()
        least = int(squares.argmin())
        positive.append(float(squares[least]) > 1e-6)
        rows.append((d, n, f"{float(squares[least]) ** 0.5:.4f}", least + 1))
    steps = sympy.Symbol("T", positive=True)
    rest = sympy.frac(steps)
    table = encoding(600, 16)
    direct = (table[0] - table).square().sum(1)
    ours = sum(
        4 * (omega * torch.arange(600, dtype=torch.float64) / 2).sin().square() for omega in frequencies(16)
    )
    columns = (
        Column("d", "d", Kind.NUMBER),
        Column("length", "Positions before one turn", Kind.NUMBER),
        Column("distance", "Smallest distance of two of them"),
        Column("lag", "At k", Kind.NUMBER),
    )
    return Demonstration(
        derivation(r"""
            The distance of two positions.
                ‖PE(p + k) − PE(p)‖² = Σ_i 4 sin²(ω_i k/2)
                    \lVert PE_{p+k} - PE_p \rVert^2 = \sum_i 4 \sin^2(\omega_i k / 2)
            One term is zero only where ω_i k is a multiple of 2π. ω_i = 10000^{−2i/d} is algebraic, so π would be,
            and it is transcendental: each pair, the slowest too, tells all positions apart.
                sin(ω_i k/2) = 0 ⟺ ω_i k = 2πm; π = ω_i k/(2m) would be algebraic
                    \sin(\omega_i k/2) = 0 \iff \omega_i k = 2\pi m, \quad \pi = \frac{\omega_i k}{2m}
            In floating point not zero is not enough. Before it has made one turn, the slowest pair, ω =
            10000^{−(d−2)/d}, also keeps positions at a distance; later its angles come close to earlier ones.
                ω(N − 1) < 2π ⟺ N ≤ ⌊2π·10000^{(d−2)/d}⌋ + 1
                    \omega (N - 1) < 2\pi \iff N \le \lfloor 2\pi \cdot 10000^{(d-2)/d} \rfloor + 1
        """),
        {
            "already one pair of channels tells any two positions apart, at any length and even d": (
                identity(
                    "(sin a − sin b)² + (cos a − cos b)² = 4 sin²((a − b)/2)", [sympy.simplify(chord - half)]
                ),
                never_a_turn(2 * sympy.pi if turn is None else turn),
                exact("beyond one turn the slowest pair still tells positions apart (d = 2 … 512)", apart),
                close(
                    "closed form against the reference table, float64", relative_error(ours, direct), 1e-12, 600
                ),
            ),
            "the slowest pair makes its first turn after ⌊2π·10000^{(d−2)/d}⌋ + 1 positions": (
                identity(
                    "of a turn of T steps, any T: the last of N positions is T less what T has beyond a whole "
                    "number, from 0 to 1, and the next one is beyond T",
                    [(sympy.sympify(length(steps)).rewrite(sympy.frac), steps - rest + 1)],
                ),
                exact("at that length it has not made a turn, one further it has (d = 2 … 512)", one_turn),
            ),
        },
        (exact("up to it all distances exceed 10⁻³ (d = 2 … 512, every lag)", positive),),
        tables=(Table("How far apart positions are", columns, tuple(rows)),),
    )


# -- every length -----------------------------------------------------------------------------------


@statement(
    "sinusoid_every_length",
    "Defined for every length",
    "The encoding of n positions begins with that of any fewer and has no parameters; a learned table has N·d, "
    "and nothing "
    "beyond N",
    f"{PAPER}, §3.5 (positional encoding): "
    "'it may allow the model to extrapolate to sequence lengths longer than the ones encountered'",
)
def sinusoid_every_length(
    learned: str = "NC",
    sinusoidal: str = "0",
    rate: Callable[[Any, Any, Any], Any] = lambda i, d, n: BASE ** (-2 * i / d),
) -> Demonstration:
    """Parameters from our closed forms; prefixes bit by bit; what a learned table does with one token more."""
    from ..reference.embedding import PositionEmbedding

    pos, i, d, length = sympy.symbols("pos i d n", positive=True)
    angle = pos * rate(i, d, length)
    other = pos * rate(i, d, sympy.Symbol("m", positive=True))
    at_another = [(wave(angle), wave(other)) for wave in (sympy.sin, sympy.cos)]
    long = encoding(5000, 32)
    prefixes = [bool((encoding(n, 32) == long[:n]).all()) for n in (1, 2, 17, 512, 4999)]
    table = PositionEmbedding(16, 32)
    try:
        table(torch.zeros(1, 17, 32))
        beyond = False
    except RuntimeError:
        beyond = True
    forms = [
        (as_polynomial(layer_on_symbols("position_embedding").total(Quantity.PARAMS)), parse(learned)),
        (as_polynomial(layer_on_symbols("positional_encoding").total(Quantity.PARAMS)), parse(sinusoidal)),
    ]
    numbers = sum(p.numel() for p in table.parameters())
    return Demonstration(
        derivation(r"""
            The formula holds for every pos.
                PE(pos, 2i) = sin(ω_i pos)
                    PE_{(pos, 2i)} = \sin(\omega_i\,pos)
            A learned table is N vectors.
                N·d parameters
                    N \cdot d \text{ parameters}
        """),
        {
            "the encoding of n positions begins with that of any fewer": (
                identity("every entry is the same at another length", at_another),
                exact("the table of 5,000 begins with those of 1, 2, 17, 512 and 4,999, bit by bit", prefixes),
            ),
            "it has no parameters, and a learned table has N·d": (
                identity("parameters of the two layers on symbols", forms),
                exact(
                    "numbers in the reference table of 16 positions of 32 channels",
                    [numbers == parse(learned).value({"N": 16, "C": 32})],
                ),
            ),
            "a learned table has nothing beyond N": (
                identity("its numbers are those of N rows of d", [(parse(learned) / symbol("C"), symbol("N"))]),
                exact("a learned table of 16 refuses 17 tokens", [beyond]),
            ),
        },
    )


@statement(
    "sinusoid_distance",
    "A dot product that depends on distance alone",
    "For even d, PE(p)·PE(q) = Σ_{i<d/2} cos(ω_i (p − q)); over d/2 it tends to (Ci(k) − Ci(k/10000))/ln 10000 at "
    "k = |p − q| ≠ 0 for many channels, and is 1 at k = 0",
    f"{PAPER}, §3.5 (positional encoding)",
)
def sinusoid_distance(
    term: Callable[[Any], Any] | None = None, limit: Callable[[Any], Any] | None = None
) -> Demonstration:
    """The addition theorem; the reference table; the integral of the limit."""
    cosine = sympy.cos if term is None else term
    a, b = sympy.symbols("a b", real=True)
    product = sympy.sin(a) * sympy.sin(b) + sympy.cos(a) * sympy.cos(b)
    k, u = sympy.symbols("k u", positive=True)
    rate = sympy.log(BASE)
    antiderivative = -sympy.Ci(k * sympy.exp(-rate * u)) / rate
    integrand = sympy.cos(k * sympy.exp(-rate * u))
    # Ci(k) = γ + ln k + o(1): the logarithms leave ln BASE
    near_zero = sympy.Ci(k).series(k, 0, 1).removeO() - sympy.Ci(k).series(k, 0, 1).removeO().subs(k, k / BASE)

    table = encoding(400, 64)
    gram = table @ table.T
    lags = torch.arange(400, dtype=torch.float64)
    lag = (lags[:, None] - lags[None, :]).abs()
    ours = sum((omega * lag).cos() for omega in frequencies(64))
    series, worst = [], 0.0
    for d in (32, 128, 512):
        shown = [sum(cos(omega * x) for omega in frequencies(d)) / (d / 2) for x in range(101)]
        series.append(Series(f"d = {d}", tuple(map(float, range(101))), tuple(shown)))

    def cosine_integrals(at: Any) -> Any:
        return (sympy.Ci(at) - sympy.Ci(at / BASE)) / rate

    claimed = limit or cosine_integrals
    places = (1, 5, 20, 60)
    for x in places:
        value = float(claimed(sympy.Integer(x)).evalf())
        worst = max(worst, abs(value - sum(cos(omega * x) for omega in frequencies(4096)) / 2048))
    return Demonstration(
        derivation(r"""
            Pair by pair, the addition theorem.
                sin(ω p) sin(ω q) + cos(ω p) cos(ω q) = cos(ω(p − q))
                    \sin(\omega p)\sin(\omega q) + \cos(\omega p)\cos(\omega q) = \cos(\omega(p - q))
            Summed: no p or q but their difference, and no sign of it.
                PE(p)·PE(q) = Σ_{i<d/2} cos(10000^{−2i/d} (p − q))
                    PE_p \cdot PE_q = \sum_{i<d/2} \cos\bigl(10000^{-2i/d}(p - q)\bigr)
            For many channels the sum is an integral, with Ci the cosine integral. At k = 0, where Ci has no value,
            every cosine is 1, and the integral tends to 1 too.
                (d/2) ∫_0^1 cos(k·10000^{−u}) du = (d/2) (Ci(k) − Ci(k/10000))/ln 10000
                    \frac{d}{2} \int_0^1 \cos(k \cdot 10000^{-u})\, du = \frac{d}{2} \cdot
                    \frac{\operatorname{Ci}(k) - \operatorname{Ci}(k/10000)}{\ln 10000}
        """),
        {
            "PE(p)·PE(q) = Σ_{i<d/2} cos(ω_i (p − q)) for even d": (
                identity("sin a sin b + cos a cos b = cos(a − b)", [sympy.expand_trig(cosine(a - b)) - product]),
                close(
                    "every pair of 400 positions of 64 channels, float64",
                    relative_error(ours, gram),
                    1e-12,
                    400 * 400,
                ),
            ),
            "over d/2 it tends to (Ci(k) − Ci(k/10000))/ln 10000 for many channels": (
                identity(
                    "that is ∫ cos(k · 10000^{−u}) du from 0 to 1, of which the sum is a Riemann sum",
                    [
                        sympy.simplify(sympy.diff(antiderivative, u) - integrand),
                        (antiderivative.subs(u, 1) - antiderivative.subs(u, 0), claimed(k)),
                    ],
                ),
                close("4,096 channels against the limit, per pair of channels", worst, 1e-3, len(places)),
            ),
            "at k = 0 it is 1": (
                identity(
                    "every term is 1, and the limit for k → 0 is 1",
                    [cosine(sympy.Integer(0)) - 1, sympy.limit(near_zero / rate, k, 0) - 1],
                ),
            ),
        },
        figure=Chart("PE(p)·PE(q) over d/2", "p − q", "Σ cos(ω_i (p − q))/(d/2)", tuple(series)),
    )


# -- adding -----------------------------------------------------------------------------------------


@statement(
    "add_or_concatenate",
    "Adding instead of concatenating",
    "[W^I W^P][x; p] = W^I x + W^P p: to concatenate positions and project is to project both and add",
    f"{PAPER}, §3.5 (positional encoding), which has both of one width so that they can be summed",
)
def add_or_concatenate(
    added: Callable[[Any, Any, Any, Any], Any] = lambda W_I, W_P, x, p: W_I @ x + W_P @ p,
) -> Demonstration:
    """As blocks of symbolic size, entry by entry, and with linear modules."""
    n, d, m = sympy.symbols("n d m", integer=True, positive=True)
    W_I, W_P = sympy.MatrixSymbol("W_I", n, d), sympy.MatrixSymbol("W_P", n, m)
    x, p = sympy.MatrixSymbol("x", d, 1), sympy.MatrixSymbol("p", m, 1)
    whole = sympy.block_collapse(sympy.BlockMatrix([[W_I, W_P]]) * sympy.BlockMatrix([[x], [p]]))
    blocks = sympy.Matrix(whole.blocks)[0, 0] if isinstance(whole, sympy.BlockMatrix) else whole
    entries = []
    for width in (1, 2, 3):
        A, P, v, w = letters("A", 2, width), letters("P", 2, 2), letters("x", width), letters("p", 2)
        joined = numpy.concatenate([A, P], axis=1) @ numpy.concatenate([v, w])
        entries += list(joined - added(A, P, v, w))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        both = torch.nn.Linear(12 + 5, 8, bias=False).double()
        tokens, places = torch.randn(12, 30, dtype=torch.float64), torch.randn(5, 30, dtype=torch.float64)
        together = both(torch.cat([tokens, places]).T).T
        apart = added(both.weight[:, :12], both.weight[:, 12:], tokens, places)
    return Demonstration(
        derivation(r"""
            A row times a column, in two blocks.
                [W^I W^P][x; p] = W^I x + W^P p
                    \begin{pmatrix} W^I & W^P \end{pmatrix} \begin{pmatrix} x \\ p \end{pmatrix} = W^I x + W^P p
            So a one-hot position that is concatenated before a linear layer is a learned vector that is added
            after it: column pos of W^P.
                p = e_pos: W^P p = column pos of W^P
                    p = e_{pos}: \; W^P p = W^P_{:, pos}
            Added to the tokens before it, positions share its weights.
                W(x + e) = Wx + We = [W W][x; e]
                    W(x + e) = Wx + We = \begin{pmatrix} W & W \end{pmatrix} \begin{pmatrix} x \\ e \end{pmatrix}
        """),
        {
            "to concatenate positions and project is to project both and add": (
                identity("for blocks of any size", [(blocks, added(W_I, W_P, x, p))]),
                identity("entry by entry", entries, instances="widths 1, 2 and 3"),
                close("linear modules of 12 + 5 channels, float64", relative_error(apart, together), 1e-13, 30),
            )
        },
    )
