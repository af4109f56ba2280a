"""From pixels to tokens: what patches cost, what neighbours share, and what merging does."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any

from ..algebra.floors import floor_div
from ..algebra.parser import parse
from ..algebra.polynomial import Polynomial, as_polynomial, constant, symbols
from ..architectures import ARCHITECTURES
from ..checks.proof import counted
from ..cost import Quantity
from ..everywhere import layer_run, regimes
from ..layers import LAYERS
from ..report import Column, Kind, Table
from .evidence import exact, identity, known, not_identity
from .libraries import F, sympy, torch
from .registry import Demonstration, derivation, statement
from .table1 import ROWS
from .whole_numbers import numbers, whole

H, W, C, P, s, h, w, c = symbols("H W C P s h w c")


def macs(id: str, *dims: Any, **options: Any) -> Polynomial:
    """Multiply-accumulates of a layer of the registry, on symbols."""
    return as_polynomial(LAYERS[id].build(*dims, **options).total(Quantity.MACS))


# -- what an embedding costs ------------------------------------------------------------------------


@statement(
    "patch_embedding_cost",
    "A patch embedding costs the same for any patch",
    "An embedding of P × P patches of c channels takes cHWC multiply-accumulates whatever P is, where P divides "
    "H and W; elsewhere, where the rest is dropped, as in ViT and PVT, P²⌊H/P⌋⌊W/P⌋cC, which is less. At stride "
    "4, where 4 divides H and W, it is attention over all tokens that costs: the products QKᵀ and AV of one block "
    "take HW/384 times the embedding of an image of three channels",
    "Wang et al. 2021 (PVT), §3.2; a lecture says that its embedding 'significantly increases computational "
    "complexity'",
)
def patch_embedding_cost(
    cost: Callable[..., Any] = lambda c, H, W, C: c * H * W * C,
    times: Callable[..., Any] = lambda H, W: H * W / 384,
    kept: Callable[[Any, Any], Any] = lambda side, P: floor_div(side, P) * P,
) -> Demonstration:
    """The layer on symbols; attention on its tokens; counts of the module; a whole PVT, stage by stage."""
    from ..reference.embedding import PatchEmbedding
    from ..reference.registry import Witness

    embedding = macs("patch_embedding", H, W, C, P, channels=c)
    anywhere, *_ = regimes(*layer_run("patch_embedding"), Quantity.MACS)  # of an image of three channels
    of_kept = as_polynomial(cost(3, kept(H, P), kept(W, P), C))
    attention = ROWS["self_attention"].mixed().subs({"N": H * W / 16})
    image = macs("patch_embedding", H, W, C, constant(4))

    def module(P: int, H: int, W: int) -> Witness:
        return Witness(PatchEmbedding(6, P, 5), (torch.zeros(1, 5, H, W),))

    sizes = [(P, H, W) for P in (1, 2, 3, 4, 7, 16) for H, W in ((48, 32), (37, 50))]
    counts = [counted(partial(module, P, H, W)) == cost(5, kept(H, P), kept(W, P), 6) for P, H, W in sizes]
    rows = embedding_shares("pvt_small", (224, 224))
    columns = (
        Column("stage", "Stage"),
        Column("embedding", "Patch embedding", Kind.NUMBER),
        Column("all", "Whole stage", Kind.NUMBER),
        Column("share", "Share"),
    )
    return Demonstration(
        derivation(r"""
            A token is a product of P²c numbers with a P²c × C matrix, and there are HW/P² of them.
                HW/P² · P²c · C = cHWC
                    \frac{HW}{P^2} \cdot P^2 c \cdot C = cHWC
            Where P does not divide a side, the rest is left out.
                P²⌊H/P⌋⌊W/P⌋ cC ≤ cHWC
                    P^2 \lfloor H/P \rfloor \lfloor W/P \rfloor\, cC \le cHWC
            Attention over the HW/16 tokens of stride 4, against an image of three channels.
                2(HW/16)²C / 3HWC = HW/384
                    \frac{2 (HW/16)^2 C}{3HWC} = \frac{HW}{384}
        """),
        {
            "where P divides H and W, an embedding takes cHWC multiply-accumulates whatever P is": (
                identity("the layer on symbols, P among them", [(embedding, cost(c, H, W, C))]),
                exact("fvcore's counts of the module, P = 1 … 16, sides that P divides and not", counts),
            ),
            "elsewhere P²⌊H/P⌋⌊W/P⌋cC, which is less": (
                identity(
                    "the layer at every size, with ⌊H/P⌋ and ⌊W/P⌋",
                    [(anywhere.form.polynomial if anywhere.form else 0, of_kept)],
                ),
                known(
                    "what is less, of H = kP + p and W = lP + q with p ≥ 1, for l ≥ 1 and for q ≥ 1",
                    [(_left_out(cost, *least), "positive") for least in ((1, 0), (0, 1))],
                ),
            ),
            "at stride 4, where 4 divides H and W, the products of attention take HW/384 times an image's "
            "embedding": (identity("the two layers on symbols", [(attention, image * times(H, W))]),),
        },
        tables=(Table("Embeddings of PVT-Small at 224 × 224, multiply-accumulates", columns, rows),),
        correction="the embeddings of PVT do not make it dear: cHWC each, for c channels of H × W that go in "
        "and C that come out, whatever the patch, "
        f"{rows[-1][3]} of PVT-Small at 224 × 224; what smaller patches make dear is the attention over more "
        f"tokens",
    )


def _left_out(cost: Callable[..., Any], patches: int, rest: int) -> Any:
    """What is dropped with a rest on one side, and so many patches and so much of a rest at least on the other."""
    k, m, e, f = sympy.symbols("k m e f", nonnegative=True)
    c, C, P = sympy.symbols("c C P", positive=True)
    wide = (patches + m) * P
    return sympy.expand(cost(c, k * P + 1 + e, wide + rest + f, C) - cost(c, k * P, wide, C))


def embedding_shares(name: str, sizes: tuple[int, int]) -> tuple[tuple[Any, ...], ...]:
    """Multiply-accumulates of each stage's embedding beside the stage's, and of all beside the model's."""
    model = ARCHITECTURES[name].cost(sizes)
    rows = []
    for stage in model.children[:4]:
        embedding = sum(one.total(Quantity.MACS) for one in stage.children if one.name == "patch_embedding")
        rows.append((stage.name, embedding, stage.total(Quantity.MACS)))
    rows.append(("model", sum(row[1] for row in rows), model.total(Quantity.MACS)))
    return tuple((*row, f"{100 * row[1] / row[2]:.1f} %") for row in rows)


# -- what neighbours share --------------------------------------------------------------------------


def shared_columns(k: int, stride: int) -> int:
    """Of two neighbouring windows of k columns."""
    return max(k - stride, 0)


def readers(x: int, stride: int, tokens: int) -> int:
    """How many of a row's tokens read pixel column x through 2s − 1 columns around every s-th."""
    return 1 if x % stride == 0 or x // stride + 1 == tokens else 2


Seen = dict[tuple[int, int], frozenset[tuple[int, int]]]


def _pixels_seen(module: Any, H: int, W: int) -> Seen:
    """For each token of a reference embedding the pixels that have a gradient from it."""
    image = numbers(1, 3, H, W).requires_grad_()
    grid = module(image)[0]
    seen = {}
    for at in product(range(grid.shape[0]), range(grid.shape[1])):
        (gradient,) = torch.autograd.grad(grid[at].sum(), image, retain_graph=True)
        seen[at] = frozenset(map(tuple, (gradient[0] != 0).any(0).nonzero().tolist()))
    return seen


def _overlapping(s: int) -> Any:
    """The reference embedding whose windows overlap, without its norm, whole weights that are not 0."""
    from ..reference.pvt_v2 import OverlapPatchEmbedding

    module = whole(OverlapPatchEmbedding(3, 2, s))
    module.norm = torch.nn.Identity()
    return _positive(module)


def _positive(module: Any) -> Any:
    with torch.no_grad():
        module.proj.weight.abs_().add_(1)
    return module


def _columns_shared(seen: Seen) -> set[int]:
    """Of all neighbours side by side that lie within the image, how many columns both read."""
    lower = max(y for y, _ in seen) - 1
    columns = {at: {x for _, x in pixels} for at, pixels in seen.items() if at[0] == lower}
    return {len(columns[y, x] & columns[y, x + 1]) for y, x in columns if (y, x + 1) in columns}


@statement(
    "patch_continuity",
    "What neighbouring patches share",
    "Patches of P × P side by side share no pixel: a pixel changes one token at most, and pixels on two sides of "
    "a border meet in attention first. Windows of 2s − 1 over s, s ≥ 2, share s − 1 columns with a neighbour on "
    "either side, and rows alike, so that a pixel changes 1, 2 or 4 tokens. Nothing need be lost either way: "
    "before its norm a token of P²c channels or more can hold a patch of c channels as it is",
    "Wang et al. 2022 (PVT v2), §3.1, on what PVT v1 loses of an image's local continuity",
)
def patch_continuity(
    shared: Callable[[int, int], int] = shared_columns,
    read_by: Callable[[int, int, int], int] = readers,
    width: Callable[[int, int], int] = lambda P, c: P * P * c,
) -> Demonstration:
    """Ends of intervals on symbols; which pixels have a gradient from which token of the reference modules."""
    from ..reference.embedding import PatchEmbedding

    p, k, t, stride = sympy.symbols("p k t s", integer=True, positive=True)
    ends = (p * stride + k) - (p + 1) * stride  # columns [ps, ps + k) and [(p + 1)s, …)
    # pixel ps + r, 0 ≤ r < s: what the windows p, p + 1, p − 1 and p + 2 reach beyond it, s − 1 from their middle
    r, more = sympy.symbols("r g", integer=True, nonnegative=True)
    size_of = r + 1 + more
    own, after, before, beyond = (
        sympy.expand(size_of - 1 - distance) for distance in (r, size_of - r, r + size_of, 2 * size_of - r)
    )
    in_reach = [(own, "nonnegative"), (after - (r - 1), "zero"), (before, "negative"), (beyond, "negative")]
    apart, overlaps, pixels = [], [], []
    for size, (rows, columns) in product((1, 2, 3, 4), ((12, 12), (13, 14))):
        seen = _pixels_seen(_positive(whole(PatchEmbedding(2, size))), rows, columns)
        apart += [not (seen[a] & seen[b]) for a, b in product(seen, seen) if a < b]
        overlaps.append(_columns_shared(seen) == {shared(size, size)})
    for size, (rows, columns) in product((2, 3, 4), ((12, 12), (13, 14))):
        seen = _pixels_seen(_overlapping(size), rows, columns)
        overlaps.append(_columns_shared(seen) == {shared(2 * size - 1, size)})
        tokens = -(-rows // size), -(-columns // size)
        pixels += [
            sum((y, x) in one for one in seen.values())
            == read_by(y, size, tokens[0]) * read_by(x, size, tokens[1])
            for y, x in product(range(rows), range(columns))
        ]
    return Demonstration(
        derivation(r"""
            Window p of k columns over s ends at ps + k, and the next begins at (p + 1)s.
                ps + k − (p + 1)s = k − s columns in common: 0 for k = s, s − 1 for k = 2s − 1
                    ps + k - (p + 1)s = k - s: \quad 0 \text{ for } k = s, \quad s - 1 \text{ for } k = 2s - 1
            Windows of 2s − 1 lie around every s-th column: that column itself is in one window, each between two
            of these in two. Rows and columns multiply.
                1 · 1, 1 · 2 or 2 · 2 tokens
                    1 \cdot 1,\; 1 \cdot 2 \text{ or } 2 \cdot 2 \text{ tokens}
            With C = P²c channels and W the identity a token is its patch: the map is one to one.
                E = id on P²c numbers
                    E = \mathrm{id} \text{ on } P^2 c \text{ numbers}
        """),
        {
            "patches side by side share no pixel, so that none changes two tokens": (
                identity("columns in common for k = s, any p and s", [ends.subs(k, stride) - shared(t, t)]),
                exact("no pixel has a gradient from two tokens of the reference embedding (P = 1 … 4)", apart),
            ),
            "windows of 2s − 1 over s share s − 1 columns with a neighbour on either side": (
                identity(
                    "columns in common for k = 2s − 1, any p and s = t + 1",
                    [ends.subs({k: 2 * t + 1, stride: t + 1}) - shared(2 * t + 1, t + 1)],
                ),
                exact("by gradients, apart and overlapping (s = 2, 3, 4)", overlaps),
            ),
            "a pixel changes 1, 2 or 4 tokens of theirs": (
                known(
                    "pixel ps + r is read by window p, for r ≥ 1 by p + 1, and by no other, for any 0 ≤ r < s",
                    in_reach,
                ),
                exact("tokens that have a gradient to a pixel, every pixel of 12 × 12 and 13 × 14", pixels),
            ),
            "before its norm a token of P²c channels can hold a patch of c channels as it is": (
                identity("with the identity for its weights, of that width", _kept_whole(width)),
                exact("an embedding of that width gives every patch back, bit by bit", _given_back(width)),
            ),
        },
    )


def _kept_whole(width: Callable[[Any, Any], Any]) -> list[tuple[Any, Any]]:
    """1 · x = x for a patch of P × P of c channels, one number of it a channel."""
    side, channels = sympy.symbols("P c", integer=True, positive=True)
    numbers = side * side * channels
    patch = sympy.MatrixSymbol("x", numbers, 1)
    return [(width(side, channels), numbers), (sympy.Identity(numbers) * patch, patch)]


def _given_back(width: Callable[[int, int], int]) -> list[bool]:
    """With the identity for its weights, or for those of s × s of its window, an embedding only rearranges."""
    from ..reference.embedding import PatchEmbedding
    from ..reference.pvt_v2 import OverlapPatchEmbedding

    held = []
    for P, c in product((2, 3), (1, 3)):
        C, image = width(P, c), numbers(1, c, 2 * P, 3 * P)
        identity = torch.eye(C, c * P * P).reshape(C, c, P, P).double()
        embeddings: tuple[Any, ...] = (PatchEmbedding(C, P, c), OverlapPatchEmbedding(c, C, P))
        for module in embeddings:
            whole(module).norm = torch.nn.Identity()
            with torch.no_grad():
                module.proj.weight.zero_()[:, :, -P:, -P:] = identity
                module.proj.bias.zero_()
            tokens = module(image).permute(0, 3, 1, 2)
            held.append(c * P * P == C and torch.equal(F.pixel_shuffle(tokens, P), image))
    return held


@statement(
    "overlapping_patches",
    "How much patches overlap, and for how much",
    "A window of 2s − 1 over s shares (s − 1)/(2s − 1) of itself with each neighbour beside it: less than half "
    "for every s, 3/7 at s = 4 and 1/3 at s = 2; it costs (2s − 1)²/s² times the embedding of s × s patches, "
    "less than 4 times, where s divides the sides",
    "Wang et al. 2022 (PVT v2), §3.3, where neighbouring windows overlap by half of the area; a lecture says "
    "'the overlap area is reduced by half'",
)
def overlapping_patches(
    share: Callable[[Any], Any] = lambda s: (s - 1) / (2 * s - 1),
    cost: Callable[[Any], Any] = lambda s: (2 * s - 1) ** 2 / s**2,
) -> Demonstration:
    """Areas on a symbolic stride; the two layers on symbols; gradients of the reference module."""
    t = sympy.Symbol("s", integer=True, positive=True)
    side = 2 * t - 1
    dearer, plain = macs("overlap_patch_embedding", H, W, C, s), macs("patch_embedding", H, W, C, s)
    ratio = sympy.cancel(dearer.to_sympy() / plain.to_sympy())
    ratio = ratio.subs({name: t for name in ratio.free_symbols if name.name == "s"})
    measured = []
    for size in (2, 3, 4):
        seen = _pixels_seen(_overlapping(size), 5 * size, 5 * size)
        both = len(seen[2, 2] & seen[2, 3])
        measured.append(Fraction(both, len(seen[2, 2])) == Fraction(share(Fraction(size))))
    counts = [
        counted(partial(_layer, "overlap_patch_embedding", size))
        == Fraction(cost(Fraction(size))) * counted(partial(_layer, "patch_embedding", size))
        for size in (1, 2, 3, 4)
    ]
    return Demonstration(
        derivation(r"""
            s − 1 of 2s − 1 columns, and all rows.
                (s − 1)(2s − 1)/(2s − 1)² = (s − 1)/(2s − 1) = 1/2 − 1/(2(2s − 1)) < 1/2
                    \frac{(s - 1)(2s - 1)}{(2s - 1)^2} = \frac{s - 1}{2s - 1} = \frac12 - \frac{1}{2(2s - 1)} <
                    \frac12
            As many tokens as without overlap, each of (2s − 1)² pixels in place of s².
                HW/s² · (2s − 1)²·3·C / 3HWC = (2s − 1)²/s² = (2 − 1/s)² < 4
                    \frac{HW}{s^2} \cdot \frac{(2s - 1)^2 \cdot 3C}{3HWC} = \frac{(2s - 1)^2}{s^2} = \Bigl(2 -
                    \frac1s\Bigr)^2 < 4
        """),
        {
            "a window of 2s − 1 over s shares (s − 1)/(2s − 1) of itself with a neighbour, less than half: 3/7 at "
            "s = 4, 1/3 at s = 2": (
                identity(
                    "what is shared of the area, and what it is short of half",
                    [(t - 1) * side / side**2 - share(t), sympy.Rational(1, 2) - share(t) - 1 / (2 * side)],
                ),
                exact("pixels that two neighbours of the reference module share (s = 2, 3, 4)", measured),
            ),
            "it costs (2s − 1)²/s² times patches side by side, less than 4 times": (
                identity(
                    "the two layers on symbols, one over the other; short of 4 by (4s − 1)/s²",
                    [ratio - cost(t), 4 - cost(t) - (4 * t - 1) / t**2],
                ),
                exact("fvcore's counts of the two modules (s = 1 … 4)", counts),
            ),
        },
        correction="nothing is 'reduced by half': patches of s × s do not overlap, and with windows of 2s − 1 the "
        "overlap is (s − 1)/(2s − 1) of a window (3/7 at s = 4), at (2s − 1)²/s² the cost (49/16)",
    )


def _layer(id: str, s: int) -> Any:
    from ..reference import LAYER_WITNESSES

    return LAYER_WITNESSES[id](12, 24, 6, s)


# -- merging ----------------------------------------------------------------------------------------

CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""Row and column of each quarter of the channels that patch merging concatenates."""


@statement(
    "merging_is_convolution",
    "Patch merging is a strided convolution",
    "After its norm, patch merging is a 2 × 2 convolution of stride 2 without bias: 2hwC² multiply-accumulates "
    "for even h and w. 4C numbers become 2C. Average pooling is one choice of its weights, without the norm; "
    "maximum pooling, which is not linear, is none",
    "Liu et al. 2021 (Swin), §3.1; a lecture: 'similar to pooling'",
)
def merging_is_convolution(
    cost: str = "2hwC²",
    corners: tuple[tuple[int, int], ...] = CORNERS,
    kept: Fraction = Fraction(1, 2),
    share: Fraction = Fraction(1, 4),
    pool: Callable[[Any, Any], Any] | None = None,
) -> Demonstration:
    """The layer on symbols and as counted; the module against torch's convolution and pooling, bit by bit."""
    from ..reference.embedding import PatchMerging

    sums, pools, halves = [], [], []
    for width, grid in product((1, 2, 5), ((4, 6), (2, 2))):
        module, x = whole(PatchMerging(width)), numbers(1, *grid, width)
        module.norm = torch.nn.Identity()
        weight = module.reduction.weight.detach()
        kernel = torch.zeros(2 * width, width, 2, 2, dtype=torch.float64)
        for part, (row, column) in zip(weight.chunk(4, dim=1), corners, strict=True):
            kernel[:, :, row, column] = part
        convolved = F.conv2d(x.permute(0, 3, 1, 2), kernel, stride=2).permute(0, 2, 3, 1)
        sums.append(torch.equal(module(x), convolved))
        halves.append(Fraction(module.reduction.out_features, module.reduction.in_features) == kept)
        with torch.no_grad():
            module.reduction.weight.zero_()[:width] = float(share) * torch.eye(width).repeat(1, 4)
        pooled = F.avg_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        pools.append(torch.equal(module(x)[..., :width], pooled))
    a, b = sympy.symbols("a b", real=True)
    layer = macs("patch_merging", h, w, C)
    made = h * w / 4 * (4 * C) * (4 * C) * kept.numerator / kept.denominator
    four, pool = sympy.symbols("x_1:5", real=True), pool or sympy.Max
    quarters = sum(sympy.Rational(share.numerator, share.denominator) * one for one in four)
    counts = []
    for grid in ((4, 6), (5, 7)):
        from ..reference import LAYER_WITNESSES

        even = [side + side % 2 for side in grid]
        counts.append(
            counted(partial(LAYER_WITNESSES["patch_merging"], *grid, 6))
            == parse(cost).value({"h": even[0], "w": even[1], "C": 6})
        )
    return Demonstration(
        derivation(r"""
            Each 2 × 2 neighbours are one vector of 4C numbers, and hw/4 of these are multiplied by 4C × 2C.
                hw/4 · 4C · 2C = 2hwC²
                    \frac{hw}{4} \cdot 4C \cdot 2C = 2hwC^2
            A product with concatenated corners is a sum over taps.
                W [x_00; x_10; x_01; x_11] = Σ_{u, v < 2} W_uv x(2i + u, 2j + v)
                    W \begin{pmatrix} x_{00} \\ x_{10} \\ x_{01} \\ x_{11} \end{pmatrix} = \sum_{u, v < 2} W_{uv}\,
                    x(2i + u, 2j + v)
            Average pooling: W_uv = I/4 in C of the 2C rows.
                Σ_{u, v < 2} x(2i + u, 2j + v)/4
                    \sum_{u, v < 2} \tfrac14 x(2i + u, 2j + v)
        """),
        {
            "after its norm, patch merging is a 2 × 2 convolution of stride 2 without bias": (
                identity(
                    "a product with four blocks side by side is a sum of four, of any size", [_four_blocks()]
                ),
                exact("the module without its norm against torch's convolution, whole weights, bit by bit", sums),
            ),
            "it takes 2hwC² multiply-accumulates for even h and w": (
                identity("the layer on symbols", [(layer, parse(cost))]),
                exact("fvcore's counts, even sides and odd ones, which are padded", counts),
            ),
            "4C numbers become 2C": (
                identity("products of the layer on symbols a token and a number that goes in", [(layer, made)]),
                exact("numbers that come out over numbers that go in, of the module", halves),
            ),
            "average pooling is one choice of its weights, without the norm": (
                identity("quarters of four numbers are their mean", [quarters - sympy.Rational(1, 4) * sum(four)]),
                exact("with quarters of the identity against torch's average pooling, bit by bit", pools),
            ),
            "maximum pooling is none": (
                not_identity("it is not linear", pool(a, b) + pool(-a, -b), {a: 1, b: 2}),
            ),
        },
    )


def _four_blocks() -> tuple[Any, Any]:
    """[W_1 W_2 W_3 W_4][x_1; x_2; x_3; x_4] = Σ W_i x_i for blocks of symbolic size."""
    m, d = sympy.symbols("m d", integer=True, positive=True)
    Ws = [sympy.MatrixSymbol(f"W_{part}", m, d) for part in range(4)]
    xs = [sympy.MatrixSymbol(f"x_{part}", d, 1) for part in range(4)]
    whole = sympy.block_collapse(sympy.BlockMatrix([Ws]) * sympy.BlockMatrix([[x] for x in xs]))
    made = sympy.Matrix(whole.blocks)[0, 0] if isinstance(whole, sympy.BlockMatrix) else whole
    return made, sympy.MatAdd(*(W * x for W, x in zip(Ws, xs, strict=True)))
