"""RetNet (Sun et al. 2023, arXiv 2307.08621): the paper's, and what its authors' code has been since."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..abstract.functions import silu
from ..abstract.modules import Copies, Step, layer_norm, linear, module, repeat
from ..abstract.priced import priced
from ..abstract.recompute import recomputable
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..algebra import symbols
from ..algebra.crossover import Crossing, crossing
from ..cost import Quantity, Stage
from ..dims import Dim, ceil_div, floor_div
from ..errors import InputError
from ..layers.attention import self_attention
from ..layers.feedforward import feed_forward
from ..layers.retention import FORMS, retention, state_elements, whole_chunks
from ..layers.transformer import (
    gated_feed_forward,
    scale_norm,
    token_embedding,
    vocabulary_projection,
    word_table,
)
from .axes import TOKENS
from .registry import Assumption, Family, register


def retnet(
    ids: Tensor,
    *,
    d_model: Dim,
    layers: Dim,
    heads: Dim,
    vocab: Dim,
    form: str,
    chunk: Dim,
    head: bool,
    value_width: Dim = 0,
    d_ff: Dim = 0,
    gated: bool = False,
    norm: str = "layer",
    tied: bool = True,
) -> Tensor:
    """Word vectors, ``layers`` pre-norm blocks (eq. 9 and 10), a norm, and the vocabulary projection.

    A block holds 8d² in retention and 4d² in its feed-forward (§3.1), all without bias; layer norms are
    affine. The projection uses the matrix of the word vectors; ``head`` says whether it is run. Under the
    chunkwise form the sequence is padded to whole chunks between the word vectors and the last norm.

    The authors' code since October 2023 has about 1.7d channels of values and in the feed-forward, which is gated
    by swish (SwiGLU): again 12d² a block. Its norms only rescale (``norm=rms``), and the projection has a matrix
    of its own. Its scaling of word vectors, and of scores by their sum, which a head's norm undoes, is left out.
    """
    tape, N = ids.tape, ids.shape[1]
    table = word_table(tape, vocab, d_model)
    mix = partial(retention, heads=heads, form=form, chunk=chunk, value_width=value_width, norm=norm)
    blocks = Copies(partial(_block, mix=mix, hidden=d_ff, gated=gated, norm=NORMS[norm]), layers)
    with tape.node("decoder") as node:
        x = token_embedding("words", ids, table)
        if form == "chunkwise":
            x = whole_chunks(x, chunk)
        node.stage = Stage((x.shape[1],), d_model, layers, heads)
        x = repeat("blocks", x, blocks)[:, :N]
    with tape.node("head") as node:
        node.stage = Stage((N,), d_model)
        x = NORMS[norm]("norm", x)
        if not head:
            return x
        return vocabulary_projection("head", x, table) if tied else linear("head", x, vocab, bias=False)


NORMS: dict[str, Step] = {"layer": layer_norm, "rms": scale_norm}


@module
@recomputable
def _block(x: Tensor, mix: Step, hidden: Dim, gated: bool, norm: Step) -> Tensor:
    """Retention and feed-forward, each after a norm and with a residual; products without bias."""
    with x.tape.node("block"):
        x = x + mix("retention", norm("norm1", x))
        return x + _feed_forward("ffn", norm("norm2", x), hidden, gated)


def _feed_forward(name: str, x: Tensor, hidden: Dim, gated: bool) -> Tensor:
    """(batch, n, d) to the same through ``hidden`` channels, 2d where they are 0; without bias."""
    hidden = hidden if hidden > 0 else 2 * x.shape[-1]
    return gated_feed_forward(name, x, hidden, silu) if gated else feed_forward(name, x, hidden, bias=False)


def facts(
    N: Dim,
    *,
    d_model: int,
    layers: int,
    heads: int,
    form: str,
    chunk: int,
    value_width: int = 0,
    d_ff: int = 0,
    gated: bool = False,
    **others: Any,
) -> dict[str, Dim]:
    """What RetNet is known for beside its cost.

    ``sequential_operations``: steps of one layer that wait for one another: one in the parallel form, a
    token each in the recurrent one, a chunk each in the chunkwise one.
    ``max_path_length``: steps between the first token and the last output of a layer; the same numbers.
    ``macs_per_step``: multiply-accumulates of the whole network for one more token, in the recurrent form.
    ``state_elements``: what all layers carry from token to token, whatever N.
    ``cache_elements``: what a Transformer of as many layers and this width keeps after N tokens: keys and values.
    ``state_smaller_than_cache_beyond``: the N beyond which the state is the smaller of the two.
    ``cheaper_than_attention_beyond``: the N beyond which retention in this form takes fewer
    multiply-accumulates than attention of the same width; absent where there is none.
    ``cheaper_than_transformer_beyond``: the same for whole blocks, against the Transformer's of 12d² parameters.

    Under the chunkwise form the last two are meant for whole chunks.
    """
    steps = {"parallel": 1, "recurrent": N, "chunkwise": ceil_div(N, chunk)}[form]
    widths: dict[str, Any] = {"value_width": value_width, "d_ff": d_ff, "gated": gated}
    one = RETNET.build(
        1, d_model=d_model, layers=layers, heads=heads, form="recurrent", chunk=chunk, **widths, **others
    )
    state = layers * state_elements(d_model, heads, value_width)
    cache = layers * 2 * d_model  # of one token
    known = {
        "sequential_operations": steps,
        "max_path_length": steps,
        "macs_per_step": one.total(Quantity.MACS),
        "state_elements": state,
        "cache_elements": N * cache,
        "state_smaller_than_cache_beyond": floor_div(state, cache),
    }
    values = {"C": d_model, "a": heads, "b": chunk}
    for name, blocks in (("attention", False), ("transformer", True)):
        found = crossing_with_attention(form, values, blocks=blocks, **widths)
        if found is not None:
            known[f"cheaper_than_{name}_beyond"] = found.at
    return known


def crossing_with_attention(
    form: str,
    values: Mapping[str, int],
    *,
    blocks: bool = False,
    value_width: int = 0,
    d_ff: int = 0,
    gated: bool = False,
) -> Crossing | None:
    """Where attention over N = hw tokens of width C starts to cost more than retention with ``a`` heads.

    Layer against layer, 4NC² + 2N²C against 8NC² and what the form adds; with ``blocks``, each with the
    feed-forward that brings it to 12C² parameters, of ratio 4 and of ratio 2 or as the settings have it.
    ``values`` are C, a and b. None where attention never costs more: the parallel form, 3N²C, is above it at
    every N.
    """
    h, w, C, a, b = symbols("h w C a b")
    N = h * w

    def attention(tape: Tape) -> Tensor:
        x = self_attention("", given(tape, 1, N, C), a)
        return feed_forward("", x, 4 * C) if blocks else x

    def ours(tape: Tape) -> Tensor:
        x = retention("", given(tape, 1, N, C), a, form, b, value_width=value_width)
        return _feed_forward("", x, d_ff, gated) if blocks else x

    its_macs, our_macs = (priced(describe).total(Quantity.MACS) for describe in (attention, ours))
    found = crossing(its_macs, our_macs, values)
    return None if found is None or found.swapped else found


def _check(config: Mapping[str, Any]) -> None:
    for name in ("d_model", "value_width"):
        if config[name] % config["heads"]:
            raise InputError(f"--set heads={config['heads']}: must divide {name} = {config[name]}")


RETNET = Family(
    "retnet",
    retnet,
    "Sun et al. 2023, arXiv 2307.08621",
    axes=TOKENS,
    attends=False,
    meanings={
        "d_model": "channels of a token",
        "layers": "blocks",
        "heads": "retention heads",
        "vocab": "words of the vocabulary",
        "form": "parallel, recurrent or chunkwise",
        "chunk": "tokens of a chunk, under form=chunkwise",
        "head": "whether the vocabulary projection is run and counted",
        "value_width": "channels of the values, in all heads; 0 leaves them at 2 * d_model",
        "d_ff": "hidden channels of the feed-forward; 0 leaves them at 2 * d_model",
        "gated": "whether the feed-forward is gated (SwiGLU), as in the authors' code since October 2023",
        "norm": "layer norm and group norm, or rms: both by the root mean square alone",
        "tied": "whether the embedding's matrix is the vocabulary projection's, too",
    },
    choices={"form": FORMS, "norm": tuple(NORMS)},
    check=_check,
    facts=facts,
    off={"value_width": 0, "d_ff": 0, "gated": False, "norm": "layer", "tied": True},
)

VOCABULARY = Assumption(
    "vocab",
    100_000,
    "the paper prints no vocabulary, and this one, of an example in the authors' repository, was kept because the "
    "printed sizes fit it; an author says more than 100,000 (microsoft/torchscale, issue 75)",
)
"""One matrix, tied to the projection. Without one 12d² a layer are 1.2, 2.5 and 6.4 billion parameters."""

# Sizes from the paper's Table 2, trained at length 2048; heads of width 256 (§3.1).
for _id, _d_model, _layers, _heads in (
    ("retnet_1_3b", 2048, 24, 8),
    ("retnet_2_7b", 2560, 32, 10),
    ("retnet_6_7b", 4096, 32, 16),
):
    register(
        RETNET,
        _id,
        sizes=(2048,),
        assumptions=(VOCABULARY,),
        d_model=_d_model,
        layers=_layers,
        heads=_heads,
        vocab=64000,
        form="parallel",
        chunk=512,
        head=True,
    )

CODE = "microsoft/torchscale since October 2023, examples/fairseq/models/retnet.py; Shazeer 2020, arXiv 2002.05202"
DICTIONARY = Assumption(
    "vocab",
    100_000,
    "the code takes the length of a dictionary that it does not come with; this is the number of an example in "
    "its README, and an author says more than 100,000 (microsoft/torchscale, issue 75)",
)

for _id, _d_model, _width, _layers, _heads in (
    ("base", 512, 864, 6, 2),
    ("medium", 1024, 1728, 16, 4),
    ("xl", 2048, 3456, 24, 8),
    ("3b", 2560, 4280, 32, 10),
    ("7b", 4096, 6912, 32, 16),
    ("13b", 5120, 8560, 40, 20),
    ("65b", 8192, 13824, 64, 32),
):
    register(
        RETNET,
        f"retnet_gated_{_id}",
        sizes=(2048,),
        assumptions=(DICTIONARY,),
        source=CODE,
        d_model=_d_model,
        layers=_layers,
        heads=_heads,
        vocab=64000,
        form="parallel",
        chunk=512,
        head=True,
        value_width=_width,
        d_ff=_width,
        gated=True,
        norm="rms",
        tied=False,
    )
