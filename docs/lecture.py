"""The page ``lecture.md``: what a lecture says, item by item, the command that answers, its verdict, what is true.

``python docs/lecture.py`` writes it. Verdicts of statements are those on record (``python docs/verdicts.py``);
those of other commands are computed when the page is written, and so are the figures in its sentences.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import vpcalc
from vpcalc.answers.theory import Settled
from vpcalc.statements import STATEMENTS
from vpcalc.statements.patches import embedding_shares
from vpcalc.statements.table1 import shifted_blocks
from vpcalc.statements.window_costs import STAGES

PAGE = Path(__file__).with_name("lecture.md")
NOT_JUDGED = "cited, not judged"


class Command(NamedTuple):
    """A command that is no statement; ``verdict`` runs it."""

    line: str
    verdict: Callable[[], str]


class Item(NamedTuple):
    """What the lecture says, what answers it (names of statements, other commands), and what is true."""

    says: str
    answers: tuple[str | Command, ...]
    true: str


def _t5() -> dict[str, Any]:
    rows: list[dict[str, Any]] = vpcalc.reproduce("t5").to_dict()["rows"]
    return next(row for row in rows if row["printed"] == "11110 M")


REPRODUCE = Command("reproduce t5", lambda: "agrees" if _t5()["agrees"] else "differs")
PIXELS = Command("compare --h 512 --w 512 --C 96 --rows msa", lambda: _compared(512, 96, ["msa"]))
STAGE = Command("compare --h 56 --w 56 --C 96 --M 7 --rows msa,wmsa", lambda: _compared(56, 96, ["msa", "wmsa"]))
VIT = Command("model vit_b_16 --input 512", lambda: str(vpcalc.model("vit_b_16", input=512).to_dict()["verdict"]))
FORMS = ["retention", "retention_recurrent", "retention_chunkwise"]
RETENTION = Command(f"compare --h 56 --w 56 --C 96 --rows {','.join(FORMS)}", lambda: _compared(56, 96, FORMS))
NONE = Command("", lambda: NOT_JUDGED)
ONE_LAYER = Command("compare --h 56 --w 56 --C 96 --rows msa", lambda: _compared(56, 96, ["msa"]))


def _compared(side: int, C: int, rows: list[str]) -> str:
    verdicts = {row["verdict"] for row in _rows(side, C, rows)}
    return "agrees" if verdicts == {"agrees"} else "differs"


def _rows(side: int, C: int, rows: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = vpcalc.compare(h=side, w=side, C=C, rows=rows).to_dict()["rows"]
    return found


def items() -> list[Item]:
    """All 38, in order."""
    msa = _rows(512, 96, ["msa"])[0]
    t5 = _t5()
    needed = ", ".join(str(shifted_blocks(side, 7)) for side in (56, 28, 14))
    share = embedding_shares("pvt_small", (224, 224))[-1][-1]
    return [
        Item(
            "WMT 2014 English–German: Transformer Cycle 35.14, noisy back-translation 35.0, …, “TS-11B” 32.1 "
            "with 11110M parameters",
            (NONE, REPRODUCE),
            f"BLEU and ranks are data. T5-11B, with its tied matrix, has {t5['derived']:,} parameters, derived "
            f"and counted: "
            f"{t5['why']}.",
        ),
        Item(
            "O_t = g(V S_t), S_t = f(U X_t + W S_{t−1}); S_t depends on X_t and S_{t−1}",
            ("readout_cost",),
            "T(nd + n²) multiply-accumulates for the states, Tnm for m outputs. S_t reads these two alone, and "
            "through them depends on X_1 … X_t; readouts wait for nothing but their state.",
        ),
        Item(
            "∂L_t/∂U = Σ_{k=0}^{t} ∂L_t/∂o_t ∂o_t/∂s_t (∏_{j=k+1}^{t} ∂s_j/∂s_{j−1}) ∂s_k/∂U",
            ("rnn_gradient",),
            "With ∂⁺s_k/∂U, the immediate derivative, and k from 1: the total derivative counts earlier steps "
            "again.",
        ),
        Item(
            "∏ ∂s_j/∂s_{j−1} = ∏ tanh(W)",
            ("rnn_jacobian",),
            "∏ diag(f′(a_j)) W: f′ and not f, at the pre-activation and not at W, scaling the rows of W.",
        ),
        Item(
            "Gradients vanish and explode: “limitations in scaling to large models”",
            ("rnn_bound", "depth_or_length", "lstm_jacobian", "gradient_clipping"),
            "In the spectral norm the product is at most (γσ₁)^{t−k}: γσ₁ < 1 suffices to vanish, γσ₁ > 1 is "
            "necessary to explode and not sufficient. So much of length; depth has the same bound, a factor a "
            "layer, until residual connections add the identity. Of the number of parameters it says nothing "
            "but through σ₁.",
        ),
        Item(
            "Attention replaces RNN “for parallelism and efficiency”",
            ("table1_sequential", "table1_path", "attention_or_recurrence"),
            "Operations one after the other O(1) against O(n), paths 1 against n. The products in which tokens "
            "meet cost less where n < d; the whole layer never costs less than an RNN of that width, and less "
            "than an LSTM where n < 2d.",
        ),
        Item(
            "Attention “preserves key information over distances”",
            ("attention_gradient",),
            "Between any two tokens the gradient has one factor, whatever their distance; but n tokens share "
            "it, and to each it falls as 1/n on average.",
        ),
        Item(
            "“Concentrating attention on crucial information saves resources”",
            ("attention_computes_all",),
            "All n² scores of each head and all products with values are computed, whatever weights come out.",
        ),
        Item(
            "Attention(Q, K, V) = softmax(QKᵀ/√d_k) V; Q = XW_Q, K = XW_K, V = XW_V",
            ("head_rank", "softmax_distribution", ONE_LAYER),
            "4nC² + 2n²C with the projection back: 3nC² for Q, K and V, n²C for QKᵀ, n²C for AV, nC² (`vpcalc "
            "formula msa --steps`). The division and the softmax are no products.",
        ),
        Item(
            "The dot product is length × length × cosine, so it “reflects similarity”",
            ("dot_product_cosine", "long_key_wins"),
            "The identity holds. Keys are in the order of their cosines where they have one length; a longer "
            "key can beat a better aligned one.",
        ),
        Item(
            "Divide by √d_k “to prevent QKᵀ from becoming too large”",
            ("dot_product_variance", "softmax_saturation"),
            "For independent entries of mean 0 and variance 1 the variance is d_k, and 1 after the division; "
            "without it the softmax saturates as d_k grows.",
        ),
        Item(
            "… “preventing overflow during softmax”",
            ("exp_overflow",),
            "Softmax subtracts its largest score, so exp is at most 1 either way; QKᵀ itself can overflow, before "
            "it is divided.",
        ),
        Item(
            "A single head is “too restrictive”; heads are subspaces",
            ("head_rank",),
            "A head's scores have rank C/a at most, so one head is the least restricted in that; what it lacks "
            "is a second distribution for other channels. Products and parameters are the same for every a.",
        ),
        Item(
            "a¹a²a³a⁴ = a²a⁴a¹a³: attention does not see order (我爱她, 她爱我)",
            ("permutation_equivariance", "order_comes_back"),
            "Outputs are permuted with the tokens: equivariance, not equality. A causal mask, positions or a "
            "relative bias bring order back.",
        ),
        Item(
            "PE(pos, 2i) = sin(pos/10000^{2i/d}), PE(pos, 2i+1) = cos(…) express absolute position: unique codes",
            ("sinusoid_unique",),
            "Unique for all positions, for even d, and already by any one pair of channels.",
        ),
        Item(
            "Relative position by the addition theorems, for PE(pos + k)",
            ("sinusoid_shift", "sinusoid_distance"),
            "PE(pos + k) is linear in PE(pos) for even d, by a rotation of each pair that is the same for every "
            "pos.",
        ),
        Item(
            "“Limited value range”, not dominating the embeddings",
            ("sinusoid_bounded", "positions_beside_tokens"),
            "Entries are in [−1, 1] and ‖PE‖² = d/2 for even d: half of E‖√d x‖² = d where the embedding's "
            "entries have mean 0 and variance 1/d. Without the factor √d positions would be the longer for d > 2.",
        ),
        Item(
            "“Can be applied to sequences of any length”",
            ("sinusoid_every_length", "defined_not_learned"),
            "Defined at every length. What a network does there training on shorter ones does not settle: "
            "there are units that are 0 before N, with a gradient of 0, and not at N.",
        ),
        Item(
            "Addition ≈ concatenation: [W^I, W^P][x; p] = W^I x + W^P p",
            ("add_or_concatenate", "adding_ties"),
            "An identity. To add before the layer is to tie W^P = W^I: only the sum of token and position is "
            "left.",
        ),
        Item(
            "Feed-forward (L1, ReLU, L2) “introduces non-linearity”",
            ("linear_collapse",),
            "Without it the two layers are one, of rank at most the hidden width.",
        ),
        Item(
            "512 × 512 = 262,144 pixels as tokens: enormous load",
            (PIXELS, "one_scale_or_four"),
            f"One layer of C = 96 takes {msa['macs']:,} multiply-accumulates, and its maps, three heads in "
            f"float32, "
            f"{msa['attention_bytes'] / 2**30:,.0f} GiB.",
        ),
        Item(
            "Images are cut into patches; ViT follows the original Transformer",
            (VIT, "patch_translation"),
            "⌊H/P⌋⌊W/P⌋ tokens and a class token; rows and columns that P does not divide are dropped. Norms "
            "stand before each part and not after it, the activation is GELU, positions are learned.",
        ),
        Item(
            "The class token comes to hold “global information”",
            ("class_token_reach",),
            "It depends on every patch from block 1 on, as every other token does, and on patches through "
            "others from block 2. What it comes to hold no architecture settles.",
        ),
        Item(
            "Transformers “lack locality and invariance to translation”",
            (
                "locality_and_invariance",
                "convolution_translation",
                "patch_translation",
                "window_translation",
                "permutation_equivariance",
            ),
            "Neither convolution nor attention is invariant. Convolution is equivariant under ℤ², patch "
            "embedding under Pℤ², windows under Mℤ², attention without positions under every permutation. "
            "Locality is what attention lacks.",
        ),
        Item(
            "ViT does well on large data",
            (NONE,),
            "Empirical: Dosovitskiy et al. 2021, Figures 3 and 4.",
        ),
        Item(
            "Dense prediction: computation, memory, “the scale problem”",
            ("one_scale_or_four", "windows_save"),
            "From stride 16 to stride 4 scores and the products in which tokens meet are 256 times as many. "
            "Three more scales of a pyramid add 73/512 to these products of its first stage; it is fewer keys and "
            "windows that make that stage cheap.",
        ),
        Item(
            "High resolution has detail and little semantics, low resolution the reverse",
            ("pixels_seen",),
            "Pixels can be counted, semantics cannot. In Swin-T at 224 a token sees 28 to 56 pixels a side "
            "after stage 1, 84 to 168 after stage 2, then all; in PVT it sees all from its first block on, at "
            "its finest resolution too.",
        ),
        Item(
            "PVT's patch embedding makes features of several scales; it “significantly increases computational "
            "complexity”",
            ("patch_embedding_cost",),
            f"cHWC for any patch that divides the image: {share} of PVT-Small at 224 × 224 for all four. What "
            f"costs is "
            "attention over the many tokens of stride 4.",
        ),
        Item(
            "SRA(Q, K, V) = Concat(head_0 … head_N) W^O; SR(x) = Norm(Reshape(x, R_i) W^S)",
            ("sra_is_convolution",),
            "Reshape and product are a convolution of kernel and stride R. From 0 to N are N + 1 heads; W^O "
            "takes N.",
        ),
        Item(
            "PVT v1's 4 × 4 patches “neglect local image continuity”",
            ("patch_continuity",),
            "Neighbouring patches share no pixel. Windows of 2s − 1 over s share s − 1 columns. Neither need "
            "lose anything of a patch.",
        ),
        Item(
            "PVT v1's fixed-size positions are less effective at other sizes",
            ("positions_resized",),
            "The table is resized bilinearly, most of it unused from a third of the side on, and in the first "
            "stage torn where only the shape differs; SRA drops rows that R does not divide. How effective that "
            "is, is empirical.",
        ),
        Item(
            "PVT v2: by enlarging the patch window “the overlap area is reduced by half”",
            ("overlapping_patches",),
            "There is none to reduce. Windows of 2s − 1 share (s − 1)/(2s − 1) of themselves with a neighbour, "
            "just under half, at (2s − 1)²/s² the cost.",
        ),
        Item(
            "DW-conv in the feed-forward replaces positions, “reducing computation”",
            ("convolution_for_positions", "zero_padding_position"),
            "Positions have no product, the convolution adds 9rhwC a block. Its zeros tell position, of a "
            "positive constant image L columns in after L convolutions of positive weights, and never further.",
        ),
        Item(
            "Pooling replaces convolution in SRA to reduce complexity (v1: conv + linear; v2: pooling + 1×1 "
            "conv + linear + GELU)",
            ("pooling_or_convolution",),
            "It does for R ≥ 2 from P²R² tokens on, and not in the last stage at 224 × 224, where R = 1 and its "
            "1 × 1 convolution is added.",
        ),
        Item(
            "Swin: patch merging, “similar to pooling”, larger receptive field, deeper features",
            ("merging_is_convolution", "pixels_seen"),
            "A 2 × 2 convolution of stride 2 after a norm, 2hwC²; average pooling is one of its choices, "
            "maximum pooling none. What a window sees doubles on either axis.",
        ),
        Item(
            "Ω(MSA) = 4hwC² + 2(hw)²C; Ω(W-MSA) = 4hwC² + 2M²hwC: “greatly reduced”",
            ("windows_save", STAGE),
            f"Where M divides both sides, (2C + hw)/(2C + M²) times: {', '.join(STAGES)} in the stages of Swin-T. "
            "Elsewhere padding counts, and windows can cost more.",
        ),
        Item(
            "W-MSA limits interaction and receptive field; SW-MSA lets windows meet",
            ("windows_never_meet", "table1_path", "pixels_seen"),
            "Never without the shift; with it all meet after 2⌈side/M⌉ − 1 blocks on the longer side. The first "
            "three "
            f"stages of Swin-T at 224 need {needed} and have "
            "2, 2 and 6.",
        ),
        Item(
            "RetNet",
            ("retention_forms", "state_or_cache", "retention_chunks", "chunk_words", RETENTION),
            "Parallel, recurrent and chunkwise are one function. Its state, 2C²/a numbers a layer, is smaller "
            "than a cache of keys and values from n > C/a on. Chunks that divide n take fewer products than the "
            "parallel form exactly where n > b + 4C/(3a), and never fewer than the recurrent one.",
        ),
    ]


def page() -> str:
    """The page's text."""
    found = items()
    verdicts: dict[str, int] = {}
    rows = []
    for number, item in enumerate(found, start=1):
        pairs = [_answer(one) for one in item.answers]
        verdicts[pairs[0][1]] = verdicts.get(pairs[0][1], 0) + 1
        lines = "<br>".join(line for line, _ in pairs), "<br>".join(verdict for _, verdict in pairs)
        rows.append(f"| {number} | {item.says} | {lines[0]} | {lines[1]} | {item.true} |")
    tally = ", ".join(
        f"{count} *{verdict}*" for verdict, count in sorted(verdicts.items(), key=lambda one: -one[1])
    )
    return _TEXT.format(count=len(found), tally=tally, rows="\n".join(rows))


def _answer(one: str | Command) -> tuple[str, str]:
    """The command as it is typed, and its verdict."""
    if isinstance(one, str):
        return f"`vpcalc theory {one}`", Settled(STATEMENTS[one]).verdict
    return f"`vpcalc {one.line}`" if one.line else "none: empirical", one.verdict()


_TEXT = """\
# The lecture, item by item

A course on “vision transformers relative to pyramids” goes from recurrent networks to RetNet. These are the
{count} things that it says (quotation marks: as its slides put it), each with the commands that answer, their
verdicts, and what is true. By the first verdict of each: {tally}.

Verdicts of statements are explained [with the statements](theory.md); *agrees* and *differs* stand beside a
count. A sentence about how well a model does on data is *cited, not judged*: no derivation settles it.
`vpcalc theory NAME` shows a claim in full, with its assumptions, its derivation and its evidence.

| # | says | command | verdict | what is true |
| --- | --- | --- | --- | --- |
{rows}
"""

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
