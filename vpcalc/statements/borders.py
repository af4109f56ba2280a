"""What zeros around a grid tell about places, and what a convolution in place of positions costs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..algebra.polynomial import Polynomial, as_polynomial, symbols
from ..checks.proof import counted
from ..cost import Quantity
from ..layers import LAYERS
from .evidence import exact, identity, known
from .libraries import F, sympy, torch
from .registry import Demonstration, Evidence, derivation, statement
from .whole_numbers import whole

# -- zero padding -----------------------------------------------------------------------------------


def _middle_row(k: int, L: int, margin: int, mode: str, positive: bool, image: int) -> Any:
    """A constant image through L reference convolutions with whole weights: the middle row of the output."""
    from ..reference.convolution import SameConv2d

    side = 2 * margin + 3
    x = torch.full((1, 2, side, side), float(image), dtype=torch.float64)
    for number in range(L):
        module = whole(SameConv2d(2, 2, (k, k)), seed=10 * k + number, most=3)
        with torch.no_grad():
            if positive:
                module.conv.weight.abs_().add_(1)
                module.conv.bias.abs_()
        x = module.conv(F.pad(x, module.padding, mode=mode)).relu()
    return x[0, 0, side // 2].detach()


@statement(
    "zero_padding_position",
    "How far in zero padding tells position",
    "Of a constant image, L convolutions of k × k, k odd, padded with zeros, make a map that differs from its "
    "middle in the L(k − 1)/2 rows and columns next to each border at most, whatever the weights and what works "
    "on each place alone between; of a positive one, with positive weights, biases that are not negative and "
    "ReLU, in all of these, rising from place to place away from a border, on sides of more than L(k − 1); two "
    "borders can share a value. Beyond them, and everywhere with circular padding, no place is told from another. "
    "Global attention adds nothing, since equal tokens stay equal: after L blocks of PVT v2's first stage it is, "
    "for weights in general, L + 1 columns on the left and L on the right, on sides that 4 divides, of more than "
    "4(2L + 1) pixels and of R tokens or more",
    "Islam et al. 2020 (how much position information CNNs encode); Wang et al. 2022 (PVT v2), §3.4",
)
def zero_padding_position(
    margin: Callable[[int, int], int] = lambda k, L: L * (k - 1) // 2,
    stage: Callable[[int], tuple[int, int]] = lambda L: (L + 1, L),
    around: str = "circular",
    image: int = 1,
    kernel: tuple[int, int, int] = (2, 1, 4),
) -> Demonstration:
    """The step from one layer to the next on symbols; modules with whole weights; a stage of PVT v2."""
    beyond, told, circular = [], [], []
    for side, depth in ((3, 1), (3, 2), (3, 4), (5, 1), (5, 2), (1, 3)):
        inside = margin(side, depth)
        for positive in (False, True):
            row = _middle_row(side, depth, inside, "constant", positive, image)
            middle = row[inside : len(row) - inside]
            beyond.append(bool((middle == middle[0]).all()) and len(middle) == 3)
        if inside:
            from_left, from_right = row[: inside + 1], row.flip(0)[: inside + 1]
            told += [bool((end[1:] > end[:-1]).all()) for end in (from_left, from_right)]
            row = _middle_row(side, depth, inside, around, True, image)
            circular.append(bool((row == row[0]).all()))
    return Demonstration(
        derivation(r"""
            A place whose k × k neighbours all have one value gets one that no place decides.
                x = a on [p − (k − 1)/2, p + (k − 1)/2]: y(p) = f(a)
                    x = a \text{ on } \bigl[p - \tfrac{k-1}{2}, p + \tfrac{k-1}{2}\bigr]: \quad y(p) = f(a)
            So each layer takes (k − 1)/2 from either end of the interval on which the map is constant.
                [m, n − 1 − m] → [m + (k − 1)/2, n − 1 − m − (k − 1)/2], m_L = L(k − 1)/2
                    m_{L+1} = m_L + \frac{k-1}{2}, \quad m_0 = 0: \quad m_L = \frac{L(k-1)}{2}
            With positive weights, of a constant positive image, the value is a sum over paths of L steps that stay
            inside, and of places nearer to the border fewer do.
                y(0) < y(1) < ⋯ < y(m_L)
                    y(0) < y(1) < \dots < y(m_L)
            Attention gives equal queries equal outputs, whatever the keys.
                q_i = q_j: softmax(q_i Kᵀ)V = softmax(q_j Kᵀ)V
                    q_i = q_j: \quad \operatorname{softmax}(q_i K^{\top})V = \operatorname{softmax}(q_j K^{\top})V
        """),
        {
            "L convolutions padded with zeros mark L(k − 1)/2 rows and columns next to a border at most": (
                *_one_layer_more(margin),
                exact(
                    "three columns are left that are equal to the last bit, any whole weights and positive ones, "
                    "ReLU between (k = 1, 3, 5; L up to 4)",
                    beyond,
                ),
            ),
            "of a constant positive one, with positive weights, biases that are not negative and ReLU, all of "
            "these, rising away from a border": (
                exact("values rise from column to column up to there, from both sides", told),
            ),
            "two borders can share a value": (_shared(kernel),),
            "with circular padding no place is told from another": (exact("all columns are equal", circular),),
            "global attention adds nothing: after L blocks of PVT v2's first stage it is L + 1 and L columns": (
                *_stage_of_pvt_v2(stage),
            ),
        },
    )


def _one_layer_more(margin: Callable[[Any, Any], Any]) -> tuple[Evidence, Evidence]:
    """The step and the start, for odd k = 2j + 1, of which the half is whole; both ends are alike."""
    L, j, further, tap = sympy.symbols("L j f u", integer=True, nonnegative=True)
    before, after = (sympy.expand(margin(2 * j + 1, layers)) for layers in (L, L + 1))
    return (
        identity("m_{L+1} = m_L + (k − 1)/2 and m_0 = 0", [(after, before + j), (margin(2 * j + 1, 0) + j, j)]),
        known(
            "by induction on L, any k: m_{L+1} or more from a border no tap is nearer to it than m_L, and so none "
            "reads but the one value",
            [(after + further - j + tap - before, "nonnegative")],
        ),
    )


def _shared(kernel: tuple[int, int, int]) -> Evidence:
    """Two layers of one kernel of three on a line of ones: the first value, and the last but one."""
    taps = torch.tensor([[kernel]], dtype=torch.float64)
    row = F.conv1d(F.conv1d(torch.ones(1, 1, 7, dtype=torch.float64), taps, padding=1), taps, padding=1)[0, 0]
    alike = [bool(row[0] == row[-2]), bool(row[1] > row[0]), bool(row[-2] > row[-1])]
    return exact(f"two layers of {kernel}: the first value is the last but one", alike)


def _stage_of_pvt_v2(stage: Callable[[int], tuple[int, int]]) -> list[Evidence]:
    """Columns left and right that differ from the middle, of a constant image after L blocks."""
    from ..reference.pvt_v2 import PVTv2Stage

    held = []
    for L, tokens in ((0, 2), (1, 4), (2, 6), (3, 8), (0, 16), (1, 16), (2, 16), (3, 16)):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(L)
            module = PVTv2Stage(3, 8, L, 2, 4, 2, 4, False, 7).double().eval()
            row = module(torch.ones(1, 3, 4 * tokens, 4 * tokens, dtype=torch.float64))[0, tokens // 2]
        # on one row: what differs does so by far more than rounding; on the shortest side one column is left
        apart = [bool(gap > 1e-9) for gap in (row - row[L + 1]).abs().amax(-1)]
        left, right = apart.index(False), apart[::-1].index(False)
        held.append((left, right) == stage(L) and sum(apart) == left + right)
    return [
        exact(
            "columns of a constant image that differ, by more than 10⁻⁹, after L = 0 … 3 blocks of the "
            "reference stage, of 16 tokens a side and of 2L + 2",
            held,
        )
    ]


# -- a convolution in place of positions ------------------------------------------------------------

h, w, C, r, N, L = symbols("h w C r N L")


def total(id: str, quantity: Quantity, *dims: Any) -> Polynomial:
    """A layer of the registry on symbols."""
    return as_polynomial(LAYERS[id].build(*dims).total(quantity))


@statement(
    "convolution_for_positions",
    "A convolution in place of positions is no saving of products",
    "Learned positions cost no product; the 3 × 3 depth-wise convolution that replaces them adds 9rhwC "
    "multiply-accumulates to every block. It has 10rC parameters a block, at any size of the image, against hwC "
    "once for a stage: fewer through L blocks exactly where 10rL < hw",
    "Wang et al. 2022 (PVT v2), §3.4; a lecture says that it replaces positions, 'reducing computation'",
)
def convolution_for_positions(
    added: Callable[..., Any] = lambda r, n, C: 9 * r * n * C,
    parameters: Callable[..., Any] = lambda r, C: 10 * r * C,
    table: Callable[..., Any] = lambda n, C: n * C,
) -> Demonstration:
    """Two feed-forward layers on symbols, one less the other; the table; counts of the modules."""
    from ..reference import LAYER_WITNESSES

    more = total("conv_ffn", Quantity.MACS, h, w, C, r) - total("ffn", Quantity.MACS, h, w, C, r)
    heavier = total("conv_ffn", Quantity.PARAMS, h, w, C, r) - total("ffn", Quantity.PARAMS, h, w, C, r)
    n, width = 6 * 5, 4
    with_, without = (partial(LAYER_WITNESSES[id], 6, 5, width, 3) for id in ("conv_ffn", "ffn"))
    positions = partial(LAYER_WITNESSES["position_embedding"], n, width)
    counts = [
        counted(with_) - counted(without) == added(3, n, width),
        counted(with_, Quantity.PARAMS) - counted(without, Quantity.PARAMS) == parameters(3, width),
        counted(positions) == 0,
        counted(positions, Quantity.PARAMS) == table(n, width),
    ]
    return Demonstration(
        derivation(r"""
            Nine products for each of rC hidden channels of hw tokens.
                9 · rC · hw
                    9 \cdot rC \cdot hw
            Weights and biases of a block's convolution, and a table of hw vectors.
                9rC + rC = 10rC, hwC; L · 10rC < hwC ⟺ 10rL < hw
                    9rC + rC = 10rC, \quad hwC: \quad L \cdot 10rC < hwC \iff 10rL < hw
        """),
        {
            "learned positions cost no product, the 3 × 3 convolution adds 9rhwC to every block": (
                identity(
                    "multiply-accumulates of the layers on symbols",
                    [(more, added(r, h * w, C)), (total("position_embedding", Quantity.MACS, N, C), 0)],
                ),
                exact("fvcore's counts of the modules", counts[::2]),
            ),
            "it has 10rC parameters a block, against hwC once": (
                identity(
                    "parameters of the layers on symbols",
                    [
                        (heavier, parameters(r, C)),
                        (total("position_embedding", Quantity.PARAMS, N, C), table(N, C)),
                    ],
                ),
                exact("parameters of the modules", counts[1::2]),
            ),
            "that is fewer through L blocks exactly where 10rL < hw": (
                identity(
                    "the table less L times the convolution is C, which is positive, times hw − 10rL",
                    [(table(N, C) - L * parameters(r, C), C * (N - 10 * r * L))],
                ),
            ),
        },
        correction="the convolution does not reduce computation: positions have no product, it adds 9rhwC a "
        "block; what it brings is that there is no table of one size, and fewer parameters where 10rL < hw",
    )
