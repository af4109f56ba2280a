"""RetNet (Sun et al. 2023, arXiv 2307.08621)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from ..abstract.functions import gelu
from ..abstract.modules import Copies, layer_norm, linear, module, repeat
from ..abstract.priced import priced
from ..abstract.recompute import recomputable
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..algebra import symbols
from ..algebra.crossover import Crossing, crossing
from ..cost import Quantity, Stage
from ..dims import Dim, ceil_div, exact_div
from ..errors import InputError
from ..layers.attention import self_attention
from ..layers.feedforward import feed_forward
from ..layers.retention import FORMS, retention, state_elements, whole_chunks
from ..layers.transformer import token_embedding, vocabulary_projection, word_table
from .axes import TOKENS
from .registry import Assumption, Family, register


def retnet(
    ids: Tensor, *, d_model: Dim, layers: Dim, heads: Dim, vocab: Dim, form: str, chunk: Dim, head: bool
) -> Tensor:
    """Word vectors, ``layers`` pre-norm blocks (eq. 9 and 10), a norm, and the vocabulary projection.

    A block holds 8d² in retention and 4d² in its feed-forward (§3.1), all without bias; layer norms are
    affine. The projection uses the matrix of the word vectors; ``head`` says whether it is run. Under the
    chunkwise form the sequence is padded to whole chunks between the word vectors and the last norm.
    """
    tape, N = ids.tape, ids.shape[1]
    table = word_table(tape, vocab, d_model)
    blocks = Copies(partial(_block, heads=heads, form=form, chunk=chunk), layers)
    with tape.node("decoder") as node:
        x = token_embedding("words", ids, table)
        if form == "chunkwise":
            x = whole_chunks(x, chunk)
        node.stage = Stage((x.shape[1],), d_model, layers, heads)
        x = repeat("blocks", x, blocks)[:, :N]
    with tape.node("head") as node:
        node.stage = Stage((N,), d_model)
        x = layer_norm("norm", x)
        return vocabulary_projection("", x, table) if head else x


@module
@recomputable
def _block(x: Tensor, heads: Dim, form: str, chunk: Dim) -> Tensor:
    """Retention and feed-forward, each after a norm and with a residual; products without bias."""
    tape, d_model = x.tape, x.shape[-1]
    with tape.node("block"), ExitStack() as nodes:
        x = x + retention("retention", layer_norm("norm1", x), heads, form, chunk)
        # no local variables here: what a call has consumed is freed within the line
        return x + linear(
            "fc2",
            gelu(linear("fc1", _entering("ffn", nodes, layer_norm("norm2", x)), 2 * d_model, bias=False)),
            d_model,
            bias=False,
        )


def _entering(title: str, nodes: ExitStack, x: Tensor) -> Tensor:
    """The same; what is run on it is within a node."""
    nodes.enter_context(x.tape.node(title))
    return x


def facts(
    N: Dim, *, d_model: int, layers: int, heads: int, vocab: int, form: str, chunk: int, head: bool
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
    ``cheaper_than_transformer_beyond``: the same for whole blocks of 12d² parameters each.

    Under the chunkwise form the last two are meant for whole chunks.
    """
    steps = {"parallel": 1, "recurrent": N, "chunkwise": ceil_div(N, chunk)}[form]
    one = RETNET.build(
        1, d_model=d_model, layers=layers, heads=heads, vocab=vocab, form="recurrent", chunk=chunk, head=head
    )
    state = layers * state_elements(d_model, heads)
    cache = layers * 2 * d_model  # of one token
    known = {
        "sequential_operations": steps,
        "max_path_length": steps,
        "macs_per_step": one.total(Quantity.MACS),
        "state_elements": state,
        "cache_elements": N * cache,
        "state_smaller_than_cache_beyond": exact_div(state, cache),
    }
    values = {"C": d_model, "a": heads, "b": chunk}
    for name, blocks in (("attention", False), ("transformer", True)):
        found = crossing_with_attention(form, values, blocks=blocks)
        if found is not None:
            known[f"cheaper_than_{name}_beyond"] = found.at
    return known


def crossing_with_attention(form: str, values: Mapping[str, int], *, blocks: bool = False) -> Crossing | None:
    """Where attention over N = hw tokens of width C starts to cost more than retention with ``a`` heads.

    Layer against layer, 4NC² + 2N²C against 8NC² and what the form adds; with ``blocks``, each with the
    feed-forward that brings it to 12C² parameters, of ratio 4 and of ratio 2. ``values`` are C, a and b.
    None where attention never costs more: the parallel form, 3N²C, is above it at every N.
    """
    h, w, C, a, b = symbols("h w C a b")
    N = h * w

    def attention(tape: Tape) -> Tensor:
        x = self_attention("", given(tape, 1, N, C), a)
        return feed_forward("", x, 4 * C) if blocks else x

    def ours(tape: Tape) -> Tensor:
        x = retention("", given(tape, 1, N, C), a, form, b)
        return feed_forward("", x, 2 * C) if blocks else x  # its biases are no products

    its_macs, our_macs = (priced(describe).total(Quantity.MACS) for describe in (attention, ours))
    found = crossing(its_macs, our_macs, values)
    return None if found is None or found.swapped else found


def _check(config: Mapping[str, Any]) -> None:
    if config["d_model"] % config["heads"]:
        raise InputError(f"--set heads={config['heads']}: must divide d_model = {config['d_model']}")


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
    },
    choices={"form": FORMS},
    check=_check,
    facts=facts,
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
