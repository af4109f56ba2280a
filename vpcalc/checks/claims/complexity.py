"""What one layer costs, in multiply-accumulates, as the papers state it.

Each claim's ``printed`` is the equation as its paper sets it in LaTeX where the paper prints one, else the count
written down by hand from the paper's description, product by product.
"""

from __future__ import annotations

from itertools import product

from ...algebra.polynomial import symbol
from ...cost import Quantity
from ...findings import Finding
from ...layers import LAYERS
from ...symbolic import layer_on_symbols
from ..crosscheck import Verdict, check_layer
from ..proof import Domain, Interpolation, Outcome, differences, explain
from .executed import OnEverySize
from .registry import claim
from .witnessed import of_layer

SWIN = "Liu et al. 2021 (Swin)"
PVT = "Wang et al. 2021 (PVT)"
PVT_V2 = "Wang et al. 2022 (PVT v2)"
RETNET = "Sun et al. 2023 (RetNet)"

HEADS = {"a": (1, 2, 3)}
"""Heads divide the width and change no cost: one on the grid, more beyond it."""


@claim("msa", "Ω(MSA) = 4hwC² + 2(hw)²C", f"{SWIN}, eq. 1")
def msa() -> Interpolation | OnEverySize:
    """Quadratic in the tokens."""
    domain = Domain({"h": 2, "w": 2, "C": 2}, {"C": "a"}, free=HEADS)
    return of_layer("msa", domain, r"\Omega(\text{MSA}) = 4hwC^2 + 2(hw)^2C")


@claim(
    "axial", "Ω(axial attention) = 8hwC² + 2hw(h + w)C", "Ho et al. 2019, §3: tokens of a row, then of a column"
)
def axial() -> Interpolation | OnEverySize:
    """Twice the projections of MSA; each token meets h + w others in place of hw."""
    return of_layer("axial", Domain({"h": 2, "w": 2, "C": 2}, {"C": "a"}, free=HEADS), "8hwC^2 + 2hw(h + w)C")


_WINDOWS = Domain({"h": 1, "w": 1, "C": 2, "M": 4}, {"h": "M", "w": "M", "C": "a"}, {"h": 2, "w": 2}, HEADS)


@claim("wmsa", "Ω(W-MSA) = 4hwC² + 2M²hwC", f"{SWIN}, eq. 2")
def wmsa() -> Interpolation | OnEverySize:
    """Linear in the tokens, on grids that the window divides."""
    return of_layer("wmsa", _WINDOWS, r"\Omega(\text{W-MSA}) = 4hwC^2 + 2M^2hwC", executed=False)


@claim("swmsa", "Ω(SW-MSA) = 4hwC² + 2M²hwC", f"{SWIN}, §3.2, efficient batch computation")
def swmsa() -> Interpolation | OnEverySize:
    """The cyclic shift keeps the number of windows."""
    return of_layer("swmsa", _WINDOWS, r"\Omega(\text{SW-MSA}) = 4hwC^2 + 2M^2hwC", executed=False)


def _reduced(power: int) -> Domain:
    """Grids that R divides; ``power`` bounds that of R on the lattice h = Rh', w = Rw'."""
    degrees = {"h": 2, "w": 2, "C": 2, "R": power}
    return Domain(degrees, {"h": "R", "w": "R", "C": "a"}, {"R": 2}, HEADS)


@claim(
    "sra",
    "Ω(SRA) = 2hwC² + 2hwC²/R² + hwC² + 2(hw)²C/R² for R > 1",
    f"{PVT}, eq. 1-4: projections of all tokens, of the reduced ones, the reduction, the products",
)
def sra() -> Interpolation | OnEverySize:
    """The whole layer."""
    return of_layer("sra", _reduced(2), r"2hwC^2 + \frac{2hwC^2}{R^2} + hwC^2 + \frac{2(hw)^2C}{R^2}")


@claim("sra_printed", "Ω(SRA) = 2h²w²c/R² + hwc²R²: products and reduction", f"{PVT_V2}, eq. 1")
def sra_printed() -> Interpolation | OnEverySize:
    """The equation leaves the projections out. Its second term is not what the convolution costs."""
    return of_layer(
        "sra",
        _reduced(4),
        r"\Omega(\text{SRA}) = \frac{2h^2w^2c}{R^2} + hwc^2R^2",
        rename={"c": "C"},
        corrected=r"\frac{2h^2w^2c}{R^2} + hwc^2",
        operators=("matmul", "conv"),
    )


_POOLED = Domain({"h": 1, "w": 1, "C": 2, "P": 2}, {"C": "a"}, free=HEADS)


@claim(
    "linear_sra",
    "Ω(Linear SRA) = 2hwC² + 3P²C² + 2hwP²C",
    f"{PVT_V2}, §3.1: projections of all tokens, of the pooled ones, the 1×1 convolution, the products",
)
def linear_sra() -> Interpolation | OnEverySize:
    """The whole layer."""
    return of_layer("linear_sra", _POOLED, "2hwC^2 + 3P^2C^2 + 2hwP^2C")


@claim("linear_sra_printed", "Ω(Linear SRA) = 2hwP²c: the whole layer", f"{PVT_V2}, eq. 2")
def linear_sra_printed() -> Interpolation | OnEverySize:
    """The equation holds the two products and leaves the projections and the 1×1 convolution out."""
    return of_layer(
        "linear_sra",
        _POOLED,
        r"\Omega(\text{Linear SRA}) = 2hwP^2c",
        rename={"c": "C"},
        corrected="2hwc^2 + 3P^2c^2 + 2hwP^2c",
    )


@claim("linear_sra_products", "Ω(Linear SRA) = 2hwP²c: its two products alone", f"{PVT_V2}, eq. 2")
def linear_sra_products() -> Interpolation | OnEverySize:
    """Read as QKᵀ and AV alone, the equation is right."""
    return of_layer("linear_sra", _POOLED, "2hwP^2c", rename={"c": "C"}, operators=("matmul",))


@claim("sra_ratio", "QKᵀ and AV of SRA cost R² times less than those of MSA", f"{PVT}, §3.3")
def sra_ratio() -> Outcome:
    """An identity of derived forms. It is true of the two products, not of the whole layer."""
    full = layer_on_symbols("msa").by_operator(Quantity.MACS)["matmul"]
    reduced = layer_on_symbols("sra").by_operator(Quantity.MACS)["matmul"]
    ratio = full / reduced
    claimed = symbol("R") ** 2
    holds = ratio == claimed
    note = "" if holds else explain(differences(ratio, claimed))
    return Outcome("symbolic", Finding.PROVED if holds else Finding.REFUTED, str(ratio), note=note)


@claim("ffn", "Ω(FFN) = 2rhwC²", "Vaswani et al. 2017, eq. 2, with d_ff = rC")
def ffn() -> Interpolation | OnEverySize:
    """Two linear layers."""
    return of_layer("ffn", Domain({"h": 1, "w": 1, "C": 2, "r": 1}), "2rhwC^2")


@claim("ffn_tokens", "Ω(FFN) = 2N·d_model·d_ff", "Vaswani et al. 2017, eq. 2")
def ffn_tokens() -> Interpolation | OnEverySize:
    """The same with the paper's own widths."""
    return of_layer("ffn_tokens", Domain({"N": 1, "d_model": 1, "d_ff": 1}), r"2 N d_{\text{model}} d_{ff}")


@claim("conv_ffn", "Ω(FFN with a 3×3 depth-wise convolution) = 2rhwC² + 9rhwC", f"{PVT_V2}, §3.1")
def conv_ffn() -> Interpolation | OnEverySize:
    """The convolution sees each hidden channel alone."""
    return of_layer("conv_ffn", Domain({"h": 1, "w": 1, "C": 2, "r": 1}), "2rhwC^2 + 9rhwC")


@claim("mha", "Ω(MHA) = a(d_k + d_v)((S + T)d_model + ST)", "Vaswani et al. 2017, §3.2.2")
def mha() -> Interpolation | OnEverySize:
    """T queries, S keys and values, heads of any width."""
    domain = Domain({"S": 1, "T": 1, "d_model": 1, "a": 1, "d_k": 1, "d_v": 1})
    return of_layer("mha", domain, r"a(d_k + d_v)((S + T)d_{\text{model}} + ST)", executed=False)


@claim(
    "patch_embedding",
    "Ω(patch embedding) = 3HWC for any P that divides H and W",
    "Dosovitskiy et al. 2021 (ViT), eq. 1",
)
def patch_embedding() -> Interpolation | OnEverySize:
    """Every pixel value meets every channel once: the patch size cancels."""
    domain = Domain({"H": 1, "W": 1, "C": 1, "P": 2}, {"H": "P", "W": "P"})
    return of_layer("patch_embedding", domain, "3HWC")


@claim("patch_merging", "Ω(patch merging) = 2hwC²", f"{SWIN}, §3.1")
def patch_merging() -> Interpolation | OnEverySize:
    """A quarter of the tokens, 4C to 2C."""
    return of_layer("patch_merging", Domain({"h": 1, "w": 1, "C": 2}, {"h": 2, "w": 2}), "2hwC^2")


@claim("conv", "Ω(convolution) = k²hwC²", "Vaswani et al. 2017, Table 1, for a k × k kernel")
def conv() -> Interpolation | OnEverySize:
    """On a grid that keeps its size."""
    return of_layer("conv", Domain({"h": 1, "w": 1, "C": 2, "k": 2}), "k^2 hwC^2")


@claim("depthwise_conv", "Ω(depth-wise convolution) = k²hwC", "Vaswani et al. 2017, §4, for a k × k kernel")
def depthwise_conv() -> Interpolation | OnEverySize:
    """Each channel on its own."""
    return of_layer("depthwise_conv", Domain({"h": 1, "w": 1, "C": 2, "k": 2}), "k^2 hwC")


@claim("retention", "Ω(parallel retention) = 8hwC² + 3(hw)²C", f"{RETNET}, eq. 5 and 8")
def retention() -> Interpolation | OnEverySize:
    """Values twice as wide as keys: (hw)²C for the scores, 2(hw)²C for the values."""
    domain = Domain({"h": 2, "w": 2, "C": 2}, {"C": "a"}, free=HEADS)
    return of_layer("retention", domain, "8hwC^2 + 3(hw)^2C", executed=False)


@claim("retention_recurrent", "Ω(recurrent retention) = 8hwC² + 4hwC²/a", f"{RETNET}, eq. 6 and 8")
def retention_recurrent() -> Interpolation | OnEverySize:
    """A state of d × 2d in each of the a heads, d = C/a, is updated and read once a token."""
    domain = Domain({"h": 1, "w": 1, "C": 2, "a": 2}, {"C": "a"}, most={"h": 12, "w": 12})  # a call a token
    return of_layer("retention_recurrent", domain, r"8hwC^2 + \frac{4hwC^2}{a}", executed=False)


@claim("retention_chunkwise", "Ω(chunkwise retention) = 8hwC² + 3bhwC + 4hwC²/a", f"{RETNET}, eq. 7 and 8")
def retention_chunkwise() -> Interpolation | OnEverySize:
    """§3.5 says O(dn(b + h)) with h the width of a head: the last two terms, for chunks of b tokens."""
    domain = Domain({"h": 1, "w": 1, "C": 2, "a": 2, "b": 2}, {"w": "b", "C": "a"}, most={"h": 12, "w": 12})
    return of_layer("retention_chunkwise", domain, r"8hwC^2 + 3bhwC + \frac{4hwC^2}{a}", executed=False)


@claim("rnn_cell", "Ω(RNN step) = nd + n²", "Pascanu et al. 2013, eq. 2: W_in u + W_rec x")
def rnn_cell() -> Interpolation | OnEverySize:
    """Input and state, each through a matrix."""
    return of_layer("rnn_cell", Domain({"d": 1, "n": 2}), "nd + n^2")


@claim("lstm_cell", "Ω(LSTM step) = 4(nd + n²)", "Hochreiter & Schmidhuber 1997: four gates")
def lstm_cell() -> Interpolation | OnEverySize:
    """Four times as many rows."""
    return of_layer("lstm_cell", Domain({"d": 1, "n": 2}), "4(nd + n^2)")


@claim("gru_cell", "Ω(GRU step) = 3(nd + n²)", "Cho et al. 2014: two gates and a candidate")
def gru_cell() -> Interpolation | OnEverySize:
    """Three times as many rows."""
    return of_layer("gru_cell", Domain({"d": 1, "n": 2}), "3(nd + n^2)")


@claim("recurrent", "Ω(RNN over T steps) = T(nd + n²)", "Pascanu et al. 2013, eq. 2, at every step")
def recurrent() -> Interpolation | OnEverySize:
    """Time shares the weights, not the work."""
    domain = Domain({"T": 1, "d": 1, "n": 2}, most={"T": 48})  # steps are as many calls
    return of_layer("recurrent", domain, "T(nd + n^2)", executed=False)


@claim(
    "wmsa_padding",
    "On a grid that M does not divide, W-MSA costs what it costs on the grid padded to multiples of M",
    f"{SWIN}, authors' code",
    "padding",
)
def wmsa_padding() -> Outcome:
    """Rounding up is no polynomial: it is tried on every grid of 2 to 8 by 2 to 5 tokens and M from 2 to 4."""
    tried = differing = 0
    for h, w, M in product(range(2, 9), range(2, 6), (2, 3, 4)):
        if min(h, w) < M or h % M == w % M == 0:
            continue
        padded = {"h": -(-h // M) * M, "w": -(-w // M) * M}
        dims = {"C": 4, "heads": 2, "M": M}
        cost = LAYERS["wmsa"].build(**padded, **dims)
        report = check_layer("wmsa", cost, {"h": h, "w": w, **dims})
        tried += 1
        differing += report.verdict is not Verdict.AGREES
    note = f"{differing} of {tried} grids differ" if differing else ""
    form = "4M²⌈h/M⌉⌈w/M⌉C² + 2M⁴⌈h/M⌉⌈w/M⌉C"
    return Outcome("numeric", Finding.REFUTED if differing else Finding.CHECKED, form, tried, 0, note)
