"""What tokens see: the class token's reach, and the pixels that each block of a whole model sees through "
"strides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..architectures import ARCHITECTURES
from ..report import Column, Kind, Table
from . import graphs
from .evidence import exact
from .libraries import torch
from .registry import Demonstration, derivation, statement
from .table1 import shifted_blocks

# -- the class token --------------------------------------------------------------------------------


@statement(
    "class_token_reach",
    "What the class token reaches",
    "Before the first block the class token depends on no patch, from block 1 on on all, and so does every "
    "other token. Block 1 gives it a weighted sum of values that are each of one patch at most; from block 2 on a "
    "patch, if there are two or more, also reaches it through others. That says what it can hold, not what it "
    "comes to hold. PVT v1's joins in the last stage, and reads what that stage reads",
    "Dosovitskiy et al. 2021 (ViT), eq. 1-4; a lecture: it comes to hold 'global information'",
)
def class_token_reach(first: int = 1, through_others: int = 2, pvt_stage: int = 4) -> Demonstration:
    """Reach in graphs of n + 1 tokens, and gradients of blocks of the reference ViT."""
    patches, blocks = 6, 3
    graph_held, module_held, indirect = [], [], {}
    for depth in range(blocks + 1):
        graph, sources, outputs = graphs.run([graphs.attend(graphs.everyone)] * depth, patches + 1)
        seen = graph.reach(sources, outputs)
        of_class = [seen[patch][0] for patch in range(1, patches + 1)]
        graph_held.append(of_class == [depth >= first] * patches)
        graph_held.append(all(map(all, seen)) == (depth >= first))  # the other tokens too
        measured = _class_gradients(depth, patches, direct=True)
        module_held.append(measured == [depth >= first] * patches)
        indirect[depth] = _class_gradients(depth, patches, direct=False) == [depth >= through_others] * patches
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        in_pvt = [_pvt_stage_has_class_token(stage) == (stage == pvt_stage) for stage in (1, 2, 3, 4)]
    return Demonstration(
        derivation(r"""
            Eq. 1: the class token is a parameter, whatever the image.
                z_0 = [x_class; x_1 E; …; x_N E] + E_pos
                    z_0 = [x_{\text{class}};\, x_1 E;\, \dots;\, x_N E] + E_{pos}
            The attention of a block, here without norms and W^O, adds a weighted mean over all tokens.
                z_1(class) = z_0(class) + Σ_j p_j V z_0(j): z_0(j) of patch j alone, z_0(class) of none
                    z_1^{\text{class}} = z_0^{\text{class}} + \sum_j p_j V z_0^{(j)}
            From the second on what is added has met.
                patch i → patch j → class
                    i \to j \to \text{class}
        """),
        {
            "before the first block the class token depends on no patch, from block 1 on on all, as every token": (
                exact("reach after 0, 1, 2 and 3 blocks, in the graph", graph_held),
                exact("gradients to each patch, in blocks of the reference ViT", module_held),
            ),
            "block 1 gives it values that are each of one patch at most": (
                exact(
                    "no gradient to a patch at which it does not look itself, after no block and one",
                    [indirect[0], indirect[1]],
                ),
            ),
            "from block 2 on a patch also reaches it through others": (
                exact(
                    "a gradient to each patch at which it does not look in any block", [indirect[2], indirect[3]]
                ),
            ),
            "PVT v1's joins in the last stage": (
                exact("of the four stages of the reference module the last alone has one", in_pvt),
            ),
        },
    )


def _class_gradients(depth: int, patches: int, direct: bool) -> list[bool]:
    """For each patch whether the class token has a gradient to it after so many blocks of the reference ViT.

    Without ``direct`` the class token does not look at that patch itself, in any block.
    """
    from ..reference.vit import ViTBlock

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(depth)
        blocks = [ViTBlock(8, 2, 2).double() for _ in range(depth)]
        tokens = torch.randn(1, patches + 1, 8, dtype=torch.float64)
    found = []
    for patch in range(1, patches + 1):
        x = tokens.clone().requires_grad_()
        bias = torch.zeros(patches + 1, patches + 1, dtype=torch.float64)
        if not direct:
            bias[0, patch] = float("-inf")
        z = x
        for block in blocks:
            z = z + block.attention(block.norm1(z), bias)
            z = z + block.ffn(block.norm2(z))
        weights = torch.arange(1.0, 9.0, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((z[0, 0] * weights).sum(), x)
        found.append(bool((gradient[0, patch] != 0).any()))
    return found


def _config(id: str) -> dict[str, Any]:
    return dict(ARCHITECTURES[id].config)


def _pvt_stage_has_class_token(number: int) -> bool:
    from ..reference.pvt import PVT

    config = {**_config("pvt_tiny"), "C": (8, 8, 8, 8), "heads": (1, 1, 1, 1), "classes": 2}
    stage: Any = PVT(**config).stages[number - 1]
    return stage.class_token is not None


# -- pixels along one axis --------------------------------------------------------------------------

Interval = tuple[int, int]
"""From a pixel up to before another, along one axis: of all layers here what a token sees is a product of two."""


class Sight(NamedTuple):
    """After a block of a stage (0: as the stage opens): for each token along an axis the pixels that it sees."""

    stage: int
    block: int
    seen: list[Interval]

    @property
    def narrowest(self) -> int:
        """The fewest pixels that any token sees."""
        return min(end - start for start, end in self.seen)

    @property
    def widest(self) -> int:
        """The most pixels that any token sees."""
        return max(end - start for start, end in self.seen)


def gathered(seen: Sequence[Interval], reads: Iterable[Iterable[int]]) -> list[Interval]:
    """Each new token sees what the tokens that it reads saw; they lie side by side."""
    found = []
    for tokens in reads:
        read = [seen[token] for token in tokens]
        found.append((min(start for start, _ in read), max(end for _, end in read)))
    return found


def in_windows(n: int, M: int, shift: int) -> list[list[int]]:
    """For each of n tokens along an axis those of its window."""
    groups: dict[int, list[int]] = {}
    for token in range(n):
        groups.setdefault((token - shift) // M, []).append(token)
    return [groups[(token - shift) // M] for token in range(n)]


def swin_axis(pixels: int, depths: Sequence[int], M: int, P: int) -> Iterator[Sight]:
    """Swin: patches, windows that are shifted in every second block, merging before each stage but the first."""
    seen = [(start, min(start + P, pixels)) for start in range(0, pixels, P)]
    for stage, depth in enumerate(depths, start=1):
        if stage > 1:
            seen = gathered(seen, [range(i, min(i + 2, len(seen))) for i in range(0, len(seen), 2)])
        yield Sight(stage, 0, seen)
        window = min(M, len(seen))
        for block in range(depth):
            shift = window // 2 if block % 2 and len(seen) > window else 0
            seen = gathered(seen, in_windows(len(seen), window, shift))
            yield Sight(stage, block + 1, seen)


def all_axis(pixels: int, depths: Sequence[int], strides: Sequence[int], overlap: bool = False) -> Iterator[Sight]:
    """ViT and PVT: a stage opens with patches that may overlap, and each of its blocks sees all its tokens."""
    seen = [(pixel, pixel + 1) for pixel in range(pixels)]
    for stage, (depth, s) in enumerate(zip(depths, strides, strict=True), start=1):
        n, before, after = len(seen), s - 1 if overlap else 0, s
        count = -(-n // s) if overlap else n // s
        seen = gathered(seen, [range(max(i * s - before, 0), min(i * s + after, n)) for i in range(count)])
        yield Sight(stage, 0, seen)
        for block in range(depth):
            seen = gathered(seen, [range(len(seen))] * len(seen))
            yield Sight(stage, block + 1, seen)


def models(pixels: int) -> Mapping[str, list[Sight]]:
    """Models of the lecture by name, at a square image."""
    vit, swin, pvt, v2 = (_config(id) for id in ("vit_b_16", "swin_t", "pvt_small", "pvt_v2_b2"))
    return {
        "ViT-B/16": list(all_axis(pixels, (vit["depth"],), (vit["P"],))),
        "PVT-Small": list(all_axis(pixels, pvt["depths"], pvt["P"])),
        "PVT v2-B2": list(all_axis(pixels, v2["depths"], v2["S"], overlap=True)),
        "Swin-T": list(swin_axis(pixels, swin["depths"], swin["M"], swin["P"])),
    }


SEEN: Mapping[tuple[int, int], tuple[int, int]] = {
    (1, 1): (28, 28),
    (1, 2): (28, 56),
    (2, 1): (84, 112),
    (2, 2): (84, 168),
    (3, 1): (196, 196),
    (3, 2): (196, 224),
    (3, 3): (224, 224),
}
"""Swin-T at 224: stage and block to the fewest and the most pixels a side that a token of it sees."""


WHOLE: Mapping[str, tuple[int, int] | None] = {
    **dict.fromkeys(("ViT-B/16", "PVT-Small", "PVT v2-B2"), (1, 1)),
    "Swin-T": (3, 3),
}
"""Stage and block from which on every token sees every pixel at 224."""


@statement(
    "pixels_seen",
    "How many pixels a block sees",
    "At 224 × 224, every token of ViT-B/16, PVT-Small and PVT v2-B2 sees the whole image from the first block "
    "on. In Swin-T a token sees 28 pixels a side after its first block, 28 to 56 after stage 1, 84 to 168 after "
    "stage 2, and the image from the third block of stage 3 on, the 7th of 12; at 800 × 800 some never do. By "
    "windows alone, M ≥ 2, shifted in every second block, a stage of more than M tokens a side needs 2⌈side/M⌉ "
    "− 1 blocks until all see all: 15, 7 and 3 where Swin-T has 2, 2 and 6",
    "Liu et al. 2021 (Swin), §3.1 and §3.2; a lecture: merging makes 'larger receptive fields'",
)
def pixels_seen(
    seen: Mapping[tuple[int, int], tuple[int, int]] = SEEN,
    needed: Callable[[int, int], int | None] = shifted_blocks,
    whole: Mapping[str, tuple[int, int] | None] = WHOLE,
    at_800: Mapping[str, tuple[int, int] | None] = {"ViT-B/16": (1, 1), "Swin-T": None},
) -> Demonstration:
    """Intervals carried from block to block; gradients of a narrow Swin-T to the pixels; stages on their own."""
    stages = models(224)
    swin = {(one.stage, one.block): one for one in stages["Swin-T"]}
    bounds = [(swin[at].narrowest, swin[at].widest) == claimed for at, claimed in seen.items()]
    bounds.append(set(seen) == {at for at in swin if at[1] and at <= max(seen)})
    blocks = [_blocks_needed(side, M) == needed(side, M) for M in range(2, 10) for side in range(M + 1, 41)]
    blocks += [_blocks_needed(side, 7) == needed(side, 7) for side in (56, 28, 14)]
    firsts = {name: _first_whole(stages[name], 224) == at for name, at in whole.items()}
    large = models(800)
    at_large = [_first_whole(large[name], 800) == at for name, at in at_800.items()]
    rows = []
    for name, sights in stages.items():
        for stage in sorted({one.stage for one in sights}):
            opened, *inside = [one for one in sights if one.stage == stage]
            side = len(opened.seen)
            alone = "1" if name != "Swin-T" or side <= 7 else str(needed(side, 7))
            after = inside[-1]
            rows.append((name, stage, side, _span(opened), len(inside), alone, _span(after)))
    columns = (
        Column("model", "Model"),
        Column("stage", "Stage", Kind.NUMBER),
        Column("side", "Tokens", Kind.NUMBER),
        Column("opens", "Pixels, as it opens"),
        Column("blocks", "Blocks", Kind.NUMBER),
        Column("needed", "Needed"),
        Column("after", "Pixels, after them"),
    )
    note = "tokens and pixels along a side; needed: blocks until all tokens of the stage see all of them"
    return Demonstration(
        derivation(r"""
            What a token sees is what the tokens that it reads have seen; along an axis an interval of pixels.
                seen(i) = ∪_{j read by i} seen(j)
                    \operatorname{seen}(i) = \bigcup_{j \text{ read by } i} \operatorname{seen}(j)
            Within a stage of Swin, as in windows_never_meet: a window, then a shifted one that joins two, in turn.
                ⌈side/M⌉ + (⌈side/M⌉ − 1)
                    \lceil \text{side}/M \rceil + (\lceil \text{side}/M \rceil - 1)
            Merging doubles the pixels of a step, and what was seen stays seen.
                stage s: a window is 4 · 2^(s − 1) · M pixels wide
                    \text{stage } s: \quad \text{a window is } 4 \cdot 2^{s-1} M \text{ pixels wide}
        """),
        {
            "every token of ViT-B/16, PVT-Small and PVT v2-B2 sees the whole image from the first block on": (
                exact(
                    "intervals of pixels, block by block, at 224",
                    [held for name, held in firsts.items() if name != "Swin-T"],
                ),
            ),
            "in Swin-T a token sees 28 pixels a side after a block, 28 to 56 and 84 to 168 after stages 1 and 2": (
                exact("fewest and most pixels a side, after each block up to the first that sees all", bounds),
                exact(
                    "gradients to the pixels, of a token of each of these blocks in the reference Swin with 4 "
                    "channels",
                    _swin_gradients(swin, tuple(seen)),
                ),
            ),
            "and the image from the third block of stage 3 on, the 7th of 12": (
                exact("the narrowest interval, block by block, at 224", [firsts["Swin-T"]]),
            ),
            "at 800 × 800 some never do": (exact("the same at 800, beside ViT-B/16", at_large),),
            "by windows alone a stage needs 2⌈side/M⌉ − 1 blocks until all see all: 15, 7 and 3 where Swin-T has "
            "2, 2 and 6": (
                exact("tokens of an axis: M = 2 … 9, sides up to 40, and stages 1 to 3 of Swin-T", blocks),
            ),
        },
        tables=(Table("Pixels that a token sees at 224 × 224", columns, tuple(rows), (note,)),),
    )


def _span(sight: Sight) -> str:
    ends = sorted({sight.narrowest, sight.widest})
    return " to ".join(map(str, ends))


def _first_whole(sights: Sequence[Sight], pixels: int) -> tuple[int, int] | None:
    """Stage and block from which on the narrowest sight is the image's side; None if never."""
    return next(((one.stage, one.block) for one in sights if one.narrowest == pixels), None)


def _blocks_needed(side: int, M: int) -> int:
    """Blocks of windows and shifted windows in turn, on their own, until each token of an axis sees all."""
    seen, blocks = [(token, token + 1) for token in range(side)], 0
    while any(end - start < side for start, end in seen):
        seen = gathered(seen, in_windows(side, M, M // 2 if blocks % 2 else 0))
        blocks += 1
    return blocks


def _swin_gradients(swin: Mapping[tuple[int, int], Sight], blocks: Sequence[tuple[int, int]]) -> list[bool]:
    """Rows and columns of pixels that have a gradient from a token of each block, against the intervals."""
    from ..reference.swin import Swin

    depths = _config("swin_t")["depths"][: max(stage for stage, _ in blocks)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        settings = {"heads": (1,) * len(depths), "M": 7, "P": 4, "r": 1}
        model = Swin(224, 224, 4, depths, 2, **settings).double()
        x = image = torch.randn(1, 3, 224, 224, dtype=torch.float64, requires_grad=True)
    places = [(stage, block) for stage, depth in enumerate(depths, start=1) for block in range(depth + 1)]
    held = []
    for module, at in zip(model.stages, places, strict=True):
        x = module(x)
        if at not in blocks:
            continue
        side = x.shape[1]
        y, z = side // 2, side // 3
        weights = torch.arange(1.0, x.shape[-1] + 1, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((x[0, y, z] * weights).sum(), image, retain_graph=True)
        lit = (gradient[0] != 0).any(0)
        expected = torch.zeros_like(lit)
        (top, bottom), (left, right) = swin[at].seen[y], swin[at].seen[z]
        expected[top:bottom, left:right] = True
        held.append(torch.equal(lit, expected))
    return held
