"""Layers of the encoder-decoder Transformer (Vaswani et al. 2017, arXiv 1706.03762)."""

from __future__ import annotations

from ..cost import Cost
from ..dims import Dim
from ..ops import linear, table
from .attention import scaled_dot_product
from .feedforward import token_feed_forward
from .registry import layer


@layer("mha", "Multi-head attention", "Vaswani et al. 2017, §3.2.2")
def multi_head_attention(
    S: Dim, T: Dim, d_model: Dim, heads: Dim, d_k: Dim, d_v: Dim, *, batch: Dim = 1, name: str = "mha"
) -> Cost:
    """T target tokens attend to S source tokens, in heads of any width.

    Self-attention is S = T. The projections are the paper's matrices W^Q, W^K, W^V and W^O, without bias, and
    ``heads * d_k`` need not be ``d_model`` (Table 3, rows B).

    Args:
        S: tokens that give keys and values.
        T: tokens that give queries.
        d_model: channels of a token.
        heads: attention heads.
        d_k: width of a query or key head.
        d_v: width of a value head.
        batch: sequences.
    """
    return Cost(
        name,
        (
            linear("q", batch * T, d_model, heads * d_k, bias=False),
            linear("k", batch * S, d_model, heads * d_k, bias=False),
            linear("v", batch * S, d_model, heads * d_v, bias=False),
            *scaled_dot_product(batch, heads, T, S, d_k, d_v),
            linear("out", batch * T, heads * d_v, d_model, bias=False),
        ),
    )


@layer("causal_mha", "Causal multi-head attention", "Vaswani et al. 2017, §3.2.3")
def causal_attention(
    T: Dim, d_model: Dim, heads: Dim, d_k: Dim, d_v: Dim, *, batch: Dim = 1, name: str = "causal_mha"
) -> Cost:
    """Self-attention in which no token sees a later one.

    The products are computed in full and the later half is masked before softmax, as the paper has it.

    Args:
        T: tokens.
        d_model: channels of a token.
        heads: attention heads.
        d_k: width of a query or key head.
        d_v: width of a value head.
        batch: sequences.
    """
    return multi_head_attention(T, T, d_model, heads, d_k, d_v, batch=batch, name=name)


@layer("ffn_tokens", "Position-wise feed-forward", "Vaswani et al. 2017, eq. 2")
def position_wise_feed_forward(N: Dim, d_model: Dim, d_ff: Dim, *, batch: Dim = 1, bias: bool = True) -> Cost:
    """max(0, xW₁ + b₁)W₂ + b₂ at each of N tokens.

    Args:
        N: tokens.
        d_model: channels of a token.
        d_ff: hidden channels.
        batch: sequences.
        bias: whether there are b₁ and b₂; T5 has none.
    """
    return token_feed_forward(N, d_model, d_ff, batch=batch, bias=bias)


@layer("token_embedding", "Token embedding", "Vaswani et al. 2017, §3.4")
def token_embedding(V: Dim, d_model: Dim, *, shared: bool = False) -> Cost:
    """One learned vector for each word of the vocabulary; looking it up is not a product.

    Args:
        V: vocabulary.
        d_model: channels of a token.
        shared: the table belongs to another module and is counted there.
    """
    return Cost("token_embedding", () if shared else (table("tokens", V, d_model),))


@layer("positional_encoding", "Sinusoidal positional encoding", "Vaswani et al. 2017, §3.5")
def positional_encoding(N: Dim, d_model: Dim) -> Cost:
    """Sines and cosines of N positions, added to ``d_model`` channels: nothing to learn and no product."""
    return Cost("positional_encoding")


@layer("vocabulary", "Vocabulary projection", "Vaswani et al. 2017, §3.4")
def vocabulary_projection(N: Dim, d_model: Dim, V: Dim, *, batch: Dim = 1, shared: bool = False) -> Cost:
    """N tokens to one score for each word, without bias.

    Args:
        N: tokens.
        d_model: channels of a token.
        V: vocabulary.
        batch: sequences.
        shared: the matrix is that of the token embedding and is counted there.
    """
    return Cost("vocabulary", (linear("logits", batch * N, d_model, V, bias=False, shared=shared),))
