"""Gated multi-scale retention in its three forms (Sun et al. 2023, RetNet, eq. 5 to 8)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import merge_heads, split_heads
from .registry import Witness, layer_witness
from .transformer import ScaleNorm


def decays(heads: int) -> Tensor:
    """One decay per head, γ = 1 - 2^(-5 - i) (eq. 8)."""
    return 1 - 2.0 ** (-5 - torch.arange(heads))


def decay_mask(n: int, gamma: Tensor) -> Tensor:
    """D of eq. 5: γ^(n - m) where n >= m, else 0; (heads, n, n)."""
    position = torch.arange(n, device=gamma.device)
    distance = position[:, None] - position[None, :]
    weight = gamma[:, None, None] ** distance.clamp(min=0)
    return weight * (distance >= 0)


def rotate(x: Tensor) -> Tensor:
    """Multiply each pair of channels by e^{inθ}: the complex rotation Θ of eq. 5, in real numbers."""
    *_, n, d = x.shape
    pairs = d // 2
    theta = 10000.0 ** -(torch.arange(pairs, device=x.device) / max(pairs, 1))
    angle = torch.arange(n, device=x.device)[:, None] * theta[None, :]
    even, odd = x[..., : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2]
    turned = torch.stack(
        (even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()), dim=-1
    ).flatten(-2)
    return torch.cat((turned, x[..., 2 * pairs :]), dim=-1)


def parallel(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor) -> Tensor:
    """(QKᵀ ⊙ D)V, eq. 5: queries and keys (batch, heads, n, d), values and outputs (batch, heads, n, 2d)."""
    scores = (q @ k.transpose(-2, -1)) * decay_mask(int(q.shape[2]), gamma)
    return scores @ v


def recurrent(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
    """S_n = γS_{n-1} + K_nᵀV_n and Q_n S_n, eq. 6; outputs and the last state (batch, heads, d, 2d)."""
    state = _no_state(q, v)
    decay = gamma[:, None, None]
    outputs = []
    tokens = zip(q.split(1, dim=2), k.transpose(-2, -1).split(1, dim=3), v.split(1, dim=2), strict=True)
    for q_n, k_n, v_n in tokens:  # (1 x d), (d x 1), (1 x 2d) in every head
        state = decay * state + k_n @ v_n
        outputs.append(q_n @ state)
    return torch.cat(outputs, dim=2), state


def chunkwise(q: Tensor, k: Tensor, v: Tensor, gamma: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """Eq. 7, whole chunks only: parallel within a chunk, a state from chunk to chunk; outputs and last state.

    The products of all chunks are taken at once; only the states wait for one another.
    """
    batch, decay, states = q.shape[0], gamma[:, None, None], [_no_state(q, v)]
    position = torch.arange(chunk, device=gamma.device)[:, None]
    since_start, to_end = decay ** (position + 1), decay ** (chunk - 1 - position)  # ξ and ζ
    q, k, v = (_to_chunks(x, chunk) for x in (q, k, v))
    updates = k.transpose(-2, -1) @ (v * to_end)
    for update in updates.unflatten(0, (batch, -1)).unbind(dim=1):
        states.append(update + decay**chunk * states[-1])
    before = torch.stack(states, dim=1)[:, :-1].flatten(0, 1)  # what each chunk finds, R_{i-1}
    outputs = parallel(q, k, v, gamma) + (q @ before) * since_start
    return _from_chunks(outputs, batch), states[-1]


def _no_state(q: Tensor, v: Tensor) -> Tensor:
    batch, heads, _, d = q.shape
    return q.new_zeros(batch, heads, d, v.shape[-1])


def _to_chunks(x: Tensor, chunk: int) -> Tensor:
    """(batch, heads, n, d) to (batch * chunks, heads, chunk, d)."""
    return x.unflatten(2, (-1, chunk)).transpose(1, 2).flatten(0, 1)


def _from_chunks(x: Tensor, batch: int) -> Tensor:
    """The inverse of :func:`_to_chunks`."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2).flatten(2, 3)


def pad(x: Tensor, chunk: int) -> Tensor:
    """(batch, n, C) with zeros at the end, to whole chunks."""
    return F.pad(x, (0, 0, 0, -int(x.shape[1]) % chunk))


class Retention(nn.Module):
    """(batch, n, C) to the same: tokens mixed in one of three forms, normalised per head, gated by swish.

    ``gamma`` are the heads' decays, by default those of eq. 8. The chunkwise form pads to whole chunks. Values
    have ``value_width`` channels in all heads, by default 2C; with the norm ``rms`` a head's mean stays in.
    """

    gamma: Tensor

    def __init__(
        self,
        C: int,
        heads: int,
        form: str = "parallel",
        chunk: int = 512,
        gamma: Tensor | None = None,
        value_width: int = 0,
        norm: str = "layer",
    ) -> None:
        super().__init__()
        self.heads, self.form, self.chunk = heads, form, chunk
        self.register_buffer("gamma", decays(heads) if gamma is None else gamma, persistent=False)
        self.q = nn.Linear(C, C, bias=False)
        self.k = nn.Linear(C, C, bias=False)
        self.width = width = value_width or 2 * C
        self.v = nn.Linear(C, width, bias=False)
        self.gate = nn.Linear(C, width, bias=False)
        self.norm: nn.Module
        if norm == "rms":
            self.columns = width // heads
            self.norm = ScaleNorm(self.columns, learned=False)
        else:
            self.columns = width
            self.norm = nn.GroupNorm(heads, width, affine=False)
        self.out = nn.Linear(width, C, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        if self.form == "chunkwise":
            x = pad(x, self.chunk)
        batch, n, C = x.shape
        q = rotate(split_heads(self.q(x), self.heads))
        k = rotate(split_heads(self.k(x), self.heads)) * (C // self.heads) ** -0.5
        v = split_heads(self.v(x), self.heads)
        y = merge_heads(self._mix(q, k, v))
        y = self.norm(y.reshape(-1, self.columns)).reshape(batch, n, self.width)
        return self.out(F.silu(self.gate(x)) * y)[:, :length]

    def _mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.form == "recurrent":
            return recurrent(q, k, v, self.gamma)[0]
        if self.form == "chunkwise":
            return chunkwise(q, k, v, self.gamma, self.chunk)[0]
        return parallel(q, k, v, self.gamma)


@layer_witness("retention")
def retention(h: int, w: int, C: int, heads: int, batch: int = 1) -> Witness:
    """Parallel retention over the flattened grid."""
    return Witness(Retention(C, heads), (torch.zeros(batch, h * w, C),))


@layer_witness("retention_recurrent")
def retention_recurrent(h: int, w: int, C: int, heads: int, batch: int = 1) -> Witness:
    """Recurrent retention over the flattened grid."""
    return Witness(Retention(C, heads, "recurrent"), (torch.zeros(batch, h * w, C),))


@layer_witness("retention_chunkwise")
def retention_chunkwise(h: int, w: int, C: int, heads: int, chunk: int, batch: int = 1) -> Witness:
    """Chunkwise retention over the flattened grid."""
    return Witness(Retention(C, heads, "chunkwise", chunk), (torch.zeros(batch, h * w, C),))
