"""Which translations and permutations a layer commutes with: equivariance, and where invariance comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from ..report import Column, Kind, Table
from .evidence import close, exact, far, identity, known, not_identity, relative_error
from .libraries import F, sympy, torch
from .registry import Demonstration, Evidence, derivation, statement
from .whole_numbers import SHARP, numbers, sharpened, whole

Moves = Callable[[Any, Any], Any]
"""By how much the output moves when the input moves by s, for a layer of some size; None if by nothing fits."""


def roll(x: Any, dy: int, dx: int) -> Any:
    """A grid (batch, h, w, C) moved on a torus."""
    return x.roll((dy, dx), dims=(1, 2))


def fitting_moves(layer: Callable[[Any], Any], x: Any, s: tuple[int, int]) -> list[tuple[int, int]]:
    """All moves t of the output with layer(T_s x) = T_t layer(x), bit by bit; grids are (batch, h, w, C)."""
    still, moved = layer(x), layer(roll(x, *s))
    _, h, w, _ = still.shape
    return [t for t in product(range(h), range(w)) if torch.equal(roll(still, *t), moved)]


def _tap(offset: Any, place: Any) -> Any:
    """The pixel that one tap of a kernel reads for a place, of an image of which nothing is known."""
    (u, v), (p, q) = offset, place
    return sympy.Symbol("a") * sympy.Function("x")(sympy.expand(p + u), sympy.expand(q + v))


def _letters() -> tuple[Any, ...]:
    letters: tuple[Any, ...] = sympy.symbols("p q s t u v", integer=True)
    return letters


# -- convolution ------------------------------------------------------------------------------------


def on_torus(k: int, C: int = 2) -> Callable[[Any], Any]:
    """The reference convolution with whole weights on a grid without a border, (1, h, w, C) to the same."""
    from ..reference.convolution import SameConv2d

    module = whole(SameConv2d(C, C, (k, k)), seed=k)

    def layer(x: Any) -> Any:
        around = F.pad(x.permute(0, 3, 1, 2), module.padding, mode="circular")
        return module.conv(around).permute(0, 2, 3, 1)

    return layer


@statement(
    "convolution_translation",
    "Convolution is equivariant, not invariant",
    "On ℤ² or a torus, grids without a border, a convolution of stride 1 commutes with every translation: "
    "conv(T_s x) = T_s conv(x) for all x, s and kernels. It is not invariant: for s ≠ 0 and kernels in "
    "general there are x with conv(T_s x) ≠ conv(x). The sum or mean over all places of a torus is",
    "Wang et al. 2021 (PVT), §2.1: weights are shared 'to provide translation equivariance'; lectures say "
    "'invariance'",
)
def convolution_translation(
    moves: Moves = lambda s, k: s,
    pooled: Callable[[Any], Any] = lambda y: y.sum((1, 2)),
    by: Callable[[Any], Any] = lambda s: s,
) -> Demonstration:
    """A tap at a symbolic offset commutes with a symbolic shift; the module on all shifts of a torus, bit by bit.

    ``by`` is how far an image goes that is moved by s, for that it is not invariant.
    """
    p, q, s, t, u, v = _letters()
    moved = _tap((u, v), (p - s, q - t))  # the tap reads a moved image
    ours = _tap((u, v), (p - moves(s, 3), q - moves(t, 3)))
    x = numbers(1, 6, 5, 2)
    held, sums, changed = [], [], []
    for k in (1, 2, 3, 5):
        layer = on_torus(k)
        for shift in product(range(6), range(5)):
            expected = (moves(shift[0], k) % 6, moves(shift[1], k) % 5)
            held.append(fitting_moves(layer, x, shift) == [expected])
            sums.append(torch.equal(pooled(layer(roll(x, *shift))), pooled(layer(x))))
            changed.append((shift == (0, 0)) == torch.equal(layer(roll(x, *map(by, shift))), layer(x)))
    away = sympy.Symbol("s", integer=True, nonzero=True)
    part, period = _within_a_period()
    return Demonstration(
        derivation(r"""
            One tap of the kernel, at any offset u, of a translated image (T_s x)(p) = x(p − s).
                a (T_s x)(p + u) = a x(p + u − s) = a x((p − s) + u)
                    a\,(T_s x)(p + u) = a\,x(p + u - s) = a\,x((p - s) + u)
            A convolution is a sum of taps; what works on each place alone (bias, activation, layer norm over
            channels) commutes too, and so does all that is composed of these.
                conv(T_s x) = T_s conv(x) for all s in ℤ²
                    \operatorname{conv}(T_s x) = T_s \operatorname{conv}(x) \quad \text{for all } s \in
                    \mathbf{Z}^2
            Equivariance followed by a sum over all places, of which a translation only changes the order, is
            invariance.
                Σ_p conv(T_s x)(p) = Σ_p conv(x)(p − s) = Σ_p conv(x)(p)
                    \sum_p \operatorname{conv}(T_s x)(p) = \sum_p \operatorname{conv}(x)(p - s) = \sum_p
                    \operatorname{conv}(x)(p)
        """),
        {
            "on grids without a border a convolution commutes with every translation": (
                identity("a tap at any offset, any image and any shift", [moved - ours]),
                exact(
                    "the reference convolution (k = 1, 2, 3, 5; whole weights), 30 shifts of a 6 × 5 torus: of "
                    "all moves of the output exactly the claimed one fits, bit by bit",
                    held,
                ),
            ),
            "it is not invariant: for any s ≠ 0 the output of some image is another": (
                known(
                    "a tap reads pixel p + u − s in place of p + u: another one for any s ≠ 0, and on a torus of "
                    "n places for any 0 < s < n",
                    [(by(away), "nonzero"), (by(part), "positive"), (period - by(part), "positive")],
                ),
                not_identity(
                    "a tap of an image of which nothing is known, moved by 1",
                    _tap((u, v), (p - by(1), q)) - _tap((u, v), (p, q)),
                ),
                exact("the output of the reference convolution changes, at all of the shifts but 0", changed),
            ),
            "the sum or mean over all places of a torus is": (
                identity("a sum of n places is the same turned by one, any n, and so by any number", [_turned()]),
                exact("the sum of the reference convolution's output, at all of the shifts, bit by bit", sums),
            ),
        },
    )


def _within_a_period() -> tuple[Any, Any]:
    """Any 0 < r < P, and P."""
    i, j = sympy.symbols("i j", integer=True, nonnegative=True)
    return 1 + i, 2 + i + j


def _turned() -> tuple[Any, Any]:
    """Σ_{p<n} y(p) and y(n − 1) + Σ_{0<p<n} y(p − 1), by the sums F up to a place: F(p + 1) − F(p) = y(p)."""
    n, total = sympy.Symbol("n", integer=True, positive=True), sympy.Function("F")
    last = total(n) - total(n - 1)
    return total(n) - total(0), last + (total(n - 1) - total(0))


# -- patches ----------------------------------------------------------------------------------------


def whole_steps(s: Any, P: Any) -> Any:
    """s/P where P divides s, else None."""
    return s / P if s % P == 0 else None


def _on_axes(moves: Moves, shift: tuple[int, int], size: int, grid: tuple[int, int]) -> list[tuple[int, int]]:
    """The one claimed move of the output on a torus, or none."""
    t = [moves(s, size) for s in shift]
    return [] if None in t else [(int(t[0]) % grid[0], int(t[1]) % grid[1])]


def _or_stays(move: Any) -> Any:
    return 0 if move is None else move


def _patches(module: Any) -> Callable[[Any], Any]:
    return lambda x: module(x.permute(0, 3, 1, 2))


@statement(
    "patch_translation",
    "Patch embedding moves with whole patches alone",
    "On ℤ² or a torus of whole patches of P × P there is a t with E(T_s x) = T_t E(x) for all images and weights "
    "exactly where P divides both parts of s, and then t = s/P: the group is Pℤ². For any other shift there are "
    "weights and an image that make all tokens 1 before it and 0 after it",
    "Dosovitskiy et al. 2021 (ViT), eq. 1",
)
def patch_translation(moves: Moves = whole_steps) -> Demonstration:
    """A tap of stride P commutes with shifts by Pt; the module on all shifts of a torus, bit by bit."""
    from ..reference.embedding import PatchEmbedding

    p, q, s, t, u, v = _letters()
    P = sympy.Symbol("P", integer=True, positive=True)
    moved = _tap((u, v), (P * p - P * s, P * q - P * t))
    ours = _tap((u, v), (P * (p - _or_stays(moves(P * s, P))), P * (q - _or_stays(moves(P * t, P)))))
    part, period = _within_a_period()
    image, held = numbers(1, 12, 12, 3), []
    for size in (1, 2, 3, 4):
        module = whole(PatchEmbedding(2, size), seed=size)
        grid = (12 // size, 12 // size)
        held += [
            fitting_moves(_patches(module), image, shift) == _on_axes(moves, shift, size, grid)
            for shift in product(range(12), range(0, 12, 5))
        ]
    return Demonstration(
        derivation(r"""
            Token p reads pixel Pp + u through the weight at u.
                E(T_{Pt} x)(p) = Σ_u W(u) x(Pp + u − Pt) = Σ_u W(u) x(P(p − t) + u) = E(x)(p − t)
                    E(T_{Pt} x)(p) = \sum_u W(u)\, x(Pp + u - Pt) = \sum_u W(u)\, x(P(p - t) + u) = E(x)(p - t)
            Where P does not divide s: let W read the first pixel of a patch alone, and let x be 1 at these and 0
            elsewhere. Moved by s, none of them is a first pixel.
                s ∉ Pℤ²: E(T_s x) = 0 ≠ 1 = T_t E(x) for every t
                    s \notin P\mathbf{Z}^2: \quad E(T_s x) = 0 \neq 1 = T_t E(x) \text{ for every } t
        """),
        {
            "where P divides both parts of s, E(T_s x) = T_{s/P} E(x) for all images and weights": (
                identity("a tap at any offset, P and shift by multiples of P symbols", [moved - ours]),
                exact(
                    "the reference module (P = 1 … 4; whole weights) on a 12 × 12 torus, 36 shifts each: of all "
                    "moves of the tokens the claimed one fits bit by bit, or none",
                    held,
                ),
            ),
            "for any other shift there are weights and an image that make all tokens 1 before and 0 after": (
                known(
                    "a first pixel that moves by u·P + r, 0 < r < P, is no first pixel: r/P is not whole",
                    [(part, "positive"), (period - part, "positive")],
                ),
                exact(
                    "1 at first pixels and a W that reads them: all tokens are 1 where P divides the shift, else "
                    "0 (P = 2 … 4, every shift within a patch)",
                    _first_pixels(moves),
                ),
            ),
        },
    )


def _first_pixels(moves: Moves) -> list[bool]:
    from ..reference.embedding import PatchEmbedding

    held = []
    for P, dy, dx in product((2, 3, 4), range(4), range(4)):
        module = whole(PatchEmbedding(1, P, channels=1))
        image = torch.zeros(1, 1, 2 * P, 2 * P, dtype=torch.float64)
        image[0, 0, dy % P :: P, dx % P :: P] = 1
        with torch.no_grad():
            module.proj.weight.zero_()[0, 0, 0, 0] = 1
            module.proj.bias.zero_()
            tokens = module(image)
        stays = moves(dy, P) is not None and moves(dx, P) is not None
        held.append(torch.equal(tokens, torch.full_like(tokens, float(stays))))
    return held


# -- windows ----------------------------------------------------------------------------------------


def within(s: Any, M: Any) -> Any:
    """s where M divides it, else None."""
    return s if s % M == 0 else None


_AS_SCORES = 2.0**22
"""What makes a bias of one digit as large as the scores of whole tokens, a power of two so that it stays exact."""


def window_layer(
    h: int, w: int, M: int, shift: bool = False, sharp: bool = True, masked: bool = False
) -> Callable[[Any], Any]:
    """Reference window attention, whole weights, ``sharp`` where it picks one token, ``masked`` with its mask."""

    from ..reference.windows import WindowAttention

    module = whole(WindowAttention(h, w, 8, 2, M, shift), seed=M, most=9 if sharp else 1)
    if sharp:
        sharpened(module.attention)
        with torch.no_grad():
            module.bias_table *= SHARP * _AS_SCORES  # else it would decide nothing
    if not masked:
        module.mask = None  # it stands for the border, which a torus has not
    return lambda x: module(x)


@statement(
    "window_translation",
    "Windows move by whole windows alone",
    "On ℤ² or a torus of whole windows, window attention of M × M, with its relative position bias, commutes "
    "with T_s for all tokens and weights exactly where M divides both parts of s: the group is Mℤ². So do "
    "shifted windows; on a finite grid their mask and the padding mark the border",
    "Liu et al. 2021 (Swin), §3.2 and eq. 4",
)
def window_translation(moves: Moves = within, marked: bool = True) -> Demonstration:
    """Windows are numbered by floors, biases by differences; the module on all shifts of a torus, bit by bit."""
    p, q, s, _, _, _ = _letters()
    M = sympy.Symbol("M", integer=True, positive=True)
    number = sympy.floor(sympy.expand((p - M * s) / M))
    moved = _or_stays(moves(M * s, M))
    grid, held, rolled = (6, 6), [], []
    x = numbers(1, *grid, 8)
    for size in (1, 2, 3, 6):
        for shift in product(range(grid[0]), range(grid[1])):
            claimed = _on_axes(moves, shift, size, grid)
            held.append(fitting_moves(window_layer(*grid, size), x, shift) == claimed)
            rolled.append(fitting_moves(window_layer(*grid, size, shift=True), x, shift) == claimed)
    turn = sympy.Symbol("r", integer=True)  # by which every second layer's windows are shifted
    turned = sympy.floor(sympy.expand((p - turn - M * s) / M)) - (
        sympy.floor(sympy.expand((p - turn) / M)) - moved / M
    )
    step, side = _within_a_period()
    # s = 0·M + s and M − 1 + s = 1·M + (s − 1): the quotients are 0 and 1 where these are remainders
    first, last = step, side - 1 + step - side
    remainders = [
        (first, "nonnegative"),
        (last, "nonnegative"),
        (side - first, "positive"),
        (side - last, "positive"),
    ]
    remainders.append((last - first - (side - 1), "negative"))  # where both are in one window again
    border = [
        bool(fitting_moves(window_layer(h, w, size, shift, masked=shift), numbers(1, h, w, 8), (size, 0)))
        != marked
        for h, w, size, shift in ((6, 6, 2, True), (6, 6, 3, True), (5, 6, 2, False), (7, 6, 3, False))
    ]
    return Demonstration(
        derivation(r"""
            Windows are numbered by ⌊p/M⌋. A shift by Mt changes every number by t: windows go to windows.
                ⌊(p − Mt)/M⌋ = ⌊p/M⌋ − t
                    \lfloor (p - Mt)/M \rfloor = \lfloor p/M \rfloor - t
            Within a window attention does not see places but through the bias, which is of differences.
                (p − Mt) − (q − Mt) = p − q
                    (p - Mt) - (q - Mt) = p - q
            A shift by s with 0 < s < M parts tokens 0 and M − 1 of one window; on a torus of one window they meet
            again, where what was M − 1 apart is −1 apart and has another bias.
                ⌊s/M⌋ = 0, ⌊(M − 1 + s)/M⌋ = 1
                    \lfloor s/M \rfloor = 0, \quad \lfloor (M - 1 + s)/M \rfloor = 1
        """),
        {
            "where M divides both parts of s, window attention commutes with T_s": (
                identity(
                    "numbers of windows, for any p, t and M; differences within",
                    [number - (sympy.floor(p / M) - moved / M), (p - moved) - (q - moved) - (p - q)],
                ),
                exact(
                    "the reference module (M = 1, 2, 3, 6; whole weights and bias), all 36 shifts of a 6 × 6 "
                    "torus: of all moves the claimed one fits bit by bit, or none",
                    held,
                ),
            ),
            "for any other shift it does not": (
                known(
                    "a shift by any 0 < s < M parts the first and the last token of a window, or, on a torus of "
                    "one window, makes −1 of their distance of M − 1",
                    remainders,
                ),
                exact("the reference module on the same shifts", held),
            ),
            "shifted windows commute with the same": (
                identity("numbers of windows that are shifted by any r", [turned]),
                exact("shifted windows without their mask, on the same shifts", rolled),
            ),
            "on a finite grid their mask and the padding mark the border": (
                exact("with the mask, or on a side that M does not divide, not even a whole window fits", border),
            ),
        },
    )


# -- locality and invariance ------------------------------------------------------------------------


_TORUS = (6, 6)


def _attention_layer(positions: bool, sharp: bool) -> Callable[[Any], Any]:
    """Reference self-attention on a flattened grid, whole weights, with or without a table of positions."""
    from ..reference.attention import SelfAttention

    module, table = whole(SelfAttention(8, 2), seed=1, most=9 if sharp else 1), numbers(1, *_TORUS, 8, seed=5)
    if sharp:
        sharpened(module)

    def layer(x: Any) -> Any:
        placed = x + table / (1 if sharp else 1000) if positions else x
        return module(placed.flatten(1, 2)).reshape(x.shape)

    return layer


STEPS: Mapping[str, int] = {
    "convolution, 3 × 3": 1,
    "self-attention": 1,
    "self-attention with positions": 6,
    "window attention, M = 3": 3,
    "patch embedding, P = 2": 2,
}
"""Layer to the m of its group mℤ² on a torus of side 6; 6 is no translation but none."""

READS: Mapping[str, int] = {**dict.fromkeys(STEPS, 9), **dict.fromkeys(list(STEPS)[1:3], 36), list(STEPS)[-1]: 4}
"""How many of the 36 places of its input one token of a layer's output depends on."""


def _layers(sharp: bool) -> Mapping[str, Callable[[Any], Any]]:
    """The layers of :data:`STEPS` on grids (1, 6, 6, 8)."""
    from ..reference.embedding import PatchEmbedding

    return {
        "convolution, 3 × 3": on_torus(3, 8),
        "self-attention": _attention_layer(False, sharp),
        "self-attention with positions": _attention_layer(True, sharp),
        "window attention, M = 3": window_layer(*_TORUS, 3, sharp=sharp),
        "patch embedding, P = 2": _patches(whole(PatchEmbedding(8, 2, channels=8), seed=2)),
    }


def _places_read(layer: Callable[[Any], Any]) -> int:
    """Places of the input that have a gradient from one token of the output."""
    x = (numbers(1, *_TORUS, 8, seed=3) / 1000).requires_grad_()
    (gradient,) = torch.autograd.grad((layer(x)[0, 1, 1] * numbers(8, seed=4)).sum(), x)
    return int((gradient != 0).any(-1).sum())


@statement(
    "locality_and_invariance",
    "What Transformers lack is locality",
    "On a torus, neither convolution nor attention is invariant to translation; they are equivariant. "
    "Self-attention without positions is so under all translations, as under all permutations of its tokens; a "
    "learned position for each token in general leaves no translation, patches leave Pℤ², windows Mℤ². Pooling "
    "over all tokens makes invariance of equivariance, in a ViT without positions under Pℤ². What attention "
    "lacks beside convolution is locality: a token reads all n",
    "Dosovitskiy et al. 2021 (ViT), §1, 'translation equivariance and locality'; lectures say 'invariance'",
)
def locality_and_invariance(
    steps: Mapping[str, int] = STEPS,
    permutes: str = "self-attention",
    reads: Mapping[str, int] = READS,
    pooled: Callable[[Any], Any] = lambda tokens: tokens.mean(1),
) -> Demonstration:
    """All translations of a torus, layer by layer; permutations; a small ViT; all bit by bit but the last."""
    layers, x = _layers(sharp=True), numbers(1, *_TORUS, 8)
    rows, groups, symmetric = [], [], []
    order = torch.randperm(36, generator=torch.Generator().manual_seed(1))

    def permuted(grid: Any) -> Any:
        return grid.flatten(1, 2)[:, order].reshape(grid.shape)

    for name, layer in layers.items():
        shifts = [s for s in product(range(_TORUS[0]), range(_TORUS[1])) if fitting_moves(layer, x, s)]
        m = steps[name]
        groups.append(shifts == [s for s in product(range(6), range(6)) if s[0] % m == 0 and s[1] % m == 0])
        groups.append(not torch.equal(layer(roll(x, 0, m % 6 or 1)), layer(x)))
        if not name.startswith("patch"):
            symmetric.append(torch.equal(layer(permuted(x)), permuted(layer(x))) == (name == permutes))
        group = "none" if m == 6 else "ℤ²" if m == 1 else f"{m}ℤ²"
        rows.append((name, group, len(shifts), reads[name], "S_n" if name == permutes else "–"))
    columns = (
        Column("layer", "Layer"),
        Column("group", "Translations"),
        Column("shifts", "Of 36", Kind.NUMBER),
        Column("reads", "Reads", Kind.NUMBER),
        Column("permutations", "Permutations"),
    )
    note = "reads: of how many of the 36 places one token of the output depends"
    return Demonstration(
        derivation(r"""
            Equivariant: the output moves with the input. Invariant: it stays.
                f(T_s x) = T_s f(x) against f(T_s x) = f(x)
                    f(T_s x) = T_s f(x) \quad \text{against} \quad f(T_s x) = f(x)
            Translations of a torus are permutations of its tokens, and attention commutes with all of these.
                attention(PX) = P attention(X) for P in S_n, T_s in S_n
                    \operatorname{attention}(PX) = P \operatorname{attention}(X), \quad P \in S_n \ni T_s
            Positions belong to places: they do not move with the tokens.
                T_s x + E ≠ T_s(x + E)
                    T_s x + E \neq T_s(x + E)
        """),
        {
            "on a torus no layer is invariant: they move with all translations, with Pℤ², with Mℤ² or with none": (
                exact(
                    "translations of a 6 × 6 torus that commute, for each layer, and that its output changes, bit "
                    "by bit",
                    groups,
                ),
            ),
            "self-attention without positions is equivariant to all permutations of its tokens": (
                exact("a permutation commutes with self-attention alone, bit by bit", symmetric),
            ),
            "pooling over all tokens makes invariance of it, in a ViT without positions under Pℤ²": (
                *_pooled_vit(pooled),
            ),
            "what attention lacks beside convolution is locality: a token reads all n": (
                exact(
                    "how many places have a gradient from one token of the output",
                    [_places_read(layer) == reads[name] for name, layer in _layers(sharp=False).items()],
                ),
            ),
        },
        tables=(Table("What layers commute with on a torus of 6 × 6", columns, tuple(rows), (note,)),),
        correction="'lacks invariance to translation' is not what parts attention from convolution: neither is "
        "invariant, both are equivariant, attention even under every permutation until positions are added; "
        "locality is what attention lacks",
    )


def _pooled_vit(pooled: Callable[[Any], Any]) -> list[Evidence]:
    """The pooled tokens of a small ViT, without and with positions, of an image that is moved."""
    from ..reference.vit import ViT

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(4)
        vit = ViT(16, 16, 8, 2, 2, 4, 2, 3).double().eval()
        image = torch.randn(1, 3, 16, 16, dtype=torch.float64)

        def found(by: int) -> Any:
            tokens = vit.patches(image.roll((by, by), dims=(2, 3))).flatten(1, 2)
            return pooled(vit.blocks(vit.positions(vit.class_token(tokens)))[:, 1:])

        patch, pixel = relative_error(found(4), found(0)), relative_error(found(1), found(0))
        vit.positions.positions.normal_()
        placed = relative_error(found(4), found(0))
    return [
        close(
            "a ViT's pooled tokens without positions, image moved by one patch: unchanged, float64", patch, 1e-12
        ),
        far("moved by one pixel it changes, float64", pixel, 1e-3),
        far("with positions it changes, float64", placed, 1e-3),
    ]
