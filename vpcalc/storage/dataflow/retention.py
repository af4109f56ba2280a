"""Gated multi-scale retention in its three forms; see :mod:`vpcalc.reference.retention`."""

from __future__ import annotations

from typing import Any

from ..functions import cat, constant, group_norm, pad, pointwise, silu, stack
from ..modules import buffer, linear, module
from ..tape import Tape
from ..tensor import Tensor
from .attention import merge_heads, split_heads
from .registry import given, layer


def decay_mask(tape: Tape, n: Any, gamma: Tensor) -> Tensor:
    """γ^(n - m) where n >= m, else 0; (heads, n, n)."""
    position = constant(tape, n)
    distance = position[:, None] - position[None, :]
    weight = pointwise("pow", gamma[:, None, None], pointwise("clamp", distance))
    return weight * (distance >= 0)


def rotate(x: Tensor) -> Tensor:
    """Each pair of channels by e^{inθ}."""
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


def parallel(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor) -> Tensor:
    """(QKᵀ ⊙ D)V."""
    scores = (q @ k.transpose(-2, -1)) * decay_mask(q.tape, q.shape[2], gamma)
    return scores @ v


def recurrent(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
    """S_n = γS_{n-1} + K_nᵀV_n and Q_n S_n; outputs and the last state."""
    state = _no_state(q, v)
    decay = gamma[:, None, None]
    outputs = []
    tokens = zip(q.split(1, dim=2), k.transpose(-2, -1).split(1, dim=3), v.split(1, dim=2), strict=True)
    for q_n, k_n, v_n in tokens:
        state = decay * state + k_n @ v_n
        outputs.append(q_n @ state)
    return cat(outputs, dim=2), state


def chunkwise(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor, chunk: Any) -> tuple[Tensor, Tensor]:
    """Parallel within a chunk, a state from chunk to chunk; outputs and last state."""
    batch, decay, states = q.shape[0], gamma[:, None, None], [_no_state(q, v)]
    position = constant(q.tape, chunk)[:, None]
    since_start, to_end = pointwise("pow", decay, position + 1), pointwise("pow", decay, -position)
    q, k, v = (_to_chunks(x, chunk) for x in (q, k, v))
    updates = k.transpose(-2, -1) @ (v * to_end)
    for update in updates.unflatten(0, (batch, -1)).unbind(dim=1):
        states.append(update + pointwise("pow", decay) * states[-1])
    before = stack(states, dim=1)[:, :-1].flatten(0, 1)
    outputs = parallel(q, k, v, gamma) + (q @ before) * since_start
    return _from_chunks(outputs, batch), states[-1]


def _no_state(q: Tensor, v: Tensor) -> Tensor:
    batch, heads, _, d = q.shape
    return constant(q.tape, batch, heads, d, v.shape[-1], item=q.item)


def _to_chunks(x: Tensor, chunk: Any) -> Tensor:
    """(batch, heads, n, d) to (batch * chunks, heads, chunk, d)."""
    return x.unflatten(2, (-1, chunk)).transpose(1, 2).flatten(0, 1)


def _from_chunks(x: Tensor, batch: Any) -> Tensor:
    """The inverse."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2).flatten(2, 3)


def whole_chunks(x: Tensor, chunk: Any) -> Tensor:
    """(batch, n, C) with zeros at the end, to whole chunks."""
    return pad(x, (0, 0, 0, -x.shape[1] % chunk))


@module
def retention(x: Tensor, heads: Any, form: str = "parallel", chunk: Any = 512) -> Tensor:
    """(batch, n, C) to the same."""
    gamma = buffer(x.tape, (heads,))
    length = x.shape[1]
    if form == "chunkwise":
        x = whole_chunks(x, chunk)
    batch, n, C = x.shape
    q = rotate(split_heads(linear("q", x, C, bias=False), heads))
    k = rotate(split_heads(linear("k", x, C, bias=False), heads)) * 1.0
    v = split_heads(linear("v", x, 2 * C, bias=False), heads)
    x.tape.cached.append(batch * heads * (C // heads) * (2 * C // heads) * x.item.bytes)  # S of eq. 6
    y = merge_heads(_mix(q, k, v, gamma, form, chunk))
    y = _norm("norm", y.reshape(batch * n, 2 * C), heads).reshape(batch, n, 2 * C)
    return linear("out", silu(linear("gate", x, 2 * C, bias=False)) * y, C, bias=False)[:, :length]


_norm = module(group_norm)


def _mix(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor, form: str, chunk: Any) -> Tensor:
    if form == "recurrent":
        return recurrent(q, k, v, gamma)[0]
    if form == "chunkwise":
        return chunkwise(q, k, v, gamma, chunk)[0]
    return parallel(q, k, v, gamma)


@layer("retention")
def _retention(tape: Tape, h: Any, w: Any, C: Any, heads: Any, batch: Any) -> Tensor:
    return retention("", given(tape, batch, h * w, C), heads)


@layer("retention_recurrent")
def _retention_recurrent(tape: Tape, h: Any, w: Any, C: Any, heads: Any, batch: Any) -> Tensor:
    return retention("", given(tape, batch, h * w, C), heads, "recurrent")


@layer("retention_chunkwise")
def _retention_chunkwise(tape: Tape, h: Any, w: Any, C: Any, heads: Any, chunk: Any, batch: Any) -> Tensor:
    return retention("", given(tape, batch, h * w, C), heads, "chunkwise", chunk)
