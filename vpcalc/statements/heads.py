"""What a head can and cannot do, what attention computes whatever it attends to, and whom a long key beats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..algebra.parser import parse
from ..algebra.polynomial import as_polynomial
from ..checks.proof import counted
from ..cost import Quantity
from ..symbolic import layer_on_symbols
from .evidence import exact, identity, known, letters, not_identity
from .feedforward import dyads, minors
from .libraries import sympy, torch
from .registry import Demonstration, Evidence, derivation, statement
from .whole_numbers import SHARP, numbers, sharpened, whole

PAPER = "Vaswani et al. 2017"


# -- one head or several ----------------------------------------------------------------------------


@statement(
    "head_rank",
    "What a head is restricted to",
    "With a heads over C channels, a head's scores QKᵀ of n tokens have rank at most min(n, C/a). What one head "
    "lacks is a second distribution: its weights are the same for all channels of V, so that it cannot hand on "
    "one half of one token beside the other half of another, nor come near to it, where the halves of all tokens "
    "are affinely independent; two heads come as near as one likes. Products and parameters are the same for "
    "every a that divides C; scores are an²",
    f"{PAPER}, §3.2.2: with a single head, 'averaging inhibits this'",
)
def head_rank(
    rank: Callable[[int], int] = lambda d: d,
    cost: Mapping[Quantity, str] = {
        Quantity.MACS: "4hwC² + 2(hw)²C",
        Quantity.PARAMS: "4C² + 4C",
        Quantity.ATTENTION: "a(hw)²",
    },
    only: tuple[int, int, int] = (1, 0, 0),
    heads: int = 2,
) -> Demonstration:
    """Minors of symbolic scores; the only weights that keep one part; the layer on symbols; the reference "
    "module."""
    beyond, reached = [], []
    for d in (1, 2):
        scores = sympy.Matrix((letters("q", 3, d) @ letters("k", 3, d).T).tolist())
        beyond += minors(scores, rank(d) + 1)
        reached.append(
            not_identity(f"heads of {d} of 3 channels reach rank {rank(d)}", minors(scores, rank(d))[0])
        )
    x, y = letters("x", 2), letters("y", 2)
    layer = layer_on_symbols("msa")
    return Demonstration(
        derivation(r"""
            A product of n × d and d × n.
                rank QKᵀ ≤ min(n, d), d = C/a
                    \operatorname{rank} QK^{\top} \le \min(n, d), \quad d = C/a
            The softmax works entry by entry before it divides: what it makes of a matrix of rank 1 can have more.
                det (exp(x_i y_j)) ≠ 0
                    \det \bigl(e^{x_i y_j}\bigr) \neq 0
            One distribution p for values (u_j, w_j), the u_j in general position: p is settled by one half.
                Σ_j p_j u_j = u_1, Σ_j p_j = 1 ⟹ p = (1, 0, 0) ⟹ Σ_j p_j w_j = w_1 ≠ w_2
                    \sum_j p_j u_j = u_1,\; \sum_j p_j = 1 \implies p = (1, 0, 0) \implies \sum_j p_j w_j = w_1
                    \neq w_2
            Heads of C/a channels, a of them.
                a · n² · C/a = n²C
                    a \cdot n^2 \cdot \frac{C}{a} = n^2 C
        """),
        {
            "a head's scores QKᵀ have rank at most min(n, C/a)": (
                identity("QKᵀ is a sum of as many dyads as a head has channels, for any n and d", [_dyads(rank)]),
                identity("minors of QKᵀ of order d + 1", beyond, instances="3 tokens, heads of 1 and 2 channels"),
                *reached,
            ),
            "one head cannot come near to one half of one token beside the other half of another": (
                *_one_distribution(only),
            ),
            "two heads come as near as one likes": (
                exact(f"{heads} heads of the reference module, in float64 bit by bit", [_two_parts(heads)]),
            ),
            "products and parameters are the same for every a, scores are an²": (
                identity(
                    "multiply-accumulates, parameters and scores of the layer on symbols",
                    [(as_polynomial(layer.total(quantity)), parse(form)) for quantity, form in cost.items()],
                ),
                exact("fvcore's counts for 1, 2, 3, 4, 6 and 12 heads", _counts(cost)),
            ),
        },
        (
            not_identity(
                "after the softmax the bound is gone: exp of scores of rank 1",
                sympy.exp(x[0] * y[0] + x[1] * y[1]) - sympy.exp(x[0] * y[1] + x[1] * y[0]),
                {x[0]: 1, x[1]: 2, y[0]: 1, y[1]: 2},
            ),
        ),
    )


def _dyads(rank: Callable[[int], int]) -> tuple[Any, Any]:
    n, d = sympy.symbols("n d", integer=True, positive=True)
    return dyads(sympy.MatrixSymbol("Q", n, d), sympy.MatrixSymbol("K", d, n), rank(d))


def _counts(cost: Mapping[Quantity, str]) -> list[bool]:
    from ..reference import LAYER_WITNESSES

    make = {a: partial(LAYER_WITNESSES["msa"], 3, 4, 12, a) for a in (1, 2, 3, 4, 6, 12)}
    sizes = {"h": 3, "w": 4, "C": 12}
    return [
        counted(one, quantity) == parse(cost[quantity]).value({**sizes, "a": a})
        for a, one in make.items()
        for quantity in (Quantity.MACS, Quantity.PARAMS)
    ]


def _one_distribution(only: tuple[int, int, int]) -> list[Evidence]:
    """The only weights of three tokens that keep the first half of token 1; what they make of the second half."""
    p, u, w = sympy.symbols("p_1:4"), letters("u", 3, 2), letters("w", 3)
    kept = [sum(p[j] * u[j, i] for j in range(3)) - u[0, i] for i in range(2)]
    (found,) = sympy.linsolve([*kept, sum(p) - 1], p)
    made = sum(weight * one for weight, one in zip(found, w, strict=True))
    tokens, width = sympy.symbols("m c", integer=True, positive=True)  # the tokens other than the first
    U, first = sympy.MatrixSymbol("U", width, tokens), sympy.MatrixSymbol("u", width, 1)
    others, ones = sympy.MatrixSymbol("p", tokens, 1), sympy.MatrixSymbol("o", 1, tokens)
    kept_of = U * others + first - first * (ones * others) - first  # its own weight is 1 less the others'
    return [
        identity(
            "weights that add up to 1 make u_1 + Σ p_j (u_j − u_1), of any number and width: as near to u_1 as "
            "the other p_j are to 0, but for a factor, as the differences are independent",
            [(kept_of, (U - first * ones) * others)],
        ),
        identity(
            f"weights that keep one half of token 1 are {', '.join(map(str, only))}",
            [weight - claimed for weight, claimed in zip(found, only, strict=True)],
            instances="three tokens, halves of two channels",
        ),
        not_identity("so its other half is that of token 1 and not of token 2", made - w[1]),
    ]


def _two_parts(heads: int) -> bool:
    """Whether attention of so many heads makes the first half of token 1 beside the second half of token 2."""
    from ..reference.attention import attend, merge_heads, split_heads

    values = numbers(1, 3, 4)
    wanted = torch.cat((values[:, 1, :2], values[:, 2, 2:]), dim=-1)
    keys = torch.eye(3, 4, dtype=torch.float64)[None]
    # a head's query is long and in the direction of the token that it is to pick
    picks = SHARP * torch.stack([torch.eye(4, dtype=torch.float64)[1 + head % 2] for head in range(heads)])
    query = picks.reshape(1, heads, 1, 4)
    made = attend(query, keys.expand(1, heads, 3, 4), split_heads(values, heads))
    return torch.equal(merge_heads(made)[:, 0], wanted)


# -- what is computed -------------------------------------------------------------------------------

SCORES: Mapping[str, str] = {"msa": "a(hw)²", "wmsa": "aM²hw", "sra": "a(hw)²/R²", "linear_sra": "aP²hw"}
"""Scores of a layer of the registry."""


@statement(
    "attention_computes_all",
    "Attention computes every score",
    "Self-attention computes all n² scores of each head and as many products with values, 2n²C in all, whatever "
    "weights come out: to concentrate on few tokens saves nothing, and but for rounding no weight of finite "
    "scores is 0. What saves is not to compute: where M and R divide the grid, windows have M²n scores a head "
    "and SRA n²/R², linear SRA P²n",
    f"{PAPER}, eq. 1; a lecture: 'concentrating attention on crucial information saves resources'",
)
def attention_computes_all(
    scores: Mapping[str, str] = SCORES, macs: str = "4hwC² + 2(hw)²C", weight: Callable[[Any], Any] | None = None
) -> Demonstration:
    """Layers on symbols; torch's own counter on a module that attends to one token, and to all alike."""
    from torch.utils.flop_counter import FlopCounterMode

    from ..reference.attention import SelfAttention

    forms = {id: as_polynomial(layer_on_symbols(id).total(Quantity.ATTENTION)) for id in scores}
    ran = []
    for sharp in (True, False):
        module = whole(SelfAttention(8, 2))
        if sharp:
            sharpened(module)
        else:
            with torch.no_grad():
                module.qkv.weight.zero_()
        with FlopCounterMode(display=False) as counter:
            module(numbers(1, 12, 8))
        ran.append(counter.get_total_flops() == 2 * parse(macs).value({"h": 3, "w": 4, "C": 8}))
    s, weight = sympy.Symbol("s", real=True), weight or sympy.exp
    return Demonstration(
        derivation(r"""
            A weight is known when its row's sum is: each needs all n scores.
                p_ij = exp(s_ij)/Σ_l exp(s_il)
                    p_{ij} = \frac{e^{s_{ij}}}{\sum_l e^{s_{il}}}
            Scores and products with values, of a heads of C/a channels.
                a·n²·C/a + a·n²·C/a = 2n²C
                    a \cdot n^2 \cdot \tfrac{C}{a} + a \cdot n^2 \cdot \tfrac{C}{a} = 2n^2C
        """),
        {
            "all n² scores of each head are computed, and 2n²C products, whatever weights come out": (
                identity(
                    "scores and multiply-accumulates of the layer on symbols, of which no weight is one",
                    [
                        (forms["msa"], parse(scores["msa"])),
                        (as_polynomial(layer_on_symbols("msa").total(Quantity.MACS)), parse(macs)),
                    ],
                ),
                exact(
                    "torch's counter, as the reference module runs: picking a token each, and weighing all alike",
                    ran,
                ),
            ),
            "no weight of finite scores is 0": (
                known("exp of a real score is positive", [(weight(s), "positive")]),
            ),
            "windows have M²n scores a head, SRA n²/R² and linear SRA P²n": (
                identity(
                    "scores of the layers on symbols",
                    [(forms[id], parse(form)) for id, form in scores.items() if id != "msa"],
                ),
            ),
        },
        correction="attending to few tokens saves nothing: all n² scores are computed first, and all n² "
        "products with values after; only layers that leave scores out (windows, SRA) save",
    )


# -- long keys --------------------------------------------------------------------------------------


@statement(
    "long_key_wins",
    "A long key beats a better aligned one",
    "Of q, k, k′ ≠ 0 key k gets more weight than k′ exactly where ‖k‖ cos ∠(q, k) > ‖k′‖ cos ∠(q, k′): the "
    "query's length does not decide, the keys' lengths do. For any ‖k‖ > ‖k′‖ > 0, in two dimensions or more, "
    "there are directions in which k is worse aligned and gets more weight. Scores are in the order of "
    "similarity, as cosines, where keys have one length",
    f"{PAPER}, eq. 1; a lecture: the dot product 'reflects similarity'",
)
def long_key_wins(
    score: Callable[[Any, Any, Any], Any] = lambda q, k, cosine: q * k * cosine,
    cosine: Callable[[Any, Any], Any] = lambda long, short: (short / long + 1) / 2,
) -> Demonstration:
    """Differences of scores on symbols; the reference attention with three pairs of keys."""
    from ..reference.attention import attend

    q, short, more = sympy.symbols("q s g", positive=True)
    a, b = sympy.symbols("alpha beta", real=True)
    long = short + more  # any longer length
    plane = [
        q * sympy.cos(t) * size * sympy.cos(t - angle)
        + q * sympy.sin(t) * size * sympy.sin(t - angle)
        - score(q, size, sympy.cos(angle))
        for t, size, angle in ((a, long, b), (b, short, a))
    ]
    lead = score(q, long, cosine(long, short)) - score(q, short, 1)
    won = []
    for length, other in ((2.0, 1.0), (1.5, 1.25), (10.0, 0.5)):
        c = cosine(length, other)
        keys = torch.tensor(
            [[other, 0.0], [length * c, length * (1 - min(c, 1.0) ** 2) ** 0.5]], dtype=torch.float64
        )
        for scale in (1.0, 0.1):
            query = torch.tensor([[scale, 0.0]], dtype=torch.float64)
            weights = attend(query[None, None], keys[None, None], torch.eye(2, dtype=torch.float64)[None, None])[
                0, 0, 0
            ]
            won.append(bool(c < 1 and weights[1] > weights[0]))
    return Demonstration(
        derivation(r"""
            Weights are in the order of scores, and a positive factor of all keeps it.
                q·k − q·k′ = ‖q‖(‖k‖ cos ∠(q, k) − ‖k′‖ cos ∠(q, k′))
                    q \cdot k - q \cdot k' = \lVert q \rVert \bigl(\lVert k \rVert \cos\angle(q, k) - \lVert k'
                    \rVert \cos\angle(q, k')\bigr)
            k′ in the direction of q, k at an angle whose cosine is half way between ‖k′‖/‖k‖ and 1.
                ‖k‖ · (‖k′‖/‖k‖ + 1)/2 = (‖k‖ + ‖k′‖)/2 > ‖k′‖
                    \lVert k \rVert \cdot \tfrac12 \Bigl(\frac{\lVert k' \rVert}{\lVert k \rVert} + 1\Bigr) =
                    \tfrac12 (\lVert k \rVert + \lVert k' \rVert) > \lVert k' \rVert
        """),
        {
            "key k gets more weight than k′ exactly where ‖k‖ cos is larger, whatever the query's length": (
                identity(
                    "q·k = ‖q‖‖k‖ cos, in the plane (dot_product_cosine: in any dimension)",
                    [sympy.simplify(one) for one in plane],
                ),
                identity(
                    "the difference of scores is that of ‖k‖ cos, times ‖q‖ > 0",
                    [score(q, long, a) - score(q, short, b) - q * (long * a - short * b)],
                ),
            ),
            "for any ‖k‖ > ‖k′‖ there are directions in which k is worse aligned and gets more weight": (
                identity("the longer key leads by ‖q‖ times half of what it is longer", [lead - q * more / 2]),
                identity(
                    "and is worse aligned by half of that over its length",
                    [1 - cosine(long, short) - more / (2 * long)],
                ),
                exact(
                    "in the reference attention the worse aligned key gets more weight, of three pairs and two "
                    "queries",
                    won,
                ),
            ),
            "of keys of one length, scores are in the order of the cosines": (
                identity(
                    "the difference of scores is that of the cosines, times a positive number",
                    [score(q, short, a) - score(q, short, b) - q * short * (a - b)],
                ),
            ),
        },
        correction="a dot product is in the order of similarity for keys of one length only: a longer key gets "
        "more weight than a better aligned one wherever ‖k‖ cos is larger",
    )
