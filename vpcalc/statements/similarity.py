"""Why Q Kᵀ: dot products as similarities, their softmax as a distribution, and what attention does not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..report import Column, Table
from .evidence import close, each, exact, far, identity, known, letters, not_identity, relative_error
from .libraries import numpy, sympy, torch
from .registry import Demonstration, derivation, statement

PAPER = "Vaswani et al. 2017"


# -- dot products -----------------------------------------------------------------------------------


@statement(
    "dot_product_cosine",
    "A dot product is length × length × cosine",
    "q·k = ‖q‖ ‖k‖ cos ∠(q, k) for q, k ≠ 0, in any dimension",
    "Euclid, Elements II.12-13 (law of cosines)",
)
def dot_product_cosine(
    product: Callable[[Any, Any, Any], Any] = lambda q, k, cosine: q * k * cosine,
) -> Demonstration:
    """In the plane by the addition theorem; in any dimension by the law of cosines; on samples."""
    r, s, a, b = sympy.symbols("r s alpha beta", positive=True)
    q, k = (r * sympy.cos(a), r * sympy.sin(a)), (s * sympy.cos(b), s * sympy.sin(b))
    plane = q[0] * k[0] + q[1] * k[1] - product(r, s, sympy.cos(a - b).expand(trig=True))
    i, d = sympy.symbols("i d", integer=True, positive=True)
    x, y = (sympy.IndexedBase(name, real=True)[i] for name in "qk")
    dot = sympy.Sum(x * y, (i, 1, d))
    # sums run over i alike, so that an identity of their terms is one of them, at any d
    apart, terms = sympy.Symbol("D", positive=True), (x - y) ** 2 - (x**2 + y**2 - 2 * x * y)
    # the law of cosines: ‖q − k‖² = ‖q‖² + ‖k‖² − 2‖q‖‖k‖ cos defines the angle
    cosine = (r**2 + s**2 - apart) / (2 * r * s)
    cosines = [terms, (product(r, s, cosine).subs(apart, r**2 + s**2 - 2 * dot), dot)]
    draw = torch.Generator().manual_seed(0)
    one, two = (torch.randn(1000, 64, generator=draw, dtype=torch.float64) for _ in range(2))
    angles = torch.atan2(
        # the angle without its cosine: twice the arc tangent of half chords (Kahan)
        (two.norm(dim=1)[:, None] * one - one.norm(dim=1)[:, None] * two).norm(dim=1),
        (two.norm(dim=1)[:, None] * one + one.norm(dim=1)[:, None] * two).norm(dim=1),
    )
    measured = product(one.norm(dim=1), two.norm(dim=1), (2 * angles).cos())
    return Demonstration(
        derivation(r"""
            In the plane of q and k, with polar angles α and β.
                q·k = ‖q‖‖k‖(cos α cos β + sin α sin β) = ‖q‖‖k‖ cos(α − β)
                    q \cdot k = \lVert q \rVert \lVert k \rVert (\cos\alpha\cos\beta + \sin\alpha\sin\beta) =
                    \lVert q \rVert \lVert k \rVert \cos(\alpha - \beta)
            In any dimension, by the law of cosines.
                2 q·k = ‖q‖² + ‖k‖² − ‖q − k‖² = 2‖q‖‖k‖ cos ∠(q, k)
                    2\, q \cdot k = \lVert q \rVert^2 + \lVert k \rVert^2 - \lVert q - k \rVert^2 = 2 \lVert q
                    \rVert \lVert k \rVert \cos\angle(q, k)
            So QKᵀ holds every query's similarity to every key, weighted by their lengths.
                (QKᵀ)_ij = ‖q_i‖ ‖k_j‖ cos ∠(q_i, k_j)
                    (QK^{\top})_{ij} = \lVert q_i \rVert \lVert k_j \rVert \cos\angle(q_i, k_j)
        """),
        {
            "q·k = ‖q‖ ‖k‖ cos ∠(q, k) for q, k ≠ 0, in any dimension": (
                identity("from the law of cosines, term by term, d a symbol", cosines),
                identity("in the plane, for all lengths and angles", [plane]),
                close(
                    "1,000 pairs of 64 channels, float64, angles from chords",
                    relative_error(measured, (one * two).sum(1)),
                    1e-12,
                    1000,
                ),
            )
        },
    )


@statement(
    "softmax_distribution",
    "Similarities as a distribution",
    "softmax turns scores into positive weights that add up to 1, in the order of the scores, and ignores what "
    "all scores "
    "share",
    f"{PAPER}, eq. 1",
)
def softmax_distribution(
    weight: Callable[[Any], Any] | None = None, ratio: Callable[[Any], Any] | None = None, total: int = 1
) -> Demonstration:
    """For any number of scores, all but two of them as one; and in the reference attention.

    The weights of all others add up to a positive number, which is the weight of one score, the logarithm of it;
    where each of them moves by c, so does that.
    """
    from ..reference.attention import attend

    exponential = sympy.exp if weight is None else weight
    claimed_ratio = sympy.exp if ratio is None else ratio
    s, c = letters("s", 3), sympy.Symbol("c", real=True)  # the third stands for all others

    def softmax(scores: Any) -> Any:
        positive = each(exponential, scores)
        return positive / positive.sum()

    p = softmax(s)
    draw = torch.Generator().manual_seed(1)
    q, k = (torch.randn(2, 3, 9, 4, generator=draw, dtype=torch.float64) for _ in range(2))
    # values that are the unit vectors: what comes out are the weights themselves
    weights = attend(q, k, torch.eye(9, dtype=torch.float64).expand(2, 3, 9, 9))
    order = (q @ k.transpose(-2, -1)).argsort(-1)
    return Demonstration(
        derivation(r"""
            Positive, and one in sum.
                p_i = exp(s_i)/Σ_l exp(s_l) > 0, Σ_i p_i = 1
                    p_i = \frac{e^{s_i}}{\sum_l e^{s_l}} > 0, \quad \sum_i p_i = 1
            Ratios depend on differences of scores, so that order is kept.
                p_i/p_j = exp(s_i − s_j)
                    \frac{p_i}{p_j} = e^{s_i - s_j}
            A number added to all scores cancels.
                softmax(s + c) = softmax(s)
                    \operatorname{softmax}(s + c) = \operatorname{softmax}(s)
        """),
        {
            "softmax turns scores into positive weights": (
                known("exp of a real score is positive", [(exponential(s[0]), "positive")]),
                exact("weights of the reference attention", [bool((weights > 0).all())]),
            ),
            "they add up to 1": (
                identity("Σ p_i = 1", [sympy.simplify(p.sum() - total)]),
                close("of the reference attention, float64", float((weights.sum(-1) - 1).abs().max()), 1e-14, 54),
            ),
            "they are in the order of the scores": (
                identity(
                    "p_i/p_j = exp(s_i − s_j), more than 1 where s_i > s_j",
                    [sympy.simplify(p[i] / p[j] - claimed_ratio(s[i] - s[j])) for i in range(2) for j in range(2)],
                ),
                exact("so they are in the reference attention", [bool((weights.argsort(-1) == order).all())]),
            ),
            "what all scores share is ignored": (
                identity("softmax(s + c) = softmax(s)", [sympy.simplify(entry) for entry in softmax(s + c) - p]),
            ),
        },
    )


# -- order ------------------------------------------------------------------------------------------


@statement(
    "permutation_equivariance",
    "Attention does not see order",
    "Without a mask and without positions, permuted tokens give permuted outputs, attention(PX) = P attention(X): "
    "a¹a²a³a⁴ gives each token what a²a⁴a¹a³ gives it",
    f"{PAPER}, §3.5: 'our model contains no recurrence and no convolution'",
)
def permutation_equivariance(mask: Callable[[int, int], bool] = lambda i, j: True) -> Demonstration:
    """Two symbolic tokens among any number change places, and the order of the claim; the reference module.

    ``mask`` says which tokens a token sees: all of them, as the claim is.
    """
    module, x = _module_and_tokens(torch.float64)
    n = x.shape[1]
    bias = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            bias[i, j] = 0.0 if mask(i, j) else float("-inf")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        error = relative_error(module(x[:, order], bias), module(x, bias)[:, order])
        four = torch.tensor([1, 3, 0, 2])
        slide = relative_error(module(x[:, four], bias[:4, :4]), module(x[:, :4], bias[:4, :4])[:, four])
    return Demonstration(
        derivation(r"""
            Permuted tokens.
                X → PX: Q → PQ, K → PK, V → PV
                    X \to PX: \; Q \to PQ,\; K \to PK,\; V \to PV
            Scores are permuted in rows and columns; the softmax works on rows, so it commutes with both.
                softmax(PQKᵀPᵀ) = P softmax(QKᵀ) Pᵀ
                    \operatorname{softmax}(PQK^{\top}P^{\top}) = P \operatorname{softmax}(QK^{\top})\, P^{\top}
            A permutation matrix is orthogonal.
                P softmax(QKᵀ) PᵀP V = P softmax(QKᵀ) V
                    P \operatorname{softmax}(QK^{\top})\, P^{\top} P V = P \operatorname{softmax}(QK^{\top}) V
        """),
        {
            "permuted tokens give permuted outputs, attention(PX) = P attention(X)": (
                identity(
                    "two tokens among any number change places, whatever functions stand for weights and values: "
                    "so any order does, by such changes",
                    _two_change_places(mask),
                ),
                close(f"reference self-attention, {n} tokens in another order, float64", error, 1e-13),
            ),
            "a¹a²a³a⁴ gives each token what a²a⁴a¹a³ gives it": (
                identity("in this order, whatever function stands for exp", _reordered((1, 3, 0, 2), mask)),
                close("the same in the reference self-attention, float64", slide, 1e-13),
            ),
        },
    )


def _two_change_places(mask: Callable[[int, int], bool]) -> list[Any]:
    """Outputs of two tokens and of a third, with their places changed, less what they were: to be all zero.

    What other tokens add to the sums of a row depends on its query alone, as they stay where they are.
    """
    weight, value, top, bottom = (sympy.Function(name) for name in ("E", "v", "N", "Z"))

    def outputs(tokens: Sequence[Any]) -> list[Any]:
        found = []
        for i, query in enumerate(tokens):
            seen = [key for j, key in enumerate(tokens) if mask(i, j)]
            made = sympy.Add(top(query), *(weight(query, key) * value(key) for key in seen))
            found.append(made / sympy.Add(bottom(query), *(weight(query, key) for key in seen)))
        return found

    a, b, c = sympy.symbols("a b c", real=True)
    before, after = outputs((a, b, c)), outputs((b, a, c))
    return [after[0] - before[1], after[1] - before[0], after[2] - before[2]]


def symbolic_attention(
    x: Any,
    mask: Callable[[int, int], bool],
    bias: Callable[[int, int], Any] = lambda i, j: 0,
    exponential: Any = None,
) -> Any:
    """softmax(qkᵀ)v of tokens with one channel, with exp or with another function in its place."""
    exponential = exponential or sympy.exp
    w_q, w_k, w_v = sympy.symbols("w_q w_k w_v")
    outputs = []
    for i in range(len(x)):
        seen = [j for j in range(len(x)) if mask(i, j)]
        weights = [exponential(w_q * x[i] * w_k * x[j] + bias(i, j)) for j in seen]
        outputs.append(
            sympy.Add(*(p * w_v * x[j] for p, j in zip(weights, seen, strict=True))) / sympy.Add(*weights)
        )
    return numpy.array(outputs, dtype=object)


def _reordered(order: tuple[int, ...], mask: Callable[[int, int], bool]) -> list[Any]:
    """Outputs of tokens in another order, less the outputs in that order, for any function in the place of exp."""

    x, places, any_function = letters("a", len(order)), list(order), sympy.Function("E")
    moved = symbolic_attention(x[places], mask, exponential=any_function)
    return list(moved - symbolic_attention(x, mask, exponential=any_function)[places])


@statement(
    "order_comes_back",
    "What makes order visible",
    "A causal mask, sinusoids added to the tokens, or a relative position bias: with each there are tokens, "
    "weights and an order of them that give other outputs. Not every order does: biases of the distance alone do "
    "not tell a sequence from its reverse, nor the last token under a causal mask, through one layer, the order "
    "of those before it",
    f"{PAPER}, §3.2.3 and §3.5; relative bias: Liu et al. 2021 (Swin), eq. 4",
)
def order_comes_back(
    at_least: float = 0.01,
    bias: Callable[[Any], Any] = abs,
    mask: Callable[[int, int], bool] = lambda i, j: j <= i,
) -> Demonstration:
    """On two and three symbolic tokens, and the distance between outputs on reference modules."""
    from ..reference.transformer import CausalAttention, sinusoids
    from ..reference.windows import WindowAttention

    module, x = _module_and_tokens(torch.float64)
    n, C = x.shape[1:]
    order = torch.randperm(n, generator=torch.Generator().manual_seed(3))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(7)
        causal = CausalAttention(C, 2, C // 2, C // 2).double()
        square = WindowAttention(3, 3, C, 2, 3).double()
        square.bias_table.normal_()
        positions = sinusoids(n, C, x.device).double()
        grid = x[:, :9].reshape(1, 3, 3, C)
        turned = order[order < 9]
        moved = x[:, turned].reshape(1, 3, 3, C)
        measured = {
            "nothing": relative_error(module(x[:, order]), module(x)[:, order]),
            "causal mask": relative_error(causal(x[:, order]), causal(x)[:, order]),
            "sinusoids": relative_error(module(x[:, order] + positions), module(x + positions)[:, order]),
            "relative position bias": relative_error(
                square(moved).reshape(9, C), square(grid).reshape(9, C)[turned]
            ),
        }
    rows = tuple((name, f"{value:.2e}") for name, value in measured.items())
    columns = (Column("with", "With"), Column("distance", "‖f(PX) − P f(X)‖/‖P f(X)‖"))
    a = letters("a", 2)
    masked = symbolic_attention(a, mask)
    swapped = symbolic_attention(a[::-1], mask)[::-1]
    e = numpy.array([sympy.Integer(0), sympy.sin(1)], dtype=object)  # of the first channel, at positions 0 and 1
    t, three = letters("t", 3), letters("a", 3)

    def everyone(i: int, j: int) -> bool:
        return True

    def by_distance(i: int, j: int) -> Any:
        return t[abs(bias(i - j))]

    distant = symbolic_attention(three, everyone, by_distance)
    return Demonstration(
        derivation(r"""
            A mask is not permuted with the tokens: PMPᵀ ≠ M.
                softmax(PQKᵀPᵀ + M) ≠ P softmax(QKᵀ + M) Pᵀ
                    \operatorname{softmax}(PQK^{\top}P^{\top} + M) \neq P \operatorname{softmax}(QK^{\top} + M)\,
                    P^{\top}
            Nor are positions, which belong to places and not to tokens.
                PX + E ≠ P(X + E)
                    PX + E \neq P(X + E)
        """),
        {
            "with a causal mask another order gives other outputs": (
                not_identity(
                    "causal attention of two tokens differs from that of the same two in the other order",
                    masked[0] - swapped[0],
                ),
                far("a causal layer, float64", measured["causal mask"], at_least),
            ),
            "so it does with sinusoids added to the tokens": (
                not_identity(
                    "attention of two tokens with the first channel of positions 0 and 1",
                    symbolic_attention(a + e, everyone)[0] - symbolic_attention(a[::-1] + e, everyone)[1],
                ),
                far("self-attention on tokens with sinusoids, float64", measured["sinusoids"], at_least),
            ),
            "and with a relative position bias": (
                not_identity(
                    "attention of three tokens with biases by distance, of which two change places",
                    distant[0] - symbolic_attention(three[[0, 2, 1]], everyone, by_distance)[0],
                ),
                far("a window, float64", measured["relative position bias"], at_least),
            ),
            "biases of the distance alone do not tell a sequence from its reverse": (
                identity("distances of n places, counted from the other end", [_from_the_other_end(bias)]),
                identity(
                    "attention of three tokens, reversed and put back",
                    list(symbolic_attention(three[::-1], everyone, by_distance)[::-1] - distant),
                    instances="three tokens",
                ),
            ),
            "nor the last token under a causal mask, through one layer, the order of those before it": (
                identity("two of them change places, among any number", [_last_of_a_causal_layer(mask)]),
            ),
        },
        (close("without any of them, float64", measured["nothing"], 1e-13),),
        tables=(Table("Tokens in another order, on reference modules", columns, rows),),
    )


def _from_the_other_end(bias: Callable[[Any], Any]) -> tuple[Any, Any]:
    """What a bias is a function of, of places n − 1 − i and n − 1 − j, and of i and j."""

    n, i, j = sympy.symbols("n i j", integer=True)
    return bias(sympy.expand((n - 1 - i) - (n - 1 - j))), bias(i - j)


def _last_of_a_causal_layer(mask: Callable[[int, int], bool]) -> tuple[Any, Any]:
    """What the last of three tokens gets when the two before it change places; what others add is a letter."""

    weight, value = sympy.Function("E"), sympy.Function("v")
    a, b, last, above, below = sympy.symbols("a b c N Z", real=True)

    def output(*tokens: Any) -> Any:
        seen = [key for j, key in enumerate(tokens) if mask(2, j)]
        made = above + sum(weight(last, key) * value(key) for key in seen)
        return made / (below + sum(weight(last, key) for key in seen))

    return output(a, b, last), output(b, a, last)


def _module_and_tokens(dtype: Any) -> tuple[Any, Any]:
    from ..reference.attention import SelfAttention

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return SelfAttention(8, 2).to(dtype), torch.randn(1, 10, 8, dtype=dtype)
