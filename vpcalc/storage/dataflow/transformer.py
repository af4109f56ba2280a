"""The Transformer of 2017; see :mod:`vpcalc.reference.transformer`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..functions import affine, chosen, constant, filled, pointwise, relu
from ..modules import Step, embedding, layer_norm, linear, module, parameter, sequential
from ..tape import INPUT, Tape
from ..tensor import INT64, Tensor, fresh
from .attention import attend, merge_heads, split_heads
from .embedding import position_embedding
from .recompute import recomputable
from .registry import given, layer, model, pair

Part = Callable[..., Tensor]


@module
def multi_head_attention(
    targets: Tensor,
    sources: Tensor,
    heads: Any,
    d_k: Any,
    d_v: Any,
    mask: Tensor | None = None,
    cached: bool = False,
) -> Tensor:
    """Targets (batch, T, d_model) attend to sources (batch, S, d_model); projections without bias.

    ``cached``: a decoder's, whose keys and values serve every later token.
    """
    q = split_heads(linear("q", targets, heads * d_k, bias=False), heads)
    k = split_heads(linear("k", sources, heads * d_k, bias=False), heads)
    v = split_heads(linear("v", sources, heads * d_v, bias=False), heads)
    if cached:
        k.cached()
        v.cached()
    return linear("out", merge_heads(attend(q, k, v, mask)), targets.shape[-1], bias=False)


@module
def position_wise_feed_forward(x: Tensor, d_ff: Any, bias: bool = True) -> Tensor:
    """(batch, n, d_model) to the same through ``d_ff`` channels and ReLU."""
    return linear("fc2", relu(linear("fc1", x, d_ff, bias)), x.shape[-1], bias)


def causal_mask(tape: Tape, n: Any) -> Tensor:
    """What to add to scores so that no token attends to a later one."""
    position = constant(tape, n)
    later = position[None, :] > position[:, None]
    return filled(constant(tape, n, n, item=tape.item), later)


def sinusoids(tape: Tape, n: Any, d_model: Any) -> Tensor:
    """(n, d_model): sines on even channels, cosines on odd ones."""
    channel = constant(tape, d_model)
    frequency = pointwise("pow", -((channel - pointwise("remainder", channel)) / d_model))
    angle = constant(tape, n)[:, None] * frequency[None, :]
    return chosen(pointwise("remainder", channel) < 1, pointwise("sin", angle), pointwise("cos", angle))


@module
def positional_encoding(x: Tensor) -> Tensor:
    """Adds the sinusoids."""
    return x + sinusoids(x.tape, x.shape[1], x.shape[2])


@module
@recomputable
def encoder_layer(x: Tensor, widths: tuple[Any, ...]) -> Tensor:
    """Self-attention and feed-forward, each with a residual and then a norm."""
    d_ff, heads, d_k, d_v = widths
    x = layer_norm("norm1", x + multi_head_attention("attention", x, x, heads, d_k, d_v))
    return layer_norm("norm2", x + position_wise_feed_forward("ffn", x, d_ff))


@module
@recomputable
def decoder_layer(x: Tensor, mask: Tensor, memory: Tensor | None, widths: tuple[Any, ...]) -> Tensor:
    """Causal self-attention, attention to the encoder's output if there is one, feed-forward."""
    d_ff, heads, d_k, d_v = widths
    x = layer_norm("norm1", x + multi_head_attention("attention", x, x, heads, d_k, d_v, mask, cached=True))
    if memory is not None:
        x = layer_norm("norm2", x + multi_head_attention("cross", x, memory, heads, d_k, d_v, cached=True))
    return layer_norm("norm3", x + position_wise_feed_forward("ffn", x, d_ff))


@module
def opening(ids: Tensor, table: Tensor, positions: str) -> Tensor:
    """Token ids to vectors with positions added."""
    place = position_embedding if positions == "learned" else positional_encoding
    return place("positions", embedding("tokens", ids, table) * 1.0)


@module
def encoder(ids: Tensor, begin: Step, layers: list[Step]) -> Tensor:
    """Token ids to vectors."""
    return sequential("layers", begin("opening", ids), *layers)


@module
def decoder(ids: Tensor, memory: Tensor | None, begin: Step, layers: list[Part]) -> Tensor:
    """Token ids, and the encoder's output where there is one, to vectors."""
    x = begin("opening", ids)
    mask = causal_mask(x.tape, x.shape[1])
    for number, step in enumerate(layers):
        x = step(f"layers.{number}", x, mask, memory)
    return x


def run_parts(encode: Part | None, decode: Part | None, ids: tuple[Tensor, ...]) -> Tensor:
    """Vectors of the decoder, or of the encoder where it is alone."""
    if decode is None:
        assert encode is not None
        return encode("encoder", *ids)
    if encode is None:
        return decode("decoder", *ids, None)
    source, target = ids
    return decode("decoder", target, encode("encoder", source))


@model("transformer", pair)
def transformer(
    *ids: Tensor,
    N: int,
    d_model: Any,
    d_ff: Any,
    h: Any,
    d_k: Any,
    d_v: Any,
    vocab: Any,
    positions: str,
    shared: bool,
    part: str,
    head: bool,
) -> Tensor:
    """Ids of source and target to scores, or to vectors without a head."""
    tape, widths = ids[0].tape, (d_ff, h, d_k, d_v)
    table = parameter(tape, vocab, d_model)
    encode: Part | None = None
    decode: Part | None = None
    if part != "decoder":
        begin = partial(opening, table=table, positions=positions)
        encode = partial(encoder, begin=begin, layers=[partial(encoder_layer, widths=widths)] * N)
    if part != "encoder":
        written = table if shared or part == "decoder" else parameter(tape, vocab, d_model)
        begin = partial(opening, table=written, positions=positions)
        decode = partial(decoder, begin=begin, layers=[partial(decoder_layer, widths=widths)] * N)
    x = run_parts(encode, decode, ids)
    if not head:
        return x
    return vocabulary("head", x, table if shared else parameter(tape, vocab, d_model))


@module
def vocabulary(x: Tensor, table: Tensor) -> Tensor:
    """Scores of every word."""
    return affine(x, table, None)


@layer("mha")
def _mha(tape: Tape, S: Any, T: Any, d_model: Any, heads: Any, d_k: Any, d_v: Any, batch: Any) -> Tensor:
    targets, sources = given(tape, batch, T, d_model), given(tape, batch, S, d_model)
    return multi_head_attention("", targets, sources, heads, d_k, d_v)


@layer("causal_mha")
def _causal_mha(tape: Tape, T: Any, d_model: Any, heads: Any, d_k: Any, d_v: Any, batch: Any) -> Tensor:
    x = given(tape, batch, T, d_model)
    return multi_head_attention("attention", x, x, heads, d_k, d_v, causal_mask(tape, T), cached=True)


@layer("ffn_tokens")
def _ffn_tokens(tape: Tape, N: Any, d_model: Any, d_ff: Any, batch: Any) -> Tensor:
    return position_wise_feed_forward("", given(tape, batch, N, d_model), d_ff)


@layer("token_embedding")
def _token_embedding(tape: Tape, V: Any, d_model: Any) -> Tensor:
    return embedding("", fresh(tape, (1, 1), INT64, INPUT), parameter(tape, V, d_model))


@layer("positional_encoding")
def _positional_encoding(tape: Tape, N: Any, d_model: Any) -> Tensor:
    return positional_encoding("", given(tape, 1, N, d_model))


@layer("vocabulary")
def _vocabulary(tape: Tape, N: Any, d_model: Any, V: Any, batch: Any) -> Tensor:
    return vocabulary("", given(tape, batch, N, d_model), parameter(tape, V, d_model))
