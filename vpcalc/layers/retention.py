"""Multi-scale retention (Sun et al. 2023, RetNet) in its three forms.

The forms compute the same outputs from the same weights. They share the projections, the group norm and the
gate, and differ in how tokens meet: all at once, token by token through a state, or chunk by chunk.
"""

from __future__ import annotations

from typing import Any

from ..abstract.functions import cat, constant, group_norm, matmul, pad, pointwise, silu, stack
from ..abstract.modules import Loop, buffer, linear, module
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..cost import Tiling
from ..dims import Dim, ceil_div
from .attention import head_width, merge_heads, split_heads
from .embedding import missing
from .registry import layer
from .transformer import scale_norm

FORMS = ("parallel", "recurrent", "chunkwise")


def state_elements(C: Dim, heads: Dim, value_width: Dim = 0) -> Dim:
    """Elements of the state that recurrent and chunkwise retention carry along: d times d_v in every head."""
    return C * _values(C, heads, value_width)[1]


def _values(C: Dim, heads: Dim, value_width: Dim) -> tuple[Dim, Dim]:
    """Channels of the values, and of those of one head: 2C (eq. 8) unless they are given."""
    if value_width > 0:
        return value_width, head_width(value_width, heads)
    return 2 * C, 2 * head_width(C, heads)


@module
def retention(
    x: Tensor,
    heads: Dim,
    form: str = "parallel",
    chunk: Dim = 512,
    *,
    value_width: Dim = 0,
    norm: str = "layer",
    title: str = "retention",
) -> Tensor:
    """(batch, n, C) to the same in one of the :data:`FORMS`; ``chunk`` matters to the chunkwise form alone.

    A sequence that the chunk does not divide is padded at its end to whole chunks. Values have ``value_width``
    channels in all heads, 2C where it is 0, and are normalised per head: with ``rms`` no mean is taken off.
    """
    with x.tape.node(title):
        gamma = buffer(x.tape, (heads,))
        length = x.shape[1]
        if form == "chunkwise":
            x = whole_chunks(x, chunk)
        batch, n, C = x.shape
        q = rotate(split_heads(linear("q", x, C, bias=False), heads))
        k = rotate(split_heads(linear("k", x, C, bias=False), heads)) * 1.0
        width, d_v = _values(C, heads, value_width)
        v = linear("v", x, width, bias=False).unflatten(2, (heads, d_v)).transpose(1, 2)
        x.tape.cached.append(batch * state_elements(C, heads, value_width) * x.item.bytes)
        y = merge_heads(_mix(q, k, v, gamma, form, chunk))
        if norm == "rms":
            y = scale_norm("norm", y.reshape(batch * n * heads, d_v), learned=False).reshape(batch, n, width)
        else:
            y = _norm("norm", y.reshape(batch * n, width), heads).reshape(batch, n, width)
        return linear("out", silu(linear("gate", x, width, bias=False)) * y, C, bias=False)[:, :length]


def whole_chunks(x: Tensor, chunk: Dim) -> Tensor:
    """(batch, n, C) with zeros at the end, to whole chunks."""
    x.tape.note(Tiling(chunk, x.shape[1], "chunk"))
    return pad(x, (0, 0, 0, missing(x.shape[1], chunk)))


_norm = module(group_norm)


def _mix(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor, form: str, chunk: Dim) -> Tensor:
    if form == "recurrent":
        return _by_token(q, k, v, gamma)
    if form == "chunkwise":
        return _by_chunk(q, k, v, gamma, chunk)
    return _at_once(q, k, v, gamma)


def _at_once(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor) -> Tensor:
    """(QKᵀ ⊙ D)V, eq. 5: queries and keys (batch, heads, n, d), values and outputs (batch, heads, n, 2d)."""
    scores = matmul(q, k.transpose(-2, -1), "QKᵀ", attention=True) * decay_mask(q.tape, q.shape[2], gamma)
    return matmul(scores, v, "AV")


def _by_token(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor) -> Tensor:
    """S_n = γS_{n-1} + K_nᵀV_n and Q_n S_n, eq. 6."""
    state = _no_state(q, v)
    decay = gamma[:, None, None]
    outputs = []
    tokens = Loop(q.tape, q.shape[2])
    parts = (tokens.through(x, dim, keep=True) for x, dim in ((q, 2), (k.transpose(-2, -1), 3), (v, 2)))
    for _, q_n, k_n, v_n in zip(tokens, *parts, strict=True):  # (1 x d), (d x 1), (1 x 2d) in every head
        state = decay * state + matmul(k_n, v_n, "KᵀV")
        outputs.append(matmul(q_n, state, "QS"))
    return tokens.cat(outputs, dim=2)


def _by_chunk(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor, chunk: Dim) -> Tensor:
    """Eq. 7, whole chunks only: parallel within a chunk, a state from chunk to chunk.

    The products of all chunks are taken at once; only the states wait for one another.
    """
    batch, decay, states = q.shape[0], gamma[:, None, None], [_no_state(q, v)]
    position = constant(q.tape, chunk)[:, None]
    since_start, to_end = pointwise("pow", decay, position + 1), pointwise("pow", decay, -position)
    chunks = Loop(q.tape, ceil_div(q.shape[2], chunk))
    q, k, v = (_to_chunks(x, chunks.rounds, chunk) for x in (q, k, v))
    updates = matmul(k.transpose(-2, -1), v * to_end, "KᵀV").unflatten(0, (batch, chunks.rounds))
    for _, update in zip(chunks, chunks.through(updates, dim=1), strict=True):
        states.append(update + pointwise("pow", decay) * states[-1])
    before = chunks.stack(states, dim=1)[:, :-1].flatten(0, 1)  # what each chunk finds, R_{i-1}
    outputs = _at_once(q, k, v, gamma) + matmul(q, before, "QR") * since_start
    return outputs.unflatten(0, (batch, chunks.rounds)).transpose(1, 2).flatten(2, 3)


def _no_state(q: Tensor, v: Tensor) -> Tensor:
    batch, heads, _, d = q.shape
    return constant(q.tape, batch, heads, d, v.shape[-1], item=q.item)


def _to_chunks(x: Tensor, chunks: Dim, chunk: Dim) -> Tensor:
    """(batch, heads, n, d) to (batch * chunks, heads, chunk, d)."""
    return x.unflatten(2, (chunks, chunk)).transpose(1, 2).flatten(0, 1)


def decay_mask(tape: Tape, n: Dim, gamma: Tensor) -> Tensor:
    """D of eq. 5: γ^(n - m) where n >= m, else 0; (heads, n, n)."""
    position = constant(tape, n)
    distance = position[:, None] - position[None, :]
    weight = pointwise("pow", gamma[:, None, None], pointwise("clamp", distance))
    return weight * (distance >= 0)


def rotate(x: Tensor) -> Tensor:
    """Each pair of channels of (batch, heads, n, d) by e^{inθ}: Θ of eq. 5, in real numbers."""
    if x.tape.ledger is not None:
        return x  # no product; and which channel is left over does not matter
    n, d = x.shape[-2:]
    pairs = d // 2
    theta = pointwise("pow", -(constant(x.tape, pairs) / 1))
    angle = constant(x.tape, n)[:, None] * theta[None, :]
    even, odd = x[..., : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2]
    turned = stack(
        (even * _cos(angle) - odd * _sin(angle), even * _sin(angle) + odd * _cos(angle)), dim=-1
    ).flatten(-2)
    return cat((turned, x[..., 2 * pairs :]), dim=-1)


def _cos(angle: Tensor) -> Tensor:
    return pointwise("cos", angle)


def _sin(angle: Tensor) -> Tensor:
    return pointwise("sin", angle)


@layer("retention", "Retention", "Sun et al. 2023 (RetNet), eq. 5 and 8")
def _retention(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1) -> Any:
    """Gated multi-scale retention in its parallel form, (QKᵀ ⊙ D)V, over the tokens of a grid.

    Values and gate are twice as wide as queries and keys; no projection has a bias and the group norm
    has no parameters, so that the layer holds the paper's 8C². The causal product is computed in
    full and masked by the decay D, as the parallel form runs it.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: retention heads, each with a decay of its own; divides C.
        batch: sequences.
    """
    return retention("", given(tape, batch, h * w, C), heads)


@layer("retention_recurrent", "Recurrent retention", "Sun et al. 2023 (RetNet), eq. 6 and 8")
def _retention_recurrent(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1) -> Any:
    """The same in its recurrent form, S_n = γS_{n-1} + K_nᵀV_n and then Q_n S_n, token by token.

    The state of a head is d x 2d. Its update K_nᵀV_n is a matrix product of inner dimension 1.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: retention heads; divides C.
        batch: sequences.
    """
    return retention("", given(tape, batch, h * w, C), heads, "recurrent", title="retention_recurrent")


@layer("retention_chunkwise", "Chunkwise retention", "Sun et al. 2023 (RetNet), eq. 7 and 8")
def _retention_chunkwise(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, chunk: Dim, *, batch: Dim = 1) -> Any:
    """The same in its chunkwise form: parallel within a chunk, recurrent from chunk to chunk.

    A sequence that the chunk does not divide is padded at its end, and the padding is computed and counted,
    projections included: the authors' code pads before its first layer. Every chunk reads and updates
    the state, the first (whose state is zero) and the last (whose state nobody reads) too.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: retention heads; divides C.
        chunk: tokens of a chunk (512 in the paper).
        batch: sequences.
    """
    return retention("", given(tape, batch, h * w, C), heads, "chunkwise", chunk, title="retention_chunkwise")
