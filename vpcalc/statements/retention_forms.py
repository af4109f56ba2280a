"""Retention: three forms of one function, and its state beside the cache of attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..algebra.polynomial import as_polynomial, symbols
from ..layers.retention import state_elements
from ..ops import linear
from .evidence import close, exact, identity, letters, relative_error
from .libraries import numpy, sympy, torch
from .registry import Demonstration, Evidence, derivation, statement
from .whole_numbers import numbers

PAPER = "Sun et al. 2023 (RetNet)"


class Exponents(NamedTuple):
    """Powers of γ in the chunkwise form, eq. 7, for places t and j of a chunk of b tokens, counted from 0."""

    inner: Callable[[Any, Any], Any] = lambda t, j: t - j
    cross: Callable[[Any], Any] = lambda t: t + 1
    to_end: Callable[[Any, Any], Any] = lambda b, j: b - 1 - j
    state: Callable[[Any], Any] = lambda b: b


EQUATION_7 = Exponents()


@statement(
    "retention_forms",
    "Three forms of retention are one function",
    "Parallel, (QKᵀ ⊙ D)V with the power n − m of γ in D for m ≤ n and 0 else; recurrent, with a state that is "
    "multiplied by γ, takes in kᵀv of each token and is read by its q; chunkwise, with any chunk b: the same "
    "outputs for all q, k, v, γ ≠ 0 and every length, and the same last state; where b does not divide n, with z "
    "zeros at the end, the same outputs and γ^z times the last state",
    f"{PAPER}, eq. 5-7",
)
def retention_forms(
    exponents: Exponents = EQUATION_7,
    decay: Callable[[Any], Any] = lambda gamma: gamma,
    faded: Callable[[Any], Any] = lambda z: z,
) -> Demonstration:
    """The power of γ of each pair of tokens on symbols; four tokens of letters; the reference module."""
    n, m, b, i, t, j = sympy.symbols("n m b i t j", integer=True, nonnegative=True)
    gamma = sympy.Symbol("gamma", nonzero=True)
    e = exponents
    step = [
        decay(gamma) * gamma ** (n - 1 - m) / gamma ** (n - m) - 1,  # m < n: from S_{n−1}
        gamma ** (n - n) - 1,  # m = n: what step n adds
    ]
    start = i * b  # the chunk's first token
    chunk = [
        gamma ** e.inner(t, j) / gamma ** ((start + t) - (start + j)) - 1,
        # before the chunk: what the state has of token m at its end, brought to token t
        gamma ** e.cross(t) * gamma ** (start - 1 - m) / gamma ** (start + t - m) - 1,
        gamma ** e.state(b) * gamma ** (start - 1 - m) / gamma ** (start + b - 1 - m) - 1,
        gamma ** e.to_end(b, j) / gamma ** ((start + b - 1) - (start + j)) - 1,
    ]
    z = sympy.Symbol("z", integer=True, nonnegative=True)  # zeros after token t of the last chunk
    filled = [
        gamma ** e.to_end(t + 1 + z, j) / gamma ** (faded(z) + t - j) - 1,
        gamma ** e.state(t + 1 + z) * gamma ** (start - 1 - m) / gamma ** (faded(z) + start + t - m) - 1,
    ]
    recurrent, outputs, states = _reference_forms(decay)
    chunks = identity(
        "outputs, any γ", _four_tokens(exponents, decay), instances="four tokens, chunks of 1, 2, 3 and 4"
    )

    def simplified(powers: list[Any]) -> list[Any]:
        return [sympy.powsimp(sympy.simplify(one)) for one in powers]

    return Demonstration(
        derivation(r"""
            Recurrent is parallel, by induction on n, tokens 0, 1, …: the power of γ at token m ≤ n is n − m.
                S_{−1} = 0; S_n = γ Σ_{m<n} γ^{n−1−m} k_mᵀv_m + k_nᵀv_n = Σ_{m≤n} γ^{n−m} k_mᵀv_m
                    S_{-1} = 0; \quad S_n = \gamma \sum_{m<n} \gamma^{n-1-m} k_m^{\top} v_m + k_n^{\top} v_n =
                    \sum_{m \le n} \gamma^{n-m} k_m^{\top} v_m
            Read by its query that is a row of the parallel form.
                q_n S_n = Σ_{m≤n} γ^{n−m} (q_n·k_m) v_m
                    q_n S_n = \sum_{m \le n} \gamma^{n-m} (q_n \cdot k_m)\, v_m
            Chunkwise, by induction on the chunk i = 0, 1, …, R_{−1} = 0: R_i is the recurrent state after its last
            token.
                R_i = γ^b R_{i−1} + Σ_{j<b} γ^{b−1−j} k_{ib+j}ᵀv_{ib+j} = S_{(i+1)b−1}
                    R_i = \gamma^b R_{i-1} + \sum_{j<b} \gamma^{b-1-j} k_{ib+j}^{\top} v_{ib+j} = S_{(i+1)b-1}
            Token t = 0 … b − 1 of chunk i: those of its chunk, and the state that the chunk found.
                Σ_{j≤t} γ^{t−j} (q_{ib+t}·k_{ib+j}) v_{ib+j} + γ^{t+1} q_{ib+t} R_{i−1}
                    \sum_{j \le t} \gamma^{t-j} (q_{ib+t} \cdot k_{ib+j})\, v_{ib+j} + \gamma^{t+1} q_{ib+t}
                    R_{i-1}
        """),
        {
            "the recurrent form gives the parallel one's outputs, for every γ ≠ 0": (
                identity("the power of γ of each pair, by induction on n, n and m symbols", simplified(step)),
                exact("the reference form on whole numbers, γ = 1/2 and 1/4, 12 tokens, bit by bit", [recurrent]),
            ),
            "so does the chunkwise form, with any chunk b": (
                identity("the chunk's four powers, i, b, t, j and m symbols", simplified(chunk)),
                chunks,
                exact("the reference form on the same, chunks of 1 … 12, bit by bit", outputs),
            ),
            "where b divides n, the last state is the same": (
                identity("powers from a chunk's start and from its tokens to its end", simplified(chunk[2:])),
                exact("of the reference forms on the same, bit by bit", states),
            ),
            "where b does not divide n, outputs are the same with zeros at the end": (chunks, *_modules()),
            "and the last state is γ^z times the other, for z zeros": (
                identity("powers of the last chunk's tokens, and of those before it", simplified(filled)),
                exact("of the reference forms, 12 tokens in chunks of 5, 7, 8 and 9, bit by bit", _filled(faded)),
            ),
        },
    )


def _four_tokens(e: Exponents, decay: Callable[[Any], Any]) -> list[Any]:
    """Recurrent and chunkwise less parallel, for one head of two channels and values of one."""
    gamma, n = sympy.Symbol("gamma", positive=True), 4
    q, k, v = letters("q", n, 2), letters("k", n, 2), letters("v", n)
    parallel = [sum(gamma ** (i - j) * (q[i] @ k[j]) * v[j] for j in range(i + 1)) for i in range(n)]
    nothing = numpy.zeros(2, dtype=object)
    differences, state = [], nothing
    for i in range(n):
        state = decay(gamma) * state + k[i] * v[i]
        differences.append(q[i] @ state - parallel[i])
    for b in (1, 2, 3, 4):
        found = nothing
        for first in range(0, n, b):
            tokens = range(first, min(first + b, n))
            for i in tokens:
                t = i - first
                inner = sum(gamma ** e.inner(t, j - first) * (q[i] @ k[j]) * v[j] for j in range(first, i + 1))
                differences.append(inner + gamma ** e.cross(t) * (q[i] @ found) - parallel[i])
            found = gamma ** e.state(b) * found + sum(
                gamma ** e.to_end(b, j - first) * k[j] * v[j] for j in tokens
            )
    return differences


def _reference_forms(decay: Callable[[Any], Any]) -> tuple[bool, list[bool], list[bool]]:
    """Whether outputs of the recurrent form, and of each chunk outputs and last state, are the same."""
    from ..reference import retention

    gamma = torch.tensor([0.5, 0.25], dtype=torch.float64)
    q, k, v = numbers(1, 2, 12, 4, seed=1), numbers(1, 2, 12, 4, seed=2), numbers(1, 2, 12, 8, seed=3)
    parallel = retention.parallel(q, k, v, gamma)
    outputs, state = retention.recurrent(q, k, v, decay(gamma))
    runs = [retention.chunkwise(q, k, v, gamma, chunk) for chunk in (1, 2, 3, 4, 6, 12)]
    return (
        torch.equal(outputs, parallel),
        [torch.equal(chunked, parallel) for chunked, _ in runs],
        [torch.equal(last, state) for _, last in runs],
    )


def _filled(faded: Callable[[int], int]) -> list[bool]:
    """Last states of chunks that zeros fill, over those of the recurrent form."""
    import torch

    from ..reference import retention

    gamma = torch.tensor([0.5, 0.25], dtype=torch.float64)
    q, k, v = numbers(1, 2, 12, 4, seed=1), numbers(1, 2, 12, 4, seed=2), numbers(1, 2, 12, 8, seed=3)
    _, state = retention.recurrent(q, k, v, gamma)
    held = []
    for chunk in (5, 7, 8, 9):
        z = -12 % chunk
        filled = [torch.nn.functional.pad(x, (0, 0, 0, z)) for x in (q, k, v)]
        _, last = retention.chunkwise(filled[0], filled[1], filled[2], gamma, chunk)
        held.append(torch.equal(last, gamma[:, None, None] ** faded(z) * state))
    return held


def _modules() -> list[Evidence]:
    """The whole layer in its three forms, with norm and gate, at lengths that the chunk divides and not."""
    from ..reference.retention import Retention

    worst = 0.0
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        module, cases = Retention(8, 2, chunk=3).double(), 0
        for n in (1, 2, 3, 7, 12, 50):
            x = torch.randn(2, n, 8, dtype=torch.float64)
            module.form = "parallel"
            expected = module(x)
            for form in ("recurrent", "chunkwise"):
                module.form = form
                worst, cases = max(worst, relative_error(module(x), expected)), cases + 1
    return [close("the reference layer, 1 to 50 tokens in chunks of 3, float64", worst, 1e-9, cases)]


# -- state and cache --------------------------------------------------------------------------------


@statement(
    "state_or_cache",
    "A state of one size, a cache that grows",
    "A layer of retention with a heads over C channels, values 2C wide, carries 2C²/a numbers from token to "
    "token, at any length; attention of the same width keeps 2nC numbers of keys and values of n tokens: more "
    "exactly where n > C/a",
    f"{PAPER}, §1: O(1) inference",
)
def state_or_cache(
    state: Callable[..., Any] = lambda C, a: 2 * C**2 / a,
    cache: Callable[..., Any] = lambda n, C: 2 * n * C,
    crossing: Callable[..., Any] = lambda C, a: C / a,
) -> Demonstration:
    """Numbers that the reference modules carry, and where the two forms cross."""
    from ..reference import retention
    from ..reference.attention import SelfAttention, split_heads

    n, *on_symbols = symbols("n C a")
    C, _ = on_symbols
    carried, kept = [], []
    for width, heads, tokens in ((8, 2, 5), (12, 3, 7), (6, 1, 1), (16, 16, 2)):
        q = torch.zeros(1, heads, tokens, width // heads)
        v = torch.zeros(1, heads, tokens, 2 * width // heads)
        _, last = retention.recurrent(q, q, v, retention.decays(heads))
        carried.append(last.numel() == state(width, heads))
        _, keys, values = SelfAttention(width, heads).qkv(torch.zeros(1, tokens, width)).chunk(3, dim=-1)
        kept.append(sum(split_heads(one, heads).numel() for one in (keys, values)) == cache(tokens, width))
    n_, C_, a_ = sympy.symbols("n C a", positive=True)
    more = sympy.Symbol("m", real=True)
    gap = cache(n_, C_) - state(C_, a_)
    return Demonstration(
        derivation(r"""
            A head's state is C/a × 2C/a, and there are a of them.
                a · C/a · 2C/a = 2C²/a
                    a \cdot \frac{C}{a} \cdot \frac{2C}{a} = \frac{2C^2}{a}
            Keys and values of n tokens.
                2nC − 2C²/a = 2C(n − C/a)
                    2nC - \frac{2C^2}{a} = 2C\Bigl(n - \frac{C}{a}\Bigr)
        """),
        {
            "retention carries 2C²/a numbers from token to token, at any length, of values 2C wide": (
                identity(
                    "the layer on symbols", [(as_polynomial(state_elements(*on_symbols)), state(*on_symbols))]
                ),
                exact("numbers in the last state of the reference recurrent form", carried),
            ),
            "attention keeps 2nC numbers of keys and values": (
                identity(
                    "what a linear layer of two outputs of C channels makes of n tokens, on symbols",
                    [(linear("keys and values", n, C, 2 * C).macs / C, cache(n, C))],
                ),
                exact("numbers in the keys and values of the reference attention", kept),
            ),
            "that is more exactly where n > C/a": (
                identity(
                    "the forms are equal at n = C/a, and m tokens further apart by 2Cm, m of either sign",
                    [gap.subs(n_, crossing(C_, a_)), gap.subs(n_, crossing(C_, a_) + more) - 2 * C_ * more],
                ),
            ),
        },
    )
