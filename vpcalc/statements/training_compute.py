"""What a transformer takes to train, beside six operations for each weight and token."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from ..algebra.polynomial import Polynomial, as_polynomial, symbols
from ..cost import Cost, Op, Quantity
from ..layers import LAYERS
from ..ops import matmul
from ..report import Column, Kind, Table
from .evidence import exact, identity
from .libraries import sympy, torch
from .registry import Demonstration, derivation, statement

b, n, d, a, L, V = symbols("b n d a L V")

PUBLISHED = {
    "GPT-2, the smallest (Radford et al. 2019)": (12, 768, 1024, 50257),
    "GPT-2, the largest (Radford et al. 2019)": (48, 1600, 1024, 50257),
    "GPT-3, the largest (Brown et al. 2020)": (96, 12288, 2048, 50257),
}
"""Blocks, width, tokens of a sequence and words, as they are published."""


@statement(
    "compute_share",
    "What 6ND leaves out",
    "A transformer of L blocks of width d, with hidden layers of 4d, has N = 12Ld² weights in the matrices of its "
    "blocks. Training takes three times the products of the forward pass: of D tokens in sequences of n, with a "
    "projection to V words and two operations for each multiply-accumulate, C = 6ND(1 + n/(6d) + V/(12Ld)) where "
    "all n² scores are computed, and C = 6ND(1 + (n + 1)/(12d) + V/(12Ld)) where those of later tokens are left "
    "out",
    "Kaplan et al. 2020, §2.1: C ≈ 6ND",
)
def compute_share(
    weights: Callable[..., Any] = lambda L, d: 12 * L * d**2,
    passes: int = 3,
    share: Callable[..., Any] = lambda n, d, L, V: 1 + n / (6 * d) + V / (12 * L * d),
    causal: Callable[..., Any] = lambda n, d, L, V: 1 + (n + 1) / (12 * d) + V / (12 * L * d),
) -> Demonstration:
    """The layers on symbols, with both gradients of each of their products; torch's counter on the module."""
    block, head = _block(), LAYERS["vocabulary"].build(n, d, V, batch=b)
    trained = 2 * (L * _added(map(_trained, _ops(block))) + _added(map(_trained, _ops(head))))
    meeting = 2 * L * _added(_trained(op) for op in _ops(block) if op.kind == "matmul")
    six = 6 * weights(L, d) * b * n
    meet = six * (causal(n, d, L, V) - 1 - V / (12 * L * d))
    ran = _ran()
    columns = (
        Column("model", "Model"),
        Column("L", "L", Kind.NUMBER),
        Column("d", "d", Kind.NUMBER),
        Column("n", "n", Kind.NUMBER),
        Column("V", "V", Kind.NUMBER),
        Column("full", "C/(6ND)"),
        Column("causal", "Causal half"),
    )
    rows = tuple((name, *sizes, *_shares(*sizes, of=(share, causal))) for name, sizes in PUBLISHED.items())
    return Demonstration(
        derivation(r"""
            Queries, keys, values and their projection, and two layers between d and 4d channels: each weight meets
            each token once.
                N = L(4d² + 2·d·4d) = 12Ld²
                    N = L (4d^2 + 2 \cdot d \cdot 4d) = 12Ld^2
            Scores and products with values, per token; the projection to words.
                2dn in each block; Vd
                    2dn \text{ in each block}; \quad Vd
            Y = XW has two gradients, products of the same three sizes: each is as many multiply-accumulates again.
                ∂X = ∂Y Wᵀ, ∂W = Xᵀ ∂Y: 3 · 2 = 6 operations for each weight and token
                    \partial X = \partial Y\, W^{\top}, \quad \partial W = X^{\top} \partial Y: \quad 3 \cdot 2 = 6
            Together, for D tokens.
                C = 6D(12Ld² + 2Lnd + Vd) = 6ND(1 + n/(6d) + V/(12Ld))
                    C = 6D \bigl(12Ld^2 + 2Lnd + Vd\bigr) = 6ND \Bigl(1 + \frac{n}{6d} + \frac{V}{12Ld}\Bigr)
            Token i of a causal model meets i tokens.
                Σ_{i=1..n} 2id = n(n + 1)d: (n + 1)d per token in place of 2dn
                    \sum_{i=1}^{n} 2id = n(n + 1)d
        """),
        {
            "with hidden layers of 4d the matrices of its blocks have N = 12Ld² weights": (
                identity(
                    "parameters of attention and of the feed-forward without biases and norms, on symbols",
                    [(as_polynomial(L * block.total(Quantity.PARAMS)), weights(L, d))],
                ),
            ),
            "training takes three times the products of the forward pass": (
                identity(
                    "each product with the two that give its operands' gradients",
                    [(_trained(op), passes * as_polynomial(op.macs)) for op in (*_ops(block), *_ops(head))],
                ),
                exact(
                    "torch's counter on the reference decoder, forward and backward, over forward alone",
                    [both == passes * forward for _, forward, both in ran],
                ),
            ),
            "C = 6ND(1 + n/(6d) + V/(12Ld)), two operations for each multiply-accumulate": (
                identity(
                    "the layers on symbols, D = bn tokens",
                    [(trained, six * share(n, d, L, V))],
                ),
                exact(
                    "torch's counter on the reference decoder, forward and backward",
                    [both == (six * share(n, d, L, V)).value(sizes) for sizes, _, both in ran],
                ),
            ),
            "where scores of later tokens are left out, C = 6ND(1 + (n + 1)/(12d) + V/(12Ld))": (
                identity(
                    "the same with a product for token i alone, which meets i tokens, added up over i",
                    [(_causal(trained - meeting), (six * causal(n, d, L, V)).to_sympy())],
                ),
                exact(
                    "torch's counter where each query meets keys and values up to its own, forward and backward",
                    [
                        _ran_causally(size, 4) == meet.value({"n": size, "d": 4, "b": 1, "L": 1})
                        for size in (1, 2, 5, 12)
                    ],
                ),
            ),
        },
        tables=(Table("Operations of training over 6ND", columns, rows),),
    )


def _block() -> Cost:
    """One block's products, without biases."""
    attention = LAYERS["mha"].build(n, n, d, a, d / a, d / a, batch=b)
    return attention + LAYERS["ffn_tokens"].build(n, d, 4 * d, batch=b, bias=False)


def _ops(cost: Cost) -> list[Op]:
    return [op for op, _ in cost.walk() if op.macs]


def _added(forms: Iterable[Polynomial]) -> Polynomial:
    return sum(forms, as_polynomial(0))


def _trained(op: Op) -> Polynomial:
    """Multiply-accumulates of a product and of the two that give its operands' gradients."""
    (*batch, rows, inner), (*_, cols) = op.shapes
    (count,) = batch or (1,)
    products = ((rows, inner, cols), (rows, cols, inner), (inner, rows, cols))
    return _added(as_polynomial(matmul(op.label, count, *sides).macs) for sides in products)


def _causal(rest: Polynomial) -> Any:
    """What is linear in the tokens, and for each token i scores and products with i values, trained."""
    i = symbols("i")[0]
    one = (matmul("QKᵀ", b * a, 1, d / a, i), matmul("AV", b * a, 1, i, d / a))
    each = 2 * L * _added(map(_trained, one))
    i_, n_ = (letter.to_sympy() for letter in (i, n))
    return rest.to_sympy() + sympy.summation(each.to_sympy(), (i_, 1, n_))


def _ran() -> list[tuple[dict[str, int], int, int]]:
    """Operations that torch counts in the reference decoder: forward, and with backward."""
    from torch.utils.flop_counter import FlopCounterMode

    from ..reference.transformer import Transformer, token_ids

    found = []
    for sizes in ((1, 3, 4, 1, 1, 5), (2, 7, 8, 2, 3, 11), (3, 12, 6, 3, 2, 2)):
        at = dict(zip("bndaLV", sizes, strict=True))
        width = at["d"] // at["a"]
        lengths = (at["n"], at["n"])
        options = {"positions": "sinusoidal", "shared": False, "part": "decoder", "head": True}
        module = Transformer(*lengths, at["L"], at["d"], 4 * at["d"], at["a"], width, width, at["V"], **options)  # type: ignore[arg-type]
        with FlopCounterMode(display=False) as counter:
            scores = module(*token_ids(lengths, "decoder", at["b"]))
            forward = counter.get_total_flops()
            torch.autograd.grad(scores.sum(), list(module.parameters()))
        found.append((at, forward, counter.get_total_flops()))
    return found


def _ran_causally(n: int, d: int) -> int:
    """Operations that torch counts where each token's query meets keys and values up to its own, with backward."""
    from torch.utils.flop_counter import FlopCounterMode

    q, k, v = (torch.ones(n, d, requires_grad=True) for _ in range(3))
    with FlopCounterMode(display=False) as counter:
        rows = [(q[i : i + 1] @ k[: i + 1].T).softmax(-1) @ v[: i + 1] for i in range(n)]
        torch.autograd.grad(torch.cat(rows).sum(), (q, k, v))
    return int(counter.get_total_flops())


def _shares(*sizes: int, of: Iterable[Callable[..., Any]]) -> list[str]:
    """C/(6ND) at the sizes of a model."""
    blocks, width, tokens, words = map(Fraction, sizes)
    return [f"{float(share(tokens, width, blocks, words)):.3f}" for share in of]
